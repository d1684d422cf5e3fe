//! How far each share was read, and up to where everything in it is finished.

use std::collections::BTreeSet;

use super::cursor::Positions;
use crate::backend::Shares;

/// Pure bookkeeping of one follower.
pub(super) struct Progress {
    shares: [Share; Shares::COUNT],
}

#[derive(Default)]
struct Share {
    read_to: u64,
    unfinished: BTreeSet<u64>,
}

impl Progress {
    pub(super) fn new(start: &Positions) -> Self {
        let share = |index: usize| Share { read_to: start[index], unfinished: BTreeSet::new() };
        Self { shares: std::array::from_fn(share) }
    }

    /// Where a tail of these shares must begin.
    pub(super) fn resume(&self, shares: Shares) -> u64 {
        shares.iter().map(|share| self.shares[share].read_to).min().unwrap_or_default()
    }

    /// Takes up a commit; `false` when this share has read it before.
    pub(super) fn take_up(&mut self, share: usize, position: u64) -> bool {
        let share = &mut self.shares[share];
        let new = position > share.read_to;
        if new {
            share.unfinished.insert(position);
        }
        new
    }

    /// The tail of these shares has come this far.
    pub(super) fn read_to(&mut self, shares: Shares, position: u64) {
        for share in shares.iter() {
            let share = &mut self.shares[share];
            share.read_to = share.read_to.max(position);
        }
    }

    pub(super) fn finish(&mut self, share: usize, position: u64) {
        self.shares[share].unfinished.remove(&position);
    }

    /// Starts a share afresh from what somebody has finished.
    pub(super) fn reset(&mut self, share: usize, position: u64) {
        self.shares[share] = Share { read_to: position, unfinished: BTreeSet::new() };
    }

    /// Per share, the position up to which everything is finished.
    pub(super) fn finished(&self, share: usize) -> u64 {
        let share = &self.shares[share];
        share.unfinished.first().map_or(share.read_to, |first| first - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_unfinished_commit_holds_the_checkpoint() {
        let mut progress = Progress::new(&[0; Shares::COUNT]);
        for position in [5, 9] {
            assert!(progress.take_up(3, position));
            progress.read_to(Shares::ALL, position);
        }
        progress.finish(3, 9);
        assert_eq!(progress.finished(3), 4);
        assert_eq!(progress.finished(0), 9, "a share without work follows the tail");
        progress.finish(3, 5);
        assert_eq!(progress.finished(3), 9);
    }

    #[test]
    fn a_commit_is_taken_up_once() {
        let mut progress = Progress::new(&[0; Shares::COUNT]);
        assert!(progress.take_up(1, 7));
        progress.read_to(Shares::ALL, 7);
        assert!(!progress.take_up(1, 7));
        progress.reset(1, 2);
        assert_eq!(progress.resume(Shares::ALL), 2);
        assert!(progress.take_up(1, 7), "a share that was lost and won again starts at its checkpoint");
    }
}
