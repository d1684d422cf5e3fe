//! What comes from outside, spoiled: the inputs of the fuzz targets.
//!
//! Every parser that reads bytes of a stranger has a target in `targets/`: signatures in headers and queries, the
//! three vendors' webhooks, stored events, requests and the configuration. An input is one of the known good
//! ones (the contracts' vectors, the golden files, the examples in `seeds/`) with up to eight changes, of single
//! bytes and of whole JSON nodes, so that most inputs get past the first brace. Sometimes it is noise.
//!
//! The same targets run in three ways. `cargo test -p fuzz` on stable tries a few thousand inputs each in some
//! seconds; that is part of `./test`. `BOLERO_RANDOM_ITERATIONS=1000000 cargo test -p fuzz` tries a million each,
//! other ones every time; a failure prints the shrunken input and the seed that makes it again. `cargo bolero
//! test -p fuzz …` runs one target under libFuzzer, guided by coverage. docs/fuzzing.md says what was run.

mod change;
pub mod seeds;

use bolero::TypeGenerator;

pub use change::Change;

/// How many inputs a target tries unless `BOLERO_RANDOM_ITERATIONS` says otherwise.
pub const SMOKE: usize = 5_000;

/// A known good input with changes, or noise.
#[derive(Clone, Debug, TypeGenerator)]
pub struct Input {
    /// Which of the good ones, modulo their number.
    seed: u16,
    #[generator(bolero::produce_with::<Vec<Change>>().len(0usize..=8))]
    changes: Vec<Change>,
    /// Taken instead of everything else once in sixteen times.
    #[generator(bolero::produce_with::<Vec<u8>>().len(0usize..=512))]
    noise: Vec<u8>,
}

impl Input {
    /// The good input this one is made of.
    pub fn good<'a>(&self, seeds: &'a [Vec<u8>]) -> &'a [u8] {
        seeds.get(usize::from(self.seed) % seeds.len().max(1)).map_or(&[], Vec::as_slice)
    }

    /// The bytes.
    pub fn bytes(&self, seeds: &[Vec<u8>]) -> Vec<u8> {
        if self.seed % 16 == 15 {
            return self.noise.clone();
        }
        self.changes.iter().fold(self.good(seeds).to_vec(), |bytes, change| change.apply(bytes, seeds))
    }

    /// The bytes as text, where a reader takes text only.
    pub fn text(&self, seeds: &[Vec<u8>]) -> String {
        String::from_utf8_lossy(&self.bytes(seeds)).into_owned()
    }
}
