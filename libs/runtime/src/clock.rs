//! The only place that reads the time of day.
//!
//! Edges ask the clock and write the reading into the command; tests hold a manual one and move it.

use std::time::Duration;

use domain::time::Timestamp;
use tokio::sync::watch;

/// Longest single nap while waiting for a point in time; bounds how late a stepped system clock is noticed.
const NAP_MAX: Duration = Duration::from_secs(30);

/// A cheap handle to a source of time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(watch::Sender<Timestamp>),
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl Clock {
    /// The machine's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until it is moved. All clones show the same time.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(watch::Sender::new(start)))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => system_now(),
            Source::Manual(time) => *time.borrow(),
        }
    }

    /// Moves a manual clock forward and wakes whoever waits for a time that has come.
    ///
    /// # Panics
    /// On the system clock, which nobody moves: only tests call this.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Source::Manual(time) => {
                time.send_modify(|now| *now = now.after(by));
            }
            Source::System => unreachable!("only a manual clock is moved by hand"),
        }
    }

    /// Returns when this clock shows `at` or later; at once if it already does. Cancel safe.
    pub async fn wait_until(&self, at: Timestamp) {
        match &self.0 {
            Source::System => loop {
                let left = at.since(system_now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(NAP_MAX)).await;
            },
            Source::Manual(time) => {
                // The sender lives in `self`, so the channel cannot close while we wait.
                let _ = time.subscribe().wait_for(|now| *now >= at).await;
            }
        }
    }

    /// Waits for `pause` on this clock. Cancel safe.
    pub async fn sleep(&self, pause: Duration) {
        self.wait_until(self.now().after(pause)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's time")]
fn system_now() -> Timestamp {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_of_a_manual_clock_show_the_same_time() {
        let clock = Clock::manual(Timestamp(1_000));
        let twin = clock.clone();
        clock.advance(Duration::from_secs(2));
        assert_eq!(twin.now(), Timestamp(3_000));
    }

    #[test]
    fn the_system_clock_shows_this_century() {
        assert!(Clock::system().now() > Timestamp(1_700_000_000_000));
    }

    #[tokio::test]
    async fn whoever_waits_on_a_manual_clock_wakes_when_it_is_moved() {
        let clock = Clock::manual(Timestamp(0));
        let waiting = clock.sleep(Duration::from_secs(60));
        tokio::pin!(waiting);
        assert!(futures_poll(waiting.as_mut()).await.is_none(), "nobody wakes before the time has come");
        clock.advance(Duration::from_secs(61));
        waiting.await;
    }

    async fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut future = future;
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match future.as_mut().poll(context) {
                std::task::Poll::Ready(done) => Some(done),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
