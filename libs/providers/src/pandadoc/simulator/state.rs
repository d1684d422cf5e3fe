//! The life of a PandaDoc document: pure transitions. Time and ids come from outside.

use bytes::Bytes;
use domain::time::Timestamp;
use serde_json::{Map, Value};

use super::words::{Event, Refusal, Status};

#[derive(Clone, Debug)]
pub(super) struct Recipient {
    pub id: String,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub role: Option<String>,
    /// Nobody with a higher number may sign before; absent or equal numbers sign in parallel.
    pub signing_order: Option<u64>,
    /// Signers sign; everybody else gets a copy.
    pub signer: bool,
    pub has_completed: bool,
    pub signature_date: Option<Timestamp>,
}

/// One line of the audit trail: the vendor's action number, who, when.
#[derive(Clone, Debug)]
pub(super) struct Audit {
    pub action: u32,
    pub email: Option<String>,
    pub reason: Option<String>,
    pub at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct Document {
    pub id: String,
    pub name: String,
    pub status: Status,
    /// What creation will come to, and when it is known.
    pub creation: (Result<(), String>, Timestamp),
    pub recipients: Vec<Recipient>,
    pub metadata: Map<String, Value>,
    pub tokens: Value,
    pub fields: Value,
    pub tags: Value,
    pub template: Option<(String, String)>,
    pub version: u32,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub completed_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
    pub locked_until: Option<Timestamp>,
    pub decline_reason: Option<String>,
    pub pdf: Bytes,
    pub audit: Vec<Audit>,
    /// Reminders that went out.
    pub reminders: u32,
}

/// A happening, with the recipient it is about, if any.
pub(super) type Told = Vec<(Event, Option<String>)>;

const CHANGED: (Event, Option<String>) = (Event::StateChanged, None);

impl Document {
    /// Every change moves `date_modified` forward, even two within the same millisecond.
    fn move_to(&mut self, status: Status, now: Timestamp) {
        self.status = status;
        self.touch(now);
    }

    pub(super) fn touch(&mut self, now: Timestamp) {
        self.modified_at = Timestamp(now.0.max(self.modified_at.0 + 1));
    }

    fn note(&mut self, action: u32, email: Option<&str>, reason: Option<&str>, now: Timestamp) {
        let (email, reason) = (email.map(str::to_owned), reason.map(str::to_owned));
        self.audit.push(Audit { action, email, reason, at: now });
    }

    fn wrong(&self, message: &str) -> Refusal {
        Refusal::wrong_status(&self.id, self.status, message)
    }

    /// Creation is over: a draft, or an error that stays one.
    pub(super) fn created(&mut self, now: Timestamp) -> Told {
        if self.status != Status::Uploaded {
            return vec![];
        }
        if self.creation.0.is_ok() {
            self.move_to(Status::Draft, now);
            vec![CHANGED]
        } else {
            self.move_to(Status::Error, now);
            vec![(Event::CreationFailed, None), CHANGED]
        }
    }

    /// Refuses while somebody edits it in the web editor.
    pub(super) fn unlocked(&self, now: Timestamp) -> Result<(), Refusal> {
        let Some(until) = self.locked_until.filter(|until| now < *until) else { return Ok(()) };
        let body = serde_json::json!({
            "type": "document_locked", "detail": "Document is being edited", "lock_type": "wopi_editing",
            "locked_by_user_id": "ajnN7eGutJZsRKjQrNuPkh", "expires_at": simulation::clock::iso_micros(until),
        });
        Err(Refusal { status: 423, body, retry_after: None })
    }

    /// Out it goes, or to the approvers first.
    pub(super) fn send(&mut self, approval: bool, now: Timestamp) -> Result<Told, Refusal> {
        if !matches!(self.status, Status::Draft | Status::Approved | Status::Scheduled) {
            return Err(self.wrong("Document is not ready to be sent"));
        }
        if approval && self.status == Status::Draft {
            self.move_to(Status::WaitingApproval, now);
            self.note(3, None, None, now);
            return Ok(vec![CHANGED]);
        }
        if self.recipients.is_empty() {
            return Err(Refusal::validation("Document has no recipients"));
        }
        self.move_to(Status::Sent, now);
        self.sent_at = Some(now);
        self.note(6, None, None, now);
        Ok(vec![CHANGED])
    }

    /// A draft that is to go out later.
    pub(super) fn schedule(&mut self, now: Timestamp) -> Result<Told, Refusal> {
        if self.status != Status::Draft {
            return Err(self.wrong("Only drafts can be scheduled"));
        }
        self.move_to(Status::Scheduled, now);
        Ok(vec![CHANGED])
    }

    /// A recipient suggests edits, or the sender has dealt with them.
    pub(super) fn suggest(&mut self, open: bool, now: Timestamp) -> Result<Told, Refusal> {
        let fits = if open { self.status.is_out() } else { self.status == Status::ExternalReview };
        if !fits {
            return Err(self.wrong("Document is not available"));
        }
        self.move_to(if open { Status::ExternalReview } else { Status::Viewed }, now);
        self.note(29, None, None, now);
        Ok(vec![CHANGED])
    }

    pub(super) fn approve(&mut self, approved: bool, now: Timestamp) -> Result<Told, Refusal> {
        if self.status != Status::WaitingApproval {
            return Err(self.wrong("Nobody asked for approval"));
        }
        self.move_to(if approved { Status::Approved } else { Status::Rejected }, now);
        self.note(if approved { 4 } else { 5 }, None, None, now);
        Ok(vec![CHANGED])
    }

    pub(super) fn view(&mut self, now: Timestamp) -> Result<Told, Refusal> {
        if !self.status.is_out() && !self.status.is_finished() {
            return Err(self.wrong("Document is not available"));
        }
        if self.status != Status::Sent {
            return Ok(vec![]);
        }
        self.move_to(Status::Viewed, now);
        self.note(8, None, None, now);
        Ok(vec![CHANGED])
    }

    /// The recipient named, or the one whose turn it is.
    fn recipient(&self, who: Option<&str>) -> Result<usize, Refusal> {
        let named = |recipient: &Recipient| match who {
            Some(who) => recipient.id == who || recipient.email == who,
            None => recipient.signer && !recipient.has_completed,
        };
        let found = self.recipients.iter().enumerate().filter(|(_, recipient)| named(recipient));
        let first = found.min_by_key(|(index, recipient)| (recipient.signing_order, *index));
        first.map(|(index, _)| index).ok_or_else(Refusal::not_found)
    }

    /// One recipient signs; the last one completes the document (or leaves it waiting for payment).
    pub(super) fn sign(&mut self, who: Option<&str>, payment: bool, now: Timestamp) -> Result<Told, Refusal> {
        if !matches!(self.status, Status::Sent | Status::Viewed) {
            return Err(self.wrong("Document is not available"));
        }
        let index = self.recipient(who)?;
        let order = self.recipients[index].signing_order;
        let earlier = |other: &Recipient| other.signer && !other.has_completed && other.signing_order < order;
        if order.is_some()
            && self.recipients.iter().any(|other| other.signing_order.is_some() && earlier(other))
        {
            return Err(self.wrong("An earlier recipient has not completed yet"));
        }
        let recipient = &mut self.recipients[index];
        if recipient.has_completed || !recipient.signer {
            return Err(self.wrong("This recipient has nothing to sign"));
        }
        (recipient.has_completed, recipient.signature_date) = (true, Some(now));
        let (id, email) = (recipient.id.clone(), recipient.email.clone());
        self.note(9, Some(&email), None, now);
        self.touch(now);
        let mut told = vec![(Event::RecipientCompleted, Some(id))];
        if self.recipients.iter().filter(|other| other.signer).all(|other| other.has_completed) {
            if payment {
                self.move_to(Status::WaitingPay, now);
            } else {
                self.complete(now);
                self.note(7, None, None, now);
            }
            told.push(CHANGED);
        }
        Ok(told)
    }

    fn complete(&mut self, now: Timestamp) {
        self.move_to(Status::Completed, now);
        self.completed_at = Some(now);
    }

    pub(super) fn pay(&mut self, now: Timestamp) -> Result<Told, Refusal> {
        if self.status != Status::WaitingPay {
            return Err(self.wrong("No payment is open"));
        }
        self.move_to(Status::Paid, now);
        self.completed_at = Some(now);
        self.note(11, None, None, now);
        Ok(vec![CHANGED])
    }

    /// A recipient declines, a copy-only one too; the document is then closed to all.
    pub(super) fn decline(
        &mut self,
        who: Option<&str>,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<Told, Refusal> {
        if !self.status.is_out() {
            return Err(self.wrong("Document is not available"));
        }
        let email = self.recipients[self.recipient(who)?].email.clone();
        self.move_to(Status::Declined, now);
        self.decline_reason = reason.map(str::to_owned);
        self.note(43, Some(&email), reason, now);
        Ok(vec![CHANGED])
    }

    /// Staff sets a status by hand; nobody signed anything by that.
    pub(super) fn set(
        &mut self,
        to: Status,
        payment: bool,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<Told, Refusal> {
        if !self.status.may_become(to, payment) {
            return Err(self.wrong("Status can not be changed"));
        }
        const BY_HAND: [(Status, u32); 4] =
            [(Status::Completed, 18), (Status::Voided, 19), (Status::Paid, 20), (Status::Declined, 27)];
        let action = BY_HAND.iter().find(|(status, _)| *status == to).map_or(0, |(_, action)| *action);
        self.note(action, None, reason, now);
        if to == Status::Completed {
            self.complete(now)
        } else {
            self.move_to(to, now)
        }
        if to == Status::Paid {
            self.completed_at = Some(now);
        }
        if to == Status::Declined {
            self.decline_reason = reason.map(str::to_owned);
        }
        Ok(vec![CHANGED])
    }

    /// The time ran out.
    pub(super) fn expire(&mut self, now: Timestamp) -> Result<Told, Refusal> {
        if !self.status.is_out() {
            return Err(self.wrong("Only documents that are out expire"));
        }
        self.move_to(Status::Voided, now);
        self.note(13, None, None, now);
        Ok(vec![CHANGED])
    }

    /// Back to draft, from anywhere: signatures are gone, other fields stay, and it must be sent again. What is no
    /// document yet cannot go back, and a draft stays what it is.
    pub(super) fn revert(&mut self, now: Timestamp) -> Result<Told, Refusal> {
        match self.status {
            Status::Uploaded | Status::Error => return Err(self.wrong("Document can not be moved to draft")),
            Status::Draft => return Ok(vec![]),
            Status::Scheduled
            | Status::WaitingApproval
            | Status::Approved
            | Status::Rejected
            | Status::Sent
            | Status::Viewed
            | Status::ExternalReview
            | Status::WaitingPay
            | Status::Paid
            | Status::Completed
            | Status::Voided
            | Status::Declined => {}
        }
        for recipient in &mut self.recipients {
            (recipient.has_completed, recipient.signature_date) = (false, None);
        }
        (self.sent_at, self.completed_at, self.decline_reason) = (None, None, None);
        self.version += 1;
        self.move_to(Status::Draft, now);
        self.note(2, None, None, now);
        Ok(vec![(Event::Updated, None), CHANGED])
    }
}
