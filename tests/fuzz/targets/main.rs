//! The targets: one for every parser of a stranger's bytes.

mod configuration;
mod digests;
mod laws;
mod stored;
mod webhooks;

/// Feeds a target: `fuzz!(|input: Input| { … })`.
macro_rules! fuzz {
    ($input:ty, $check:expr) => {
        bolero::check!().with_iterations(fuzz::SMOKE).with_type::<$input>().for_each($check)
    };
}
pub(crate) use fuzz;
