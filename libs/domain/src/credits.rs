//! What sending costs at vendors that count credits: one an envelope, however many sign.
//!
//! The vendor does not tell how many are left, so they are counted from what happened to the envelopes. An envelope
//! pays when it is first known to be out; a void before anybody signed gives the credit back, where the vendor says
//! so. What an account had once has to be told from outside ([`Terms::known`]); a refusal for want of credits is
//! certain knowledge, too: nothing is left until the next envelope gets out.

use std::time::Duration;

use crate::envelope::{Correction, Event};
use crate::intake::Standing;
use crate::time::Timestamp;

/// Over which time the pace of spending is taken.
pub const PACE_WINDOW: Duration = Duration::from_secs(7 * DAY_SECONDS);
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// How a vendor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// A void before the first signature gives the credit back.
    pub refunded_if_untouched: bool,
    /// How many were left at a known moment.
    pub known: Option<(u64, Timestamp)>,
}

/// What a fact did to the credits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// One was spent.
    Spent,
    /// It came back, where [`Terms::refunded_if_untouched`] holds.
    Returned,
}

/// How one envelope stands with the credits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fare {
    /// It has cost one.
    pub paid: bool,
    /// Somebody has signed.
    pub touched: bool,
}

impl Fare {
    /// The fare after a fact, and what the fact did to the credits.
    #[must_use]
    pub fn after(self, event: &Event) -> (Fare, Option<Movement>) {
        let pays = |touched: bool| {
            let fare = Fare { paid: true, touched: self.touched || touched };
            (fare, (!self.paid).then_some(Movement::Spent))
        };
        match event {
            Event::Sent { .. } | Event::Viewed { .. } | Event::Declined { .. } | Event::Expired { .. } => {
                pays(false)
            }
            Event::PartiesProgressed { parties, .. } => {
                let signed = parties.iter().any(|party| party.standing == Standing::Signed);
                if signed || parties.is_empty() { pays(true) } else { (self, None) }
            }
            Event::PaymentDue { .. } | Event::Completed { .. } => pays(true),
            Event::Corrected { to, .. } => match to {
                Correction::Completed | Correction::CompletedAfterVoid => pays(true),
                Correction::Declined => pays(false),
            },
            Event::Voided { .. } if self.paid && !self.touched => {
                (Fare { paid: false, ..self }, Some(Movement::Returned))
            }
            // another life is sent again, and costs again
            Event::Reopened { .. } => (Fare::default(), None),
            Event::Voided { .. }
            | Event::Requested { .. }
            | Event::Adopted { .. }
            | Event::CreateStarted { .. }
            | Event::Created { .. }
            | Event::Failed { .. }
            | Event::ReadyForReview { .. }
            | Event::AttentionNeeded { .. }
            | Event::FieldsChanged { .. }
            | Event::ApprovalRequested { .. }
            | Event::SendRequested { .. }
            | Event::SendHeld { .. }
            | Event::SendResumed { .. }
            | Event::Paid { .. }
            | Event::VoidRequested { .. }
            | Event::VoidRefused { .. }
            | Event::Deleted { .. }
            | Event::ConfirmationRequested { .. }
            | Event::Confirmed { .. }
            | Event::ArtifactReady { .. }
            | Event::ArtifactStored { .. }
            | Event::ArtifactUnavailable { .. }
            | Event::ReminderRequested { .. }
            | Event::FieldsEdited { .. }
            | Event::ReminderStarted { .. }
            | Event::ReminderNotMade { .. }
            | Event::RevisionMoved { .. }
            | Event::Reconciled { .. }
            | Event::SignalIgnored { .. } => (self, None),
        }
    }
}

/// Movements counted over some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Envelopes that paid.
    pub spent: u64,
    /// Envelopes that were voided before anybody signed.
    pub returned: u64,
}

impl Count {
    /// Counts one movement.
    pub fn add(&mut self, movement: Movement) {
        match movement {
            Movement::Spent => self.spent = self.spent.saturating_add(1),
            Movement::Returned => self.returned = self.returned.saturating_add(1),
        }
    }

    /// Credits that are gone.
    pub fn used(self, terms: &Terms) -> u64 {
        self.spent.saturating_sub(self.refunded(terms))
    }

    /// Credits that came back.
    pub fn refunded(self, terms: &Terms) -> u64 {
        if terms.refunded_if_untouched { self.returned } else { 0 }
    }
}

/// What is known of a connection's credits, from the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Book {
    /// Since [`Terms::known`].
    pub since_known: Count,
    /// Within the last [`PACE_WINDOW`].
    pub lately: Count,
    /// When the first of those happened.
    pub lately_from: Option<Timestamp>,
    /// When an envelope last paid.
    pub last_spent: Option<Timestamp>,
    /// When the vendor last refused a send for want of credits.
    pub last_refused: Option<Timestamp>,
}

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statement {
    /// Credits left; `None` if that cannot be known.
    pub remaining: Option<u64>,
    /// Whether the vendor refuses to send for want of credits.
    pub exhausted: bool,
    /// Credits used a day, lately.
    pub per_day: f64,
    /// When they run out at this pace; `None` if they do not, or nobody knows how many are left.
    pub runs_out: Option<Timestamp>,
}

impl Book {
    /// How the connection stands at `now`.
    pub fn statement(&self, terms: &Terms, now: Timestamp) -> Statement {
        let exhausted =
            self.last_refused.is_some_and(|refused| self.last_spent.is_none_or(|spent| spent < refused));
        let remaining = if exhausted { Some(0) } else { self.counted(terms) };
        let per_day = self.per_day(terms, now);
        let runs_out = remaining.filter(|_| per_day > 0.0).map(|remaining| {
            let seconds = remaining as f64 / per_day * DAY_SECONDS as f64;
            now.after(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
        });
        Statement { remaining, exhausted, per_day, runs_out }
    }

    /// What is left of the known credits; nothing can be said once more went out than there were, or after a refusal
    /// that a top-up of unknown size ended.
    fn counted(&self, terms: &Terms) -> Option<u64> {
        let (left, at) = terms.known?;
        if self.last_refused.is_some_and(|refused| refused >= at) {
            return None;
        }
        left.checked_sub(self.since_known.used(terms))
    }

    fn per_day(&self, terms: &Terms, now: Timestamp) -> f64 {
        let Some(from) = self.lately_from else { return 0.0 };
        let day = Duration::from_secs(DAY_SECONDS);
        let days = now.since(from).clamp(day, PACE_WINDOW).as_secs_f64() / day.as_secs_f64();
        self.lately.used(terms) as f64 / days
    }
}

#[cfg(test)]
mod tests;
