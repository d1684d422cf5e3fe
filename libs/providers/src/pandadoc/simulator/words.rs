//! Statuses, the manual status matrix, events and refusals, in the vendor's words.

use std::time::Duration;

use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Uploaded,
    Error,
    Draft,
    /// A draft with a time at which it goes out.
    Scheduled,
    WaitingApproval,
    Approved,
    Rejected,
    Sent,
    Viewed,
    /// A recipient suggests edits.
    ExternalReview,
    WaitingPay,
    Paid,
    Completed,
    /// The vendor's word for expired, also by hand.
    Voided,
    Declined,
}

impl Status {
    /// Number and word.
    const fn both(self) -> (u64, &'static str) {
        match self {
            Self::Draft => (0, "document.draft"),
            Self::Sent => (1, "document.sent"),
            Self::Completed => (2, "document.completed"),
            Self::Uploaded => (3, "document.uploaded"),
            Self::Error => (4, "document.error"),
            Self::Viewed => (5, "document.viewed"),
            Self::WaitingApproval => (6, "document.waiting_approval"),
            Self::Approved => (7, "document.approved"),
            Self::Rejected => (8, "document.rejected"),
            Self::WaitingPay => (9, "document.waiting_pay"),
            Self::Paid => (10, "document.paid"),
            Self::Voided => (11, "document.voided"),
            Self::Declined => (12, "document.declined"),
            Self::ExternalReview => (13, "document.external_review"),
            Self::Scheduled => (14, "document.scheduled"),
        }
    }

    pub(super) const fn number(self) -> u64 {
        self.both().0
    }

    pub(super) const fn word(self) -> &'static str {
        self.both().1
    }

    /// With the recipients, who may still act.
    pub(super) const fn is_out(self) -> bool {
        matches!(self, Self::Sent | Self::Viewed | Self::ExternalReview)
    }

    /// All is done; there will be a sealed PDF.
    pub(super) const fn is_finished(self) -> bool {
        matches!(self, Self::Completed | Self::Paid)
    }

    /// Whether staff may set `to` by hand (contract §2). `payment`: the document has a payment block.
    pub(super) const fn may_become(self, to: Self, payment: bool) -> bool {
        match (self, to) {
            (Self::Draft, Self::Completed | Self::Declined)
            | (Self::Sent | Self::Viewed, Self::Completed | Self::Voided | Self::Declined)
            | (Self::Completed, Self::Declined)
            | (Self::WaitingPay, Self::Paid | Self::Declined)
            | (Self::Voided, Self::Completed | Self::Declined)
            | (Self::Declined, Self::Completed) => true,
            (Self::Draft | Self::Voided | Self::Declined, Self::Paid) => payment,
            _ => false,
        }
    }
}

/// The thirteen events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    StateChanged,
    PdfReady,
    Updated,
    RecipientCompleted,
    Deleted,
    CreationFailed,
    SectionAdded,
    QuoteUpdated,
    TemplateCreated,
    TemplateUpdated,
    TemplateDeleted,
    ContentItemCreated,
    ContentItemFailed,
}

impl Event {
    pub(super) const ALL: [Self; 13] = [
        Self::StateChanged,
        Self::PdfReady,
        Self::Updated,
        Self::RecipientCompleted,
        Self::Deleted,
        Self::CreationFailed,
        Self::SectionAdded,
        Self::QuoteUpdated,
        Self::TemplateCreated,
        Self::TemplateUpdated,
        Self::TemplateDeleted,
        Self::ContentItemCreated,
        Self::ContentItemFailed,
    ];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::StateChanged => "document_state_changed",
            Self::PdfReady => "document_completed_pdf_ready",
            Self::Updated => "document_updated",
            Self::RecipientCompleted => "recipient_completed",
            Self::Deleted => "document_deleted",
            Self::CreationFailed => "document_creation_failed",
            Self::SectionAdded => "document_section_added",
            Self::QuoteUpdated => "quote_updated",
            Self::TemplateCreated => "template_created",
            Self::TemplateUpdated => "template_updated",
            Self::TemplateDeleted => "template_deleted",
            Self::ContentItemCreated => "content_library_item_created",
            Self::ContentItemFailed => "content_library_item_creation_failed",
        }
    }

    pub(super) fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.word() == word)
    }
}

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub status: u16,
    pub body: Value,
    pub retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(status: u16, kind: &str, detail: impl Into<Value>) -> Self {
        let detail: Value = detail.into();
        Self { status, body: json!({"type": kind, "detail": detail}), retry_after: None }
    }

    pub(super) fn validation(detail: &str) -> Self {
        Self::new(400, "validation_error", detail)
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "request_error", "Not found")
    }

    /// The documented shape of 409.
    pub(super) fn wrong_status(id: &str, status: Status, message: &str) -> Self {
        let body = json!({"id": id, "status": status.word(), "info_message": message});
        Self { status: 409, body, retry_after: None }
    }
}
