//! The journeys: what Countersign is for, played from outside.
//!
//! A journey drives deals, people and vendors over HTTP and our services over gRPC, waits for what must become
//! true, then holds the vendors' own journals against it: which calls were made, what was written to the deal,
//! in which order, and that there was nothing more. It knows addresses only, so the same functions judge the
//! process they run in (`countersign demo`) and a process of its own (`tests/`), on either log.
//!
//! Every journey makes its own deals, and most can run beside each other. Those that turn a knob of a whole
//! vendor (its credits, the fate of its webhooks) say so and run alone.

mod ad_hoc_review_two_signers;
mod create_times_out_after_apply;
mod credits_exhausted_sends_held_in_order;
mod declined_by_second_signer;
mod detection_needs_attention;
mod docx_upload_over_grpc;
mod every_permutation_of_a_lifecycle;
mod journal;
mod link_write_fails_three_times;
mod lost_trigger_found_by_asking;
mod pandadoc_document_sent_by_sales;
mod pandadoc_driven;
mod pandadoc_reopens_and_corrects;
mod people;
mod same_webhook_twenty_times;
mod second_generation;
mod stage;
mod template_auto_send;
mod voided_by_us;
mod watching;
mod webhook_before_create_returned;

use anyhow::Result;
use futures::FutureExt as _;
use futures::future::LocalBoxFuture;

pub use journal::{Call, Write};
pub use people::Deal;
pub use stage::{Addresses, Listener, Stage, eventually, visitor};

/// What a journey was about, for whoever tells its story.
#[derive(Clone, Debug, Default)]
pub struct JourneyReport {
    /// Each deal with its envelope, the one that tells the story best first.
    pub chapters: Vec<Chapter>,
    /// What was proved beyond the usual, in plain words.
    pub remarks: Vec<String>,
    /// Webhooks that the journey sent itself, in the vendor's name.
    pub own_webhooks: u64,
}

/// One deal and the envelope it led to.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// Id of the deal in the CRM.
    pub deal: String,
    /// Our id of the envelope.
    pub envelope: String,
    /// What is told of it, where a journey tells several stories; its timeline is shown then.
    pub title: Option<&'static str>,
}

impl JourneyReport {
    /// A journey of one deal.
    pub fn of(deal: &Deal, envelope: &str) -> Self {
        Self::about(vec![Chapter::of(deal, envelope)])
    }

    /// A journey of several deals.
    pub fn about(chapters: Vec<Chapter>) -> Self {
        Self { chapters, ..Self::default() }
    }

    /// With a further remark.
    #[must_use]
    pub fn and(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }
}

impl Chapter {
    fn of(deal: &Deal, envelope: &str) -> Self {
        Self { deal: deal.id.clone(), envelope: envelope.to_owned(), title: None }
    }

    fn titled(self, title: &'static str) -> Self {
        Self { title: Some(title), ..self }
    }
}

/// A journey, ready to be played.
#[derive(Clone, Copy)]
pub struct Journey {
    /// Its name: the file it is in.
    pub name: &'static str,
    /// What happens, in a sentence.
    pub title: &'static str,
    /// Whether it turns a knob of a whole vendor, so that no other may run beside it.
    pub alone: bool,
    play: for<'a> fn(&'a Stage) -> LocalBoxFuture<'a, Result<JourneyReport>>,
}

impl Journey {
    /// Plays it to its end.
    ///
    /// # Errors
    /// What did not become true, or what was too much.
    pub async fn run(&self, stage: &Stage) -> Result<JourneyReport> {
        (self.play)(stage).await
    }
}

impl std::fmt::Debug for Journey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Journey").field("name", &self.name).field("alone", &self.alone).finish()
    }
}

macro_rules! journeys {
    ($($name:ident, $alone:literal, $title:literal;)*) => {
        /// Every journey, in the order of the demo.
        pub const ALL: &[Journey] = &[$(Journey {
            name: stringify!($name),
            title: $title,
            alone: $alone,
            play: |stage| $name::run(stage).boxed_local(),
        }),*];
    };
}

journeys! {
    ad_hoc_review_two_signers, false, "A person reviews and sends the order form; two people sign in order";
    template_auto_send, false, "A template is filled and sent without review";
    docx_upload_over_grpc, false, "A Word document is uploaded over gRPC";
    second_generation, false, "The provider's second API: reviewed by a person, then sent by us";
    declined_by_second_signer, false, "The second signer declines";
    voided_by_us, false, "We cancel what is out for signature";
    detection_needs_attention, false, "Finding the signature fields takes long, fails, finds none, or moves";
    pandadoc_document_sent_by_sales, false, "Sales sends a document inside PandaDoc, and its deal knows";
    pandadoc_driven, true, "The second provider is driven, and everything goes wrong once";
    pandadoc_reopens_and_corrects, false, "What had ended at the second provider begins again, or ends otherwise";
    webhook_before_create_returned, false, "The provider's webhook overtakes its answer";
    create_times_out_after_apply, true, "The provider makes the envelope, but its answer is lost";
    link_write_fails_three_times, false, "The CRM fails three times before it takes the link";
    lost_trigger_found_by_asking, true, "The CRM's webhook is lost: the deal is found by asking";
    credits_exhausted_sends_held_in_order, true, "Credits run out: sends wait in order until the top-up";
    same_webhook_twenty_times, true, "One webhook comes twenty times over four connections";
    every_permutation_of_a_lifecycle, true, "The webhooks of a life come in every order there is";
}

/// The journey of this name.
pub fn named(name: &str) -> Option<&'static Journey> {
    ALL.iter().find(|journey| journey.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_journey_is_found_by_its_name_and_no_name_is_used_twice() {
        for journey in ALL {
            assert_eq!(ALL.iter().filter(|other| other.name == journey.name).count(), 1);
            assert!(named(journey.name).is_some());
        }
        assert!(named("nowhere").is_none());
    }
}
