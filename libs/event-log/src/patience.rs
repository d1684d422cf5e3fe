//! Waiting at start-up for a store that is only slow: a disk that is busy is no reason to end the process.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// How long a start-up waits for a log that does not answer, before it ends with what the log last said.
pub const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// Asks until there is an answer, with a pause in between, for [`PATIENCE`]; says once, at warn, `what` is waited
/// for. `waits` tells an error that later may be none (the log does not answer) from one that stays (it refuses,
/// or what it holds is corrupt). `ask` must be harmless when it is repeated.
///
/// # Errors
/// The first error that stays, or the last one when the time is over.
pub async fn patiently<T, E: Display, Asked: Future<Output = Result<T, E>>>(
    what: &str,
    waits: impl Fn(&E) -> bool,
    ask: impl FnMut() -> Asked,
) -> Result<T, E> {
    within(PATIENCE, PAUSE, what, waits, ask).await
}

async fn within<T, E: Display, Asked: Future<Output = Result<T, E>>>(
    patience: Duration,
    pause: Duration,
    what: &str,
    waits: impl Fn(&E) -> bool,
    mut ask: impl FnMut() -> Asked,
) -> Result<T, E> {
    let started = Instant::now();
    let mut said = false;
    loop {
        match ask().await {
            Err(error) if waits(&error) && started.elapsed() < patience => {
                if !said {
                    tracing::warn!(what, %error, seconds_max = patience.as_secs(), "the event log is waited for");
                    said = true;
                }
                sleep(pause).await;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::ReadError;

    const SHORT: Duration = Duration::from_millis(1);

    fn silent() -> ReadError {
        ReadError::Unavailable("no answer".to_owned())
    }

    /// Asks a log that gives `error` until it was asked `times` times; gives the answer and how often it was asked.
    async fn ask(patience: Duration, error: ReadError, times: u32) -> (Result<(), ReadError>, u32) {
        let asked = Cell::new(0);
        let answer = within(patience, SHORT, "the head", ReadError::is_unavailable, || {
            asked.set(asked.get() + 1);
            let answer = if asked.get() < times { Err(error.clone()) } else { Ok(()) };
            async { answer }
        });
        (answer.await, asked.get())
    }

    #[tokio::test]
    async fn a_log_that_answers_late_is_waited_for() {
        assert_eq!(ask(PATIENCE, silent(), 5).await, (Ok(()), 5));
    }

    #[tokio::test]
    async fn a_log_that_never_answers_is_given_up_in_the_end() {
        let (answer, asked) = ask(SHORT * 50, silent(), u32::MAX).await;
        assert_eq!(answer, Err(silent()));
        assert!(asked > 1);
    }

    #[tokio::test]
    async fn a_corrupt_log_is_not_waited_for() {
        let corrupt = ReadError::Corrupt("nonsense".to_owned());
        assert_eq!(ask(PATIENCE, corrupt.clone(), 5).await, (Err(corrupt), 1));
    }
}
