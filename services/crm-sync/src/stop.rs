//! Why the work on a commit is not done, and what the log is told then.

use crms::CrmError;
use domain::retry::Retry;
use event_log::{Outcome, ReadError};
use ledger::DeskError;
use runtime::expressions::ExpressionError;
use runtime::random::jitter;

use crate::config::Settings;
use crate::history::HistoryError;
use crate::orchestrator::AskError;
use crate::story::StoryError;

/// Why the work on a commit is not done. The texts name fields and codes, never values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It may pass; tried again after a pause, until the attempts are used up.
    Later(String, Retry),
    /// Something is awaited that comes by itself; looked for again, however often it takes.
    Look(String),
    /// Somebody must act: a dead letter.
    Never(String),
}

impl Stop {
    /// What the log does with the commit after failed attempt number `attempt` (the first is 1).
    pub fn outcome(self, settings: &Settings, attempt: u32) -> Outcome {
        match self {
            Stop::Never(reason) => Outcome::GiveUp { reason },
            Stop::Look(reason) => Outcome::Retry { pause: settings.confirmation_look, reason },
            Stop::Later(reason, retry) => match settings.backoff.pause(retry, attempt, jitter()) {
                Some(pause) => Outcome::Retry { pause, reason },
                None => Outcome::GiveUp { reason },
            },
        }
    }

    /// Of two, the one that lets the work be tried again: what must wait for a person waits until the rest is done.
    pub fn sooner(first: Option<Stop>, second: Option<Stop>) -> Option<Stop> {
        match (first, second) {
            (Some(Stop::Never(_)), Some(second)) => Some(second),
            (first, second) => first.or(second),
        }
    }

    fn later(error: &impl ToString) -> Self {
        Stop::Later(error.to_string(), Retry::WithBackoff)
    }
}

impl From<CrmError> for Stop {
    fn from(error: CrmError) -> Self {
        match error.retry {
            Retry::Never => Stop::Never(error.to_string()),
            Retry::WithBackoff | Retry::After(_) => Stop::Later(error.to_string(), error.retry),
        }
    }
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Stop::later(&error)
    }
}

impl From<HistoryError> for Stop {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Read(error) => error.into(),
            HistoryError::Decode(error) => Stop::Never(error.to_string()),
        }
    }
}

impl From<StoryError> for Stop {
    fn from(error: StoryError) -> Self {
        match error {
            StoryError::Read(_) | StoryError::Append(_) => Stop::later(&error),
            StoryError::Entity(_) | StoryError::Decode(_) => Stop::Never(error.to_string()),
        }
    }
}

impl From<DeskError> for Stop {
    fn from(error: DeskError) -> Self {
        match error {
            DeskError::Read(_) | DeskError::Append(_) | DeskError::Projection(_) => Stop::later(&error),
            DeskError::Entity(_) | DeskError::Decode(_) => Stop::Never(error.to_string()),
        }
    }
}

impl From<ExpressionError> for Stop {
    fn from(error: ExpressionError) -> Self {
        Stop::Never(error.to_string())
    }
}

impl From<AskError> for Stop {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Refused(reason) => Stop::Never(reason),
            AskError::Later(code) => {
                Stop::Later(format!("the orchestrator answered {code:?}"), Retry::WithBackoff)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_awaits_a_confirmation_is_never_given_up_and_what_fails_is_in_the_end() {
        let settings = Settings::default();
        let look = Stop::Look("not confirmed".to_owned()).outcome(&settings, u32::MAX);
        let again = Outcome::Retry { pause: settings.confirmation_look, reason: "not confirmed".to_owned() };
        assert_eq!(look, again);
        let pause = Duration::from_secs(7);
        let asked = Stop::Later("429".to_owned(), Retry::After(pause)).outcome(&settings, 1);
        assert!(matches!(asked, Outcome::Retry { pause: waited, .. } if waited >= pause), "{asked:?}");
        let never = Stop::Never("400".to_owned()).outcome(&settings, 1);
        assert_eq!(never, Outcome::GiveUp { reason: "400".to_owned() });
    }

    #[test]
    fn a_story_that_cannot_be_read_by_this_version_needs_somebody() {
        let unknown = contracts::DecodeError::UnknownKind("sync.new".to_owned());
        assert!(matches!(Stop::from(StoryError::Decode(unknown)), Stop::Never(_)));
        let away = ReadError::Unavailable("no server".to_owned());
        assert!(matches!(Stop::from(StoryError::Read(away)), Stop::Later(_, Retry::WithBackoff)));
    }
}
