//! What may go wrong with webhooks on their way: `POST /__sim/webhooks`.

use serde::{Deserialize, Serialize};

use super::Tamper;

/// How new messages are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Sent at once.
    #[default]
    Normal,
    /// Sent `n` times (2 if absent).
    Duplicate,
    /// Kept until there are `n` (2 if absent), then sent last first.
    Reorder,
    /// Never sent.
    Drop,
    /// Sent after `delay_ms`.
    Delay,
    /// Kept until `POST /__sim/webhooks/flush`.
    Hold,
    /// Each message by a throw of the dice: dropped, sent twice, reordered in windows of `n`, or normal, in the shares of
    /// `mixed`.
    Mixed,
}

/// Shares of the mode `mixed`, in percent of all messages; what is left over of 100 is normal. Shares beyond 100 are cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mixed {
    /// Never sent.
    pub drop: u8,
    /// Sent twice.
    pub duplicate: u8,
    /// Kept until there are `n`, then sent last first.
    pub reorder: u8,
}

impl Mixed {
    /// The mode for one message, by a throw of 0 to 99.
    pub(super) fn mode(self, thrown: u8) -> Mode {
        let dropped = self.drop;
        let duplicated = dropped.saturating_add(self.duplicate);
        let reordered = duplicated.saturating_add(self.reorder);
        match thrown {
            below if below < dropped => Mode::Drop,
            below if below < duplicated => Mode::Duplicate,
            below if below < reordered => Mode::Reorder,
            _ => Mode::Normal,
        }
    }
}

/// The setting in force. A message that `percent` spares is treated as normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Disturbance {
    /// What is done.
    pub mode: Mode,
    /// Copies or size of the window, depending on the mode; 2 to 100.
    pub n: usize,
    /// Share of messages it is done to, 0 to 100.
    pub percent: u8,
    /// Pause of the mode `delay`.
    pub delay_ms: u64,
    /// Shares of the mode `mixed`.
    pub mixed: Mixed,
    /// What is done to signatures, in every mode.
    pub signature: Tamper,
}

impl Default for Disturbance {
    fn default() -> Self {
        Self {
            mode: Mode::Normal,
            n: 2,
            percent: 100,
            delay_ms: 1_000,
            mixed: Mixed::default(),
            signature: Tamper::None,
        }
    }
}

impl Disturbance {
    /// What is done to one message, by two throws of the dice: whether `percent` spares it, and 0 to 99 for `mixed`.
    pub(super) fn of(&self, spared: bool, thrown: u8) -> (Mode, usize) {
        if spared {
            return (Mode::Normal, 1);
        }
        match self.mode {
            Mode::Mixed => {
                let mode = self.mixed.mode(thrown);
                (mode, if mode == Mode::Duplicate { 2 } else { self.n })
            }
            Mode::Normal | Mode::Duplicate | Mode::Reorder | Mode::Drop | Mode::Delay | Mode::Hold => {
                (self.mode, self.n)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_gives_every_message_one_fate_in_the_shares_it_names() {
        let mixed = Mixed { drop: 5, duplicate: 5, reorder: 10 };
        let fates: Vec<Mode> = (0..100).map(|thrown| mixed.mode(thrown)).collect();
        let count = |mode| fates.iter().filter(|fate| **fate == mode).count();
        assert_eq!([Mode::Drop, Mode::Duplicate, Mode::Reorder, Mode::Normal].map(count), [5, 5, 10, 80]);
    }

    #[test]
    fn what_is_spared_is_never_disturbed() {
        let all = Mixed { drop: 100, ..Mixed::default() };
        let disturbance = Disturbance { mode: Mode::Mixed, mixed: all, ..Disturbance::default() };
        assert_eq!(disturbance.of(true, 0).0, Mode::Normal);
        assert_eq!(disturbance.of(false, 0).0, Mode::Drop);
    }
}
