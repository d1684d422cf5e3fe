//! What is asked of a document (pandadoc.md §3): make, find, look, send, nudge, end, take back, fetch.

use std::time::Duration;

use bytes::Bytes;
use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::intake::Claim;
use domain::personal::Personal;
use domain::retry::Retry;
use domain::time::Timestamp;
use http::Method;
use outbound::Request;
use serde_json::{Value, json};

use super::adapter::Adapter;
use super::{limits, requests, wire};
use crate::calls;
use crate::error::Call;
use crate::{Class, CreateOrder, Created, ENVELOPE_ID_KEY, ProviderError, Snapshot, reading};

/// The status number that expires a document: this vendor's void.
const STATUS_VOIDED: u8 = 11;
/// Lines of an audit trail that are read at once, and how often at most.
const AUDIT_LINES: usize = 100;
const AUDIT_PAGES_MAX: usize = 10;
/// Documents that a search looks into: a create leaves one, and a second one seldom.
const CANDIDATES_MAX: usize = 10;
/// Pause before a document is looked into again that is being made.
const MADE_PAUSE: Duration = Duration::from_secs(2);
/// Audit actions: expired by itself, expired by a person, declined by a person of the sender, by a recipient.
const EXPIRED: u64 = 13;
const EXPIRED_BY_HAND: u64 = 19;
const DECLINED_BY_HAND: u64 = 27;
const DECLINED: u64 = 43;
/// What begins a round of signing, and what staff ends it with: revised, sent; called completed, called paid.
const REVISED: u64 = 2;
const SENT: u64 = 6;
const COMPLETED_BY_HAND: u64 = 18;
const PAID_BY_HAND: u64 = 20;

/// A line of the audit trail: when, what, the e-mail address of who did it, and why.
struct Ending {
    at: Option<Timestamp>,
    action: u64,
    who: Option<Personal>,
    reason: Option<Personal>,
}

impl Adapter {
    /// A create of unknown outcome may not be searched for before lists have caught up.
    pub(super) async fn make(&self, order: &CreateOrder) -> Result<Created, ProviderError> {
        let request = requests::create(order, self.documents_url(&[]))?;
        let answer = self.transfer(request, Call::Write).await.and_then(|response| {
            let unreadable = || ProviderError::unreadable(Call::Write, response.status);
            wire::created(&calls::json_or_null(&response)).ok_or_else(unreadable)
        });
        match answer {
            Ok(created) => {
                self.is_new(&created.provider_id);
                Ok(created)
            }
            Err(error) if error.class == Class::OutcomeUnknown => {
                let waited = if let Retry::After(asked) = error.retry { asked } else { self.search_lag };
                Err(ProviderError { retry: Retry::After(waited.max(self.search_lag)), ..error })
            }
            Err(error) => Err(error),
        }
    }

    /// Of several, which only a create of unknown outcome can leave, the one that went furthest counts, else the oldest;
    /// the others that nobody has sent are removed. The list only proposes: a document is this envelope's if its own
    /// details say so, and no other is taken or removed, whatever a filter that is not obeyed lets through.
    pub(super) async fn search(&self, envelope_id: &EnvelopeId) -> Result<Option<Snapshot>, ProviderError> {
        let envelope_id = envelope_id.to_string();
        let mut url = self.documents_url(&[]);
        url.query_pairs_mut()
            .append_pair(&format!("metadata_{ENVELOPE_ID_KEY}"), &envelope_id)
            .append_pair("order_by", "date_created")
            .append_pair("count", "100");
        let answer = self.read(url, "list_documents").await?;
        let results = reading::list(&answer, &["/results"]);
        let mut ours = vec![];
        let listed = results.iter().filter_map(|result| reading::envelope_id(result, &["/id", "/uuid"]));
        for id in listed.take(CANDIDATES_MAX) {
            let document = match self.document(&id).await {
                Err(error) if error.class == Class::NotFound => continue,
                answer => answer?,
            };
            match reading::correlation(&document, &["/metadata"]).get(ENVELOPE_ID_KEY) {
                Some(said) if *said == envelope_id => ours.push((id, document)),
                // says nothing yet, and may be ours: making a second one now would be wrong
                None if is_uploaded(&document) => {
                    return Err(ProviderError::ours(Class::NotReady, Retry::After(MADE_PAUSE), "being_made"));
                }
                Some(_) | None => {
                    tracing::warn!(connection = %self.connection, provider.id = %id, "a list named a document of others");
                }
            }
        }
        if ours.is_empty() {
            // whoever makes another one must know that there is none
            let unread = results.len() > CANDIDATES_MAX;
            let unsure = || ProviderError::ours(Class::Transient, Retry::WithBackoff, "too_many_found");
            return if unread { Err(unsure()) } else { Ok(None) };
        }
        let (_, kept) =
            ours.remove(ours.iter().position(|(_, document)| !is_unsent(document)).unwrap_or_default());
        for (twin, _) in ours.iter().filter(|(_, document)| is_unsent(document)) {
            tracing::warn!(connection = %self.connection, provider.id = %twin, "a create made two documents: the younger goes");
            // not worth failing for: whoever searches next tries again
            let removed = self.delete(twin).await;
            if let Err(error) = removed {
                tracing::warn!(connection = %self.connection, provider.id = %twin, %error, "the twin stays");
            }
        }
        self.told(&kept).await.map(Some)
    }

    /// The details; while the document is being made there are none, and the bare status has to do.
    async fn document(&self, id: &ProviderEnvelopeId) -> Result<Value, ProviderError> {
        let details = || self.read(self.documents_url(&[id.as_str(), "details"]), limits::DETAILS);
        match details().await {
            Err(error) if matches!(error.class, Class::NotReady | Class::Conflict) => {
                let status = self.read(self.documents_url(&[id.as_str()]), "get_status").await?;
                // made in between: the bare status would hide the parties and the correlation
                if wire::is_being_made(&status) { Ok(status) } else { details().await }
            }
            answer => answer,
        }
    }

    /// How it stands; how it ended is told apart by the audit trail where that may be read.
    pub(super) async fn look(&self, id: &ProviderEnvelopeId) -> Result<Snapshot, ProviderError> {
        let document = self.document(id).await?;
        self.told(&document).await
    }

    /// What the details say, and the audit trail where they do not say enough.
    async fn told(&self, document: &Value) -> Result<Snapshot, ProviderError> {
        let mut seen = wire::snapshot(document).ok_or_else(|| ProviderError::unreadable(Call::Read, 200))?;
        let id = &seen.provider_id;
        if seen.claim == Claim::Expired {
            let by_hand = match self.ending(id, &[EXPIRED, EXPIRED_BY_HAND]).await? {
                Some(end) => end.action == EXPIRED_BY_HAND,
                None => wire::ended_before_its_time(document),
            };
            seen.claim = if by_hand { Claim::Voided } else { Claim::Expired };
        } else if matches!(seen.claim, Claim::Declined { .. }) {
            if let Some(end) = self.ending(id, &[DECLINED, DECLINED_BY_HAND]).await? {
                // what staff or an unknown actor declines, no party has
                if let (DECLINED, Some(who)) = (end.action, &end.who) {
                    wire::declined_by(&mut seen.parties, document, who);
                }
                seen.reason = seen.reason.or(end.reason);
            }
        } else if matches!(seen.claim, Claim::Completed | Claim::Paid) && wire::is_unsigned(document) {
            // it counts as completed, since the vendor says so, but it proves nothing (pandadoc.md §2)
            tracing::warn!(connection = %self.connection, provider.id = %id, "completed by hand: there is no signature");
        }
        Ok(seen)
    }

    /// The newest of these actions in the audit trail; `None` if the trail may not be read or does
    /// not say. An error that passes is none of the two: guessing meanwhile could end a document wrongly. In which order the vendor lists it is not said, so it is read to its end.
    async fn ending(
        &self,
        id: &ProviderEnvelopeId,
        actions: &[u64],
    ) -> Result<Option<Ending>, ProviderError> {
        let mut newest: Option<Ending> = None;
        for page in 0..AUDIT_PAGES_MAX {
            let mut url = self.v2_url(&["documents", id.as_str(), "audit-trail"]);
            url.query_pairs_mut()
                .append_pair("limit", &AUDIT_LINES.to_string())
                .append_pair("offset", &(page * AUDIT_LINES).to_string());
            let trail = match self.read(url, "get_audit_trail").await {
                Err(refusal) if self.keeps_trail_from_us(&refusal) => return Ok(None),
                answer => answer?,
            };
            let lines = reading::list(&trail, &["/results"]);
            for line in lines {
                let at = reading::time(line, &["/date_created"]);
                let action = reading::number(line, &["/action"]).filter(|action| actions.contains(action));
                if let Some(action) = action.filter(|_| newest.as_ref().is_none_or(|known| at >= known.at)) {
                    let told = |place| reading::text(line, &[place]).map(Personal::new);
                    newest = Some(Ending { at, action, who: told("/user/email"), reason: told("/reason") });
                }
            }
            if lines.len() < AUDIT_LINES {
                break;
            }
        }
        Ok(newest)
    }

    /// Whether a refusal of the trail is for good: only administrators may read it (pandadoc.md §3), and a sandbox
    /// answers 401 to what it does not have (pandadoc.md §1). The document itself was just read.
    fn keeps_trail_from_us(&self, refusal: &ProviderError) -> bool {
        matches!(refusal.class, Class::Forbidden | Class::NotFound)
            || (self.sandbox && refusal.class == Class::Unauthorized)
    }

    pub(super) async fn send_out(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        let url = self.documents_url(&[id.as_str(), "send"]);
        let request = Request::post_json(url, limits::SEND, &json!({"silent": false}));
        match self.send_checked(request, Call::Write).await {
            // it went to the approvers instead: the caller reads it and waits for them
            Ok(answer) if !wire::is_on_its_way(&calls::json_or_null(&answer)) => {
                Err(ProviderError::ours(Class::Conflict, Retry::WithBackoff, "not_sent_yet"))
            }
            Ok(_) => Ok(()),
            Err(refusal) if refusal.class == Class::Conflict => self.after_refused_send(id, refusal).await,
            Err(error) => Err(error),
        }
    }

    /// What a refused send means is told by the document: on its way already counts as sent.
    async fn after_refused_send(
        &self,
        id: &ProviderEnvelopeId,
        refusal: ProviderError,
    ) -> Result<(), ProviderError> {
        match self.look(id).await?.claim {
            Claim::Sent
            | Claim::Viewed
            | Claim::ChangesSuggested
            | Claim::PartySigned
            | Claim::PaymentDue
            | Claim::Paid
            | Claim::Completed => Ok(()),
            Claim::Processing => Err(ProviderError { class: Class::NotReady, ..refusal }),
            // it waits for somebody there: the caller reads it and tells what for
            Claim::Scheduled
            | Claim::ApprovalRequested
            | Claim::Draft
            | Claim::PreparationFailed { .. }
            | Claim::ApprovalGranted
            | Claim::ApprovalRefused
            | Claim::Declined { .. }
            | Claim::Voided
            | Claim::Expired
            | Claim::Deleted
            | Claim::ArtifactReady
            | Claim::DataExtracted
            | Claim::Hint => Err(refusal),
        }
    }

    pub(super) async fn nudge(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        let document = self.document(id).await?;
        let url = self.documents_url(&[id.as_str(), "send-reminder"]);
        let nobody = || ProviderError::ours(Class::Conflict, Retry::Never, "nobody_to_remind");
        let request = requests::remind(&document, url).ok_or_else(nobody)?;
        let answer = self.send_checked(request, Call::Write).await?;
        if wire::reminded_nobody(&calls::json_or_null(&answer)) { Err(nobody()) } else { Ok(()) }
    }

    pub(super) async fn end(&self, id: &ProviderEnvelopeId, reason: &str) -> Result<(), ProviderError> {
        let body = json!({"status": STATUS_VOIDED, "note": reason, "notify_recipients": false});
        let url = self.documents_url(&[id.as_str(), "status"]);
        match self.send_checked(Request::patch_json(url, "void_document", &body), Call::Write).await {
            Err(refusal) if refusal.class == Class::Conflict => self.after_refused_end(id, refusal).await,
            answer => answer.map(drop),
        }
    }

    /// Only what was sent can expire (pandadoc.md §2). What waits to be sent is deleted, for somebody might send it yet
    /// although it is cancelled; what is further on stays as it is, and the caller reads it.
    async fn after_refused_end(
        &self,
        id: &ProviderEnvelopeId,
        refusal: ProviderError,
    ) -> Result<(), ProviderError> {
        let status = self.read(self.documents_url(&[id.as_str()]), "get_status").await?;
        if wire::waits_to_be_sent(&status) { self.delete(id).await } else { Err(refusal) }
    }

    /// Works wherever it stands, and tells no recipient.
    pub(super) async fn revert(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        let url = self.documents_url(&[id.as_str(), "draft"]);
        self.send_checked(Request::post_json(url, "revert_document", &json!({})), Call::Write).await.map(drop)
    }

    /// Deletes a document for good.
    ///
    /// # Errors
    /// As any call; a document that is gone already is none.
    pub async fn delete(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        let request = Request::get(self.documents_url(&[id.as_str()]), "delete_document");
        let request = Request { method: Method::DELETE, ..request };
        match self.send_checked(request, Call::Write).await {
            Err(error) if error.class != Class::NotFound => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Whether staff called it completed (lifecycle.md §9): then nobody's signature ended it, and whatever the vendor
    /// would hand out is no signed document. Without the audit trail, that not even one signer is done has to do.
    async fn is_completed_by_hand(&self, id: &ProviderEnvelopeId) -> Result<bool, ProviderError> {
        let document = self.document(id).await?;
        if !wire::is_completed(&document) || !wire::lacks_signatures(&document) {
            return Ok(false);
        }
        let somebody_is_left = || wire::signers(&document).iter().any(|signer| !signer.has_completed);
        Ok(match self.ending(id, &[REVISED, SENT, COMPLETED_BY_HAND, PAID_BY_HAND]).await? {
            // Money that was taken by hand says nothing of the signatures; a document may have nothing to sign in it.
            Some(end) if end.action == PAID_BY_HAND => somebody_is_left(),
            Some(end) => end.action == COMPLETED_BY_HAND,
            None => wire::signers(&document).iter().all(|signer| !signer.has_completed),
        })
    }

    /// The sealed document; with a sandbox key, which is refused that one, the plain one with its watermark.
    pub(super) async fn fetch(&self, id: &ProviderEnvelopeId) -> Result<Bytes, ProviderError> {
        if self.is_completed_by_hand(id).await? {
            return Err(ProviderError::invalid("completed_by_hand"));
        }
        let (word, operation) = if self.sandbox {
            ("download", limits::DOWNLOAD)
        } else {
            ("download-protected", limits::DOWNLOAD_PROTECTED)
        };
        let request = Request::get(self.documents_url(&[id.as_str(), word]), operation);
        // "not completed yet" is only a matter of time here
        let answer = self.transfer(request, Call::Read).await;
        let response = answer.map_err(|error| error.ready_later(&[Class::Conflict]))?;
        calls::whole_pdf(&response)
    }
}

/// Whether nobody outside has seen it.
fn is_unsent(result: &Value) -> bool {
    let status = reading::text(result, &["/status"]).unwrap_or_default();
    matches!(status, "document.uploaded" | "document.draft" | "document.error")
}

/// Whether the vendor is still making it.
fn is_uploaded(document: &Value) -> bool {
    reading::text(document, &["/status"]) == Some("document.uploaded")
}
