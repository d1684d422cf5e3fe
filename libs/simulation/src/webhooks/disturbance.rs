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
    /// What is done to signatures, in every mode.
    pub signature: Tamper,
}

impl Default for Disturbance {
    fn default() -> Self {
        Self { mode: Mode::Normal, n: 2, percent: 100, delay_ms: 1_000, signature: Tamper::None }
    }
}
