//! A decision in the making: the facts so far, and the envelope as it stands after them.

use std::borrow::Cow;

use super::event::Event;
use super::evolve::evolve;
use super::order::SendPolicy;
use super::state::Envelope;
use crate::time::Timestamp;

/// Facts are recorded one after the other; each is decided on the envelope that the ones before it left.
pub(super) struct Decision<'a> {
    envelope: Cow<'a, Envelope>,
    events: Vec<Event>,
}

impl<'a> Decision<'a> {
    /// Begins without facts.
    pub(super) fn on(envelope: &'a Envelope) -> Self {
        Self { envelope: Cow::Borrowed(envelope), events: Vec::new() }
    }

    /// The envelope after the facts recorded so far.
    pub(super) fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Whether no fact was recorded yet.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many facts were recorded so far.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The facts so far, in order.
    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Adds a fact.
    pub(super) fn record(&mut self, event: Event) {
        let before = std::mem::replace(&mut self.envelope, Cow::Owned(Envelope::default())).into_owned();
        self.envelope = Cow::Owned(evolve(before, &event));
        self.events.push(event);
    }

    /// All facts, in order.
    pub(super) fn into_events(self) -> Vec<Event> {
        self.events
    }

    /// Asks for the provider's truth, unless that was asked already or nobody could answer.
    pub(super) fn request_confirmation(&mut self, at: Timestamp) {
        if !self.envelope.confirmation_requested && self.envelope.provider_id.is_some() {
            self.record(Event::ConfirmationRequested { at });
        }
    }

    /// T5, T8, T10. With the auto policy the send follows in the same breath; what was adopted is never sent.
    pub(super) fn ready_for_review(&mut self, at: Timestamp) {
        self.record(Event::ReadyForReview { at });
        let envelope = self.envelope();
        let auto = envelope.order.as_ref().is_some_and(|order| order.send == SendPolicy::Auto);
        if auto && envelope.hold.is_none() && envelope.void_requested.is_none() {
            let fields_version = envelope.fields_version;
            self.record(Event::SendRequested { fields_version, at });
        }
    }

    /// T3, and the void that was asked for while creation was on its way: now there is something to void.
    pub(super) fn created(&mut self, event: Event, at: Timestamp) {
        self.record(event);
        if let (Some(reason), false) = (self.envelope.void_requested, self.envelope.stage.is_closed()) {
            self.record(Event::VoidRequested { reason, at });
        }
    }
}
