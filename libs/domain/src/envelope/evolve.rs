//! From a fact to state. Total: replaying a log cannot fail.

use super::event::Event;
use super::reason::{Correction, HoldReason};
use super::stage::Stage;
use super::state::{Artifact, Detection, Envelope, PartyState, Payment};
use crate::intake::{PartyNews, Standing};
use crate::personal::Personal;
use crate::time::Timestamp;

/// Parties kept per envelope, whatever the provider counts: the state stays bounded.
pub(super) const PARTIES_KNOWN_MAX: u32 = 100;

/// The envelope after one more fact.
pub fn evolve(mut envelope: Envelope, event: &Event) -> Envelope {
    match event {
        Event::Requested { order, at } => {
            envelope.enter(Stage::Requested, *at);
            envelope.generation = 1;
            envelope.parties = (1..=order.parties.total().min(PARTIES_KNOWN_MAX)).map(waiting).collect();
            envelope.requested_at = Some(*at);
            envelope.order = Some((**order).clone());
        }
        Event::Adopted { adoption, at } => {
            envelope.enter(Stage::Preparing, *at);
            envelope.generation = 1;
            envelope.provider_id = Some(adoption.provider_id.clone());
            envelope.requested_at = Some(*at);
            envelope.created_at = Some(*at);
            envelope.adoption = Some(adoption.clone());
        }
        Event::CreateStarted { way, at } => {
            envelope.enter(Stage::Creating, *at);
            envelope.create_way.clone_from(way);
        }
        Event::Created { provider_id, review_link, at } => {
            envelope.provider_id = Some(provider_id.clone());
            envelope.created_at.get_or_insert(*at);
            if review_link.is_some() {
                envelope.review_link.clone_from(review_link);
            }
            if envelope.stage.rank() < Stage::Preparing.rank() {
                envelope.enter(Stage::Preparing, *at);
            }
        }
        Event::Failed { failure, reason, at } => {
            envelope.enter(Stage::Failed, *at);
            envelope.reason = reason.clone().or_else(|| Some(Personal::new(failure.words())));
        }
        Event::ReadyForReview { at } => {
            envelope.enter(Stage::InReview, *at);
            envelope.detection = Detection::Ready;
        }
        Event::AttentionNeeded { attention, at } => {
            if envelope.stage.rank() < Stage::Sent.rank() {
                envelope.enter(Stage::NeedsAttention, *at);
                envelope.versions_moved = 0;
            }
            envelope.attention = Some(*attention);
        }
        Event::FieldsChanged { detection, fields_version, at: _ } => {
            envelope.detection = *detection;
            envelope.fields_version = *fields_version;
        }
        Event::ApprovalRequested { at } => envelope.enter(Stage::AwaitingApproval, *at),
        Event::SendRequested { at, .. } | Event::SendResumed { at, .. } => {
            envelope.enter(Stage::Sending, *at);
            envelope.send_attempts = envelope.send_attempts.saturating_add(1);
        }
        Event::SendHeld { reason, at } => {
            envelope.enter(Stage::InReview, *at);
            envelope.hold = Some(*reason);
            if *reason == HoldReason::VersionMoved {
                envelope.versions_moved = envelope.versions_moved.saturating_add(1);
            }
        }
        Event::Sent { at } => envelope.advance(Stage::Sent, *at),
        Event::Viewed { at } => {
            envelope.viewed_at.get_or_insert(*at);
            envelope.advance(Stage::Viewed, *at);
        }
        Event::PartiesProgressed { parties, total, at } => {
            envelope.merge_parties(parties, *total, *at);
            // An empty list says that somebody signed, but not who.
            if parties.is_empty() || parties.iter().any(|party| party.standing == Standing::Signed) {
                envelope.advance(Stage::PartiallySigned, *at);
            }
        }
        Event::PaymentDue { at } => {
            if envelope.payment == Payment::None {
                envelope.payment = Payment::Due;
            }
            envelope.advance(Stage::AwaitingPayment, *at);
        }
        Event::Paid { at: _ } => envelope.payment = Payment::Paid,
        Event::Completed { confirmed, at } => envelope.complete(*confirmed, *at),
        Event::Declined { reason, at } => {
            envelope.enter(Stage::Declined, *at);
            envelope.reason.clone_from(reason);
        }
        Event::VoidRequested { reason, at: _ } => envelope.void_requested = Some(*reason),
        Event::VoidRefused { at } => {
            envelope.void_requested = None;
            envelope.void_refused_at = Some(*at);
        }
        Event::Voided { at } => envelope.enter(Stage::Voided, *at),
        Event::Expired { at } => envelope.enter(Stage::Expired, *at),
        Event::Deleted { at } => envelope.enter(Stage::Deleted, *at),
        Event::Reopened { at } => envelope.begin_generation(*at),
        Event::Corrected { to, at } => match to {
            Correction::Completed | Correction::CompletedAfterVoid => envelope.complete(true, *at),
            Correction::Declined => {
                envelope.enter(Stage::Declined, *at);
                envelope.confirmed = true;
                envelope.confirmation_requested = false;
            }
        },
        Event::ConfirmationRequested { at: _ } => envelope.confirmation_requested = true,
        Event::Confirmed { at: _ } => {
            envelope.confirmation_requested = false;
            envelope.confirmed = envelope.stage.is_closed();
        }
        Event::ArtifactReady { at: _ } => {
            if !matches!(envelope.artifact, Artifact::Stored { .. }) {
                envelope.artifact = Artifact::Ready;
            }
        }
        Event::ArtifactStored { digest, bytes, at: _ } => {
            envelope.artifact = Artifact::Stored { digest: *digest, bytes: *bytes };
        }
        Event::ArtifactUnavailable { at: _ } => envelope.artifact = Artifact::Unavailable,
        Event::FieldsEdited { fields_version, at: _ } => {
            envelope.fields_edited = *fields_version;
            envelope.fields_version = envelope.fields_version.max(Some(*fields_version));
        }
        Event::ReminderRequested { number, at: _ } => envelope.reminders_sent = *number,
        Event::ReminderStarted { number, at: _ } => envelope.reminders_started = *number,
        Event::ReminderNotMade { number, at: _ } => {
            envelope.reminders_started = envelope.reminders_started.min(number.saturating_sub(1));
        }
        Event::RevisionMoved { revision, at: _ } => envelope.revision = Some(*revision),
        Event::SignalIgnored { .. } | Event::Reconciled { .. } => {}
    }
    envelope
}

/// The envelope after all these facts.
pub fn replay<'a>(events: impl IntoIterator<Item = &'a Event>) -> Envelope {
    events.into_iter().fold(Envelope::default(), evolve)
}

/// Whether a party may go from one standing to the other: forward only, and a signature is the last word.
pub(super) fn moves_forward(from: Standing, to: Standing) -> bool {
    let place = |standing| match standing {
        Standing::Waiting => 0,
        Standing::Pending => 1,
        Standing::Declined => 2,
        Standing::Signed => 3,
    };
    place(to) > place(from)
}

fn waiting(order: u32) -> PartyState {
    PartyState { order, standing: Standing::Waiting, signed_at: None }
}

impl Envelope {
    /// What every transition has in common: overlays belong to the stage they were laid over.
    fn enter(&mut self, stage: Stage, at: Timestamp) {
        self.stage = stage;
        self.stage_since = at;
        self.attention = None;
        self.hold = None;
        if stage.is_out() || stage == Stage::Completed {
            self.sent_at.get_or_insert(at);
            self.versions_moved = 0;
        }
        if stage.is_closed() {
            self.closed_at = Some(at);
            self.void_requested = None;
            self.confirmed = false;
        }
    }

    /// Enters a stage of higher rank; facts about earlier ones leave the stage where it is.
    fn advance(&mut self, stage: Stage, at: Timestamp) {
        if self.stage.rank() < stage.rank() {
            self.enter(stage, at);
        }
    }

    fn complete(&mut self, confirmed: bool, at: Timestamp) {
        self.enter(Stage::Completed, at);
        self.completed_at = Some(at);
        self.confirmed = confirmed;
        self.confirmation_requested &= !confirmed;
        if self.artifact == Artifact::None {
            self.artifact = Artifact::Pending;
        }
    }

    /// T23: what the signers did is void, what we ordered stays.
    fn begin_generation(&mut self, at: Timestamp) {
        self.enter(Stage::InReview, at);
        self.generation = self.generation.saturating_add(1);
        self.generation_floor = self.revision;
        self.parties = self.parties.iter().map(|party| waiting(party.order)).collect();
        self.fields_edited = 0;
        self.send_attempts = 0;
        self.versions_moved = 0;
        self.reminders_sent = 0;
        self.reminders_started = 0;
        self.void_requested = None;
        self.void_refused_at = None;
        self.artifact = Artifact::None;
        self.payment = Payment::None;
        self.reason = None;
        self.confirmed = false;
        self.confirmation_requested = false;
        self.sent_at = None;
        self.viewed_at = None;
        self.completed_at = None;
        self.closed_at = None;
    }

    /// The provider's parties replace the planned ones (a reviewer may have changed them); signatures stay.
    fn merge_parties(&mut self, news: &[PartyNews], total: u32, at: Timestamp) {
        let total = total.min(PARTIES_KNOWN_MAX);
        self.parties.retain(|party| party.order <= total || party.standing == Standing::Signed);
        for order in 1..=total {
            if !self.parties.iter().any(|party| party.order == order) {
                self.parties.push(waiting(order));
            }
        }
        for party in &mut self.parties {
            for said in news.iter().filter(|said| said.order == party.order) {
                if moves_forward(party.standing, said.standing) {
                    party.standing = said.standing;
                    party.signed_at = (said.standing == Standing::Signed).then_some(at);
                }
            }
        }
        self.parties.sort_by_key(|party| party.order);
    }
}
