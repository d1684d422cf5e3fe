//! What must hold when the vendors are unkind and the operator has work to do, shown on the real binary.
//!
//! * `disturbance`: webhooks are dropped, doubled and reordered; every envelope ends as its provider says.
//! * `outage`: ingress is away for longer than any vendor tries; what was missed is found afterwards.
//! * `given_up`: a vendor turns its subscription off; it is turned on again and its gap is filled.
//! * `rotation`: an API key is replaced under load; nothing is rejected.
//! * `wrong_key`: genuine webhooks under a wrong key, mixed with forged ones; the quarantine gives back the right ones.
//!
//! The vendors are simulators in the test's own process; people work at them as they would at the real ones. Each scenario
//! is small inside `./test` and takes its full size from the environment: `COUNTERSIGN_ENVELOPES`,
//! `COUNTERSIGN_ROTATION_SECONDS`, `COUNTERSIGN_WRONG_KEY_EVENTS`. The same on a release build: `COUNTERSIGN_BIN`.

#![expect(clippy::print_stdout, reason = "the counts of a run are its result")]

mod disturbance;
mod given_up;
mod office;
mod outage;
mod rotation;
mod size;
mod told;
mod wrong_key;
