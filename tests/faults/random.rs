//! Random moments that can be repeated.

use std::time::Duration;

/// A small generator (splitmix64), seeded from `COUNTERSIGN_SEED` or from the clock; the seed is printed.
pub struct Random(u64);

impl Random {
    pub fn from_environment() -> Self {
        let given = variable("COUNTERSIGN_SEED");
        let seed = given.unwrap_or_else(|| u64::from(std::process::id()) << 20 | 0x5eed);
        println!("COUNTERSIGN_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Some time between the two.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from((most - least).as_micros()).expect("the span is short").max(1);
        least + Duration::from_micros(self.next() % span)
    }
}

/// How often to kill: `COUNTERSIGN_KILLS`, or as few as `./test` has time for.
pub fn kills(few: u64) -> u64 {
    variable("COUNTERSIGN_KILLS").unwrap_or(few)
}

#[expect(clippy::disallowed_methods, reason = "the knobs of a test that is run by hand")]
fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
