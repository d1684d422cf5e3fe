//! What a job is, and what it gives back.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::ConnectionId;
use domain::job::NOTE_BYTES_MAX;

use crate::Run;

/// Work that comes round by itself, for one connection.
#[derive(Clone)]
pub struct Job {
    /// Its name, lower case with dashes, for example `open-envelopes`; also a metric label.
    pub name: &'static str,
    /// The connection it works for.
    pub connection: ConnectionId,
    /// It comes round after this time at the latest.
    pub every: Duration,
    /// No run takes longer.
    pub run_max: Duration,
    /// What to do.
    pub work: Arc<dyn Work>,
}

/// What a job does. May be run twice at the same time, and must be harmless then.
#[async_trait]
pub trait Work: Send + Sync {
    /// One run. It may be dropped at any await; what must not be repeated is kept with [`Run::keep`].
    ///
    /// # Errors
    /// What it met; it is tried again later.
    async fn run(&self, run: &Run) -> Result<Report, Failure>;
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many things it looked at.
    pub looked: u64,
    /// How many of them nobody had told us, and are mended now.
    pub found: u64,
    /// Whether more is left: the next run follows at once.
    pub more: bool,
    /// Whether a person should look.
    pub attention: bool,
    /// What there is to say; no personal data; cut after [`NOTE_BYTES_MAX`] bytes.
    pub note: String,
}

/// Why a run did not do what it was to do. The text is shown to operators: no personal data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What it met.
    pub reason: String,
    /// What it had done until then.
    pub report: Report,
}

impl Failure {
    /// After nothing was done.
    pub fn new(reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string(), report: Report::default() }
    }

    /// After some of it was done.
    pub fn after(report: Report, reason: impl std::fmt::Display) -> Self {
        Self { reason: reason.to_string(), report }
    }
}

/// The text, cut to what a note may be.
pub(crate) fn note(text: &str) -> String {
    let end = (0..=NOTE_BYTES_MAX.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(note("short"), "short");
        let long = "ä".repeat(NOTE_BYTES_MAX);
        assert_eq!(note(&long).len(), NOTE_BYTES_MAX);
        assert_eq!(note(&format!("a{long}")).len(), NOTE_BYTES_MAX - 1);
    }
}
