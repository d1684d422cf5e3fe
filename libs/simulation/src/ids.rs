//! Identifiers and dice that are the same in every run with the same seed.

use std::sync::atomic::{AtomicU64, Ordering};

/// A seeded source (SplitMix64). Not for keys: whoever knows the seed knows every id.
#[derive(Debug)]
pub struct Ids(AtomicU64);

impl Ids {
    /// The source for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// Starts again, as if newly made with `seed`.
    pub fn reset(&self, seed: u64) {
        self.0.store(seed, Ordering::SeqCst);
    }

    /// The next 64 bits.
    pub fn bits(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(STEP, Ordering::SeqCst).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A UUID of version 4 in its usual writing.
    pub fn uuid(&self) -> String {
        let (a, b) = (self.bits(), self.bits());
        let (first, second, third) = (a >> 32, (a >> 16) & 0xffff, a & 0x0fff);
        let (fourth, fifth) = (0x8000 | ((b >> 48) & 0x3fff), b & 0xffff_ffff_ffff);
        format!("{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{fifth:012x}")
    }

    /// `length` letters and digits.
    pub fn token(&self, length: usize) -> String {
        const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let pick = |_| char::from(LETTERS[usize::try_from(self.bits() % 62).unwrap_or(0)]);
        (0..length).map(pick).collect()
    }

    /// True `percent` times out of a hundred.
    pub fn chance(&self, percent: u8) -> bool {
        self.percentile() < percent
    }

    /// 0 to 99, each as likely.
    pub fn percentile(&self) -> u8 {
        u8::try_from(self.bits() % 100).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_ids() {
        let (one, two, other) = (Ids::new(7), Ids::new(7), Ids::new(8));
        let id = one.uuid();
        assert_eq!(id, two.uuid());
        assert_ne!(id, other.uuid());
        assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'));
        assert_eq!(one.token(22).len(), 22);
    }

    #[test]
    fn a_chance_of_nothing_never_comes_and_of_everything_always_does() {
        let ids = Ids::new(1);
        assert!((0..500).all(|_| !ids.chance(0) && ids.chance(100)));
    }
}
