//! Given a history, when a wish comes, then these are the facts.

use std::time::Duration;

use super::super::*;
use crate::ids::ProviderEnvelopeId;
use crate::intake::{Claim, PartyNews, Standing};
use crate::parties::Parties;
use crate::personal::Personal;
use crate::time::Timestamp;

/// Noon of the first day of these stories.
pub const AT: Timestamp = Timestamp(1_767_225_600_000);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub fn given(history: impl IntoIterator<Item = Event>) -> Given {
    let history: Vec<Event> = history.into_iter().collect();
    Given { envelope: replay(&history) }
}

pub struct Given {
    pub envelope: Envelope,
}

impl Given {
    pub fn when(self, wish: impl Into<Command>) -> When {
        let outcome = decide(&self.envelope, wish.into());
        When { envelope: self.envelope, outcome }
    }
}

pub struct When {
    envelope: Envelope,
    outcome: Result<Vec<Event>, Rejection>,
}

impl When {
    /// Exactly these facts; returns the envelope after them.
    #[track_caller]
    pub fn then<const N: usize>(self, expected: [Event; N]) -> Envelope {
        assert_eq!(self.outcome.as_deref(), Ok(&expected[..]));
        expected.iter().fold(self.envelope, evolve)
    }

    #[track_caller]
    pub fn then_nothing(self) {
        self.then([]);
    }

    #[track_caller]
    pub fn then_ignored(self, claim: &Claim, reason: IgnoreReason) {
        self.then([ignored(claim, reason)]);
    }

    #[track_caller]
    pub fn then_refused(self, rejection: Rejection) {
        assert_eq!(self.outcome, Err(rejection));
    }
}

/// An observation in the making; by default the provider cannot reopen and has no revisions.
#[derive(Clone, Debug)]
pub struct Seen {
    pub observation: Observation,
    pub source: Source,
    pub reopens: bool,
    pub at: Timestamp,
}

pub fn webhook(claim: Claim) -> Seen {
    let observation = Observation {
        provider_id: provider_id(),
        claim,
        detection: None,
        fields_version: None,
        revision: None,
        parties: Vec::new(),
        total: None,
        review_link: None,
        conclusive: true,
    };
    Seen { observation, source: Source::Webhook, reopens: false, at: AT }
}

pub fn poll(claim: Claim) -> Seen {
    Seen { source: Source::Poll, ..webhook(claim) }
}

pub fn call(claim: Claim) -> Seen {
    Seen { source: Source::Call, ..webhook(claim) }
}

/// A sweep's GET says.
pub fn sweep(claim: Claim) -> Seen {
    Seen { source: Source::Reconciliation, ..webhook(claim) }
}

impl Seen {
    pub fn detection(mut self, detection: Detection) -> Self {
        self.observation.detection = Some(detection);
        self
    }

    pub fn fields_version(mut self, version: u64) -> Self {
        self.observation.fields_version = Some(version);
        self
    }

    /// A provider that can reopen, at this revision.
    pub fn revision(mut self, revision: i64) -> Self {
        self.observation.revision = Some(revision);
        self.reopens = true;
        self
    }

    pub fn reopens(mut self) -> Self {
        self.reopens = true;
        self
    }

    pub fn parties(mut self, standings: impl IntoIterator<Item = (u32, Standing)>, total: u32) -> Self {
        self.observation.parties = news(standings);
        self.observation.total = Some(total);
        self
    }

    pub fn inconclusive(mut self) -> Self {
        self.observation.conclusive = false;
        self
    }

    pub fn of(mut self, provider_id: &str) -> Self {
        self.observation.provider_id = provider_id.parse().unwrap();
        self
    }
}

impl From<Seen> for Command {
    fn from(seen: Seen) -> Self {
        let Seen { observation, source, reopens, at } = seen;
        Command::Observe { observation, source, reopens, at }
    }
}

pub fn provider_id() -> ProviderEnvelopeId {
    "prov-1".parse().unwrap()
}

pub fn news(standings: impl IntoIterator<Item = (u32, Standing)>) -> Vec<PartyNews> {
    standings.into_iter().map(|(order, standing)| PartyNews { order, standing }).collect()
}

/// An order of two signers that a person sends.
pub fn order() -> Order {
    let signer = |name: &str| ("Customer".to_owned(), name.to_owned(), format!("{name}@buyer.test"));
    Order {
        operation_key: "trg_1".parse().unwrap(),
        flow: "order-form".parse().unwrap(),
        provider: "provider-main".parse().unwrap(),
        record: None,
        document: Document::Url(Personal::new("https://files.test/1.pdf")),
        title: "Order form".into(),
        parties: Parties::sequential([signer("dana"), signer("sam")]).unwrap(),
        send: SendPolicy::Review,
        expires_after: Some(30 * DAY),
        remind_after: vec![2 * DAY, 4 * DAY],
        correlation: Correlation::default(),
    }
}

pub fn adoption() -> Adoption {
    Adoption {
        provider: "provider-main".parse().unwrap(),
        provider_id: provider_id(),
        flow: "order-form".parse().unwrap(),
        record: None,
    }
}

pub fn requested(send: SendPolicy) -> Event {
    Event::Requested { order: Box::new(Order { send, ..order() }), at: AT }
}

pub fn created() -> Event {
    Event::Created { provider_id: provider_id(), review_link: None, at: AT }
}

pub fn send_requested() -> Event {
    Event::SendRequested { fields_version: None, at: AT }
}

pub fn progressed(standings: impl IntoIterator<Item = (u32, Standing)>) -> Event {
    Event::PartiesProgressed { parties: news(standings), total: 2, at: AT }
}

pub fn completed(confirmed: bool) -> Event {
    Event::Completed { confirmed, at: AT }
}

pub fn attention(attention: Attention) -> Event {
    Event::AttentionNeeded { attention, at: AT }
}

pub fn void_requested(reason: VoidReason) -> Event {
    Event::VoidRequested { reason, at: AT }
}

pub fn confirmation_requested() -> Event {
    Event::ConfirmationRequested { at: AT }
}

pub fn moved_to(revision: i64) -> Event {
    Event::RevisionMoved { revision, at: AT }
}

pub fn ignored(claim: &Claim, reason: IgnoreReason) -> Event {
    Event::SignalIgnored { claim: claim.name().to_owned(), reason, at: AT }
}

/// A short history that ends at the stage, of an order that a person sends.
pub fn at_stage(stage: Stage) -> Vec<Event> {
    at_stage_with(stage, SendPolicy::Review)
}

pub fn at_stage_with(stage: Stage, send: SendPolicy) -> Vec<Event> {
    let at = AT;
    let after = |before: Stage, event: Event| {
        let mut history = at_stage_with(before, send);
        history.push(event);
        history
    };
    match stage {
        Stage::Absent => vec![],
        Stage::Requested => vec![requested(send)],
        Stage::Creating => after(Stage::Requested, Event::CreateStarted { way: None, at }),
        Stage::Preparing => after(Stage::Creating, created()),
        Stage::InReview => after(Stage::Preparing, Event::ReadyForReview { at }),
        Stage::NeedsAttention => after(Stage::Preparing, attention(Attention::DetectionFailed)),
        Stage::AwaitingApproval => after(Stage::InReview, Event::ApprovalRequested { at }),
        Stage::Sending => after(Stage::InReview, send_requested()),
        Stage::Sent => after(Stage::InReview, Event::Sent { at }),
        Stage::Viewed => after(Stage::Sent, Event::Viewed { at }),
        Stage::PartiallySigned => after(Stage::Sent, progressed([(1, Standing::Signed)])),
        Stage::AwaitingPayment => after(Stage::Sent, Event::PaymentDue { at }),
        Stage::Completed => after(Stage::Sent, completed(true)),
        Stage::Declined => after(Stage::Sent, Event::Declined { reason: None, at }),
        Stage::Voided => after(Stage::Sent, Event::Voided { at }),
        Stage::Expired => after(Stage::Sent, Event::Expired { at }),
        Stage::Failed => after(
            Stage::Preparing,
            Event::Failed { failure: CreateFailure::ProviderFailed, reason: None, at },
        ),
        Stage::Deleted => after(Stage::Sent, Event::Deleted { at }),
    }
}

#[test]
fn every_stage_has_a_history_that_ends_at_it() {
    for stage in Stage::ALL {
        assert_eq!(given(at_stage(stage)).envelope.stage, stage);
    }
}
