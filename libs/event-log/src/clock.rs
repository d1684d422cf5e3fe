//! The one clock reading of this crate: when the log took a commit.

use std::time::{SystemTime, UNIX_EPOCH};

use domain::time::Timestamp;

/// Now, for `recorded_at` only. Nothing is decided by it and no two machines' readings are compared.
#[expect(
    clippy::disallowed_methods,
    reason = "the log stamps records itself; runtime may not be a dependency"
)]
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
