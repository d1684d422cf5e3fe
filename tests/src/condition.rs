//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Asks `look` until it answers `Some`, at most for `deadline`; an error counts as "not yet".
///
/// # Errors
/// When the deadline passes; the message holds `what` and the last error.
pub async fn eventually<T, F>(what: &str, deadline: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let started = Instant::now();
    loop {
        let seen = match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => "it was not so".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        if started.elapsed() > deadline {
            bail!("waited {deadline:?} for {what}: {seen}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
