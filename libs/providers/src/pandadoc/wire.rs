//! PandaDoc's words (pandadoc.md §2, §3.4).

use domain::intake::{Claim, PartyNews, Standing};
use domain::parties::PARTIES_MAX;
use domain::personal::Personal;
use serde_json::Value;

use crate::{Created, Snapshot, reading};

/// What a status word claims. An unknown word is a hint to look, nothing more; so is reported, as is one that stands
/// on a page of the vendor's but not in its list.
pub(super) fn claim(status: &str, document: &Value) -> Claim {
    match status.strip_prefix("document.").unwrap_or(status) {
        "uploaded" => Claim::Processing,
        "error" => Claim::PreparationFailed { reason: failure(document) },
        "draft" => Claim::Draft,
        "scheduled" => Claim::Scheduled,
        "waiting_approval" => Claim::ApprovalRequested,
        "approved" => Claim::ApprovalGranted,
        "rejected" => Claim::ApprovalRefused,
        "sent" => Claim::Sent,
        "viewed" => Claim::Viewed,
        "external_review" => Claim::ChangesSuggested,
        "waiting_pay" => Claim::PaymentDue,
        "paid" => Claim::Paid,
        "completed" => Claim::Completed,
        "voided" => Claim::Expired,
        "cancelled" | "canceled" => {
            reading::strange_status(status);
            Claim::Voided
        }
        "declined" => Claim::Declined { reason: reason(document) },
        "deleted" => Claim::Deleted,
        _ => {
            reading::strange_status(status);
            Claim::Hint
        }
    }
}

/// Why creating failed, in the vendor's words.
pub(super) fn failure(document: &Value) -> Personal {
    let detail = reading::text(document, &["/error/detail", "/error/type", "/info_message"]);
    Personal::new(detail.unwrap_or("no reason given"))
}

/// The reason of a decline, if it stands anywhere.
pub(super) fn reason(document: &Value) -> Option<Personal> {
    reading::text(document, &["/decline_reason", "/reason"]).map(Personal::new)
}

/// A recipient who signs; copies and approvers are nobody's business here.
pub(super) struct Signer<'a> {
    pub(super) recipient: &'a Value,
    pub(super) has_completed: bool,
    signing_order: u64,
}

/// The signers in one line: by signing order, then by place; without an order they come last (lifecycle.md §3).
pub(super) fn signers(document: &Value) -> Vec<Signer<'_>> {
    let mut signers: Vec<Signer<'_>> = reading::list(document, &["/recipients"])
        .iter()
        .filter(|recipient| {
            let kind = recipient.get("recipient_type").and_then(Value::as_str);
            kind.is_none_or(|kind| kind.eq_ignore_ascii_case("signer"))
        })
        .map(|recipient| Signer {
            recipient,
            has_completed: recipient.get("has_completed").and_then(Value::as_bool).unwrap_or(false),
            signing_order: recipient.get("signing_order").and_then(Value::as_u64).unwrap_or(u64::MAX),
        })
        .take(PARTIES_MAX)
        .collect();
    signers.sort_by_key(|signer| signer.signing_order);
    signers
}

/// The signers whose turn it is: the open ones of the lowest order.
pub(super) fn current<'a>(signers: &'a [Signer<'a>]) -> impl Iterator<Item = &'a Signer<'a>> {
    let open = |signer: &&Signer<'_>| !signer.has_completed;
    let turn = signers.iter().find(open).map(|signer| signer.signing_order);
    signers.iter().filter(open).filter(move |signer| Some(signer.signing_order) == turn)
}

/// Where each signer stands. While signers have it, those whose turn it is are pending.
pub(super) fn parties(document: &Value) -> Vec<PartyNews> {
    let status = reading::text(document, &["/status"]).unwrap_or_default();
    let out = matches!(status, "document.sent" | "document.viewed" | "document.external_review");
    let signers = signers(document);
    let turn = current(&signers).next().map(|signer| signer.signing_order);
    signers
        .iter()
        .zip(1u32..)
        .map(|(signer, order)| {
            let standing = match signer.has_completed {
                true => Standing::Signed,
                false if out && Some(signer.signing_order) == turn => Standing::Pending,
                false => Standing::Waiting,
            };
            PartyNews { order, standing }
        })
        .collect()
}

/// Marks the signer with this address as who declined; nobody where it is no signer's, or that of several.
pub(super) fn declined_by(parties: &mut [PartyNews], document: &Value, who: &Personal) {
    let Some(who) = who.reveal() else { return };
    let signers = signers(document);
    let is_theirs = |signer: &Signer<'_>| {
        reading::text(signer.recipient, &["/email"]).is_some_and(|email| email.eq_ignore_ascii_case(who))
    };
    let mut theirs = parties.iter_mut().zip(&signers).filter(|(_, signer)| is_theirs(signer));
    if let (Some((party, _)), None) = (theirs.next(), theirs.next()) {
        party.standing = Standing::Declined;
    }
}

/// The time of the last change, in milliseconds: older news is stale.
pub(super) fn revision(document: &Value) -> Option<i64> {
    reading::time(document, &["/date_modified"]).map(|time| time.0)
}

/// What became of a create. It is never sent at once: the document is still being made.
pub(super) fn created(value: &Value) -> Option<Created> {
    let provider_id = reading::envelope_id(value, &["/id", "/uuid"])?;
    Some(Created { provider_id, review_link: None, sent: false })
}

/// Whether the vendor is still making the document, or has failed at it: there are no details.
pub(super) fn is_being_made(document: &Value) -> bool {
    matches!(reading::text(document, &["/status"]), Some("document.uploaded" | "document.error"))
}

/// Whether the answer of a send says that signers have it; an answer that says nothing is believed.
pub(super) fn is_on_its_way(answer: &Value) -> bool {
    let waits = ["document.waiting_approval", "document.scheduled", "document.draft", "document.rejected"];
    reading::text(answer, &["/status"]).is_none_or(|status| !waits.contains(&status))
}

/// Whether it was made and nobody was sent it yet.
pub(super) fn waits_to_be_sent(document: &Value) -> bool {
    let before = ["draft", "scheduled", "waiting_approval", "approved", "rejected"];
    let status = reading::text(document, &["/status"]).unwrap_or_default();
    status.strip_prefix("document.").is_some_and(|status| before.contains(&status))
}

/// Whether an expired document had time left when it ended: then somebody ended it.
pub(super) fn ended_before_its_time(document: &Value) -> bool {
    let due = reading::time(document, &["/expiration_date"]);
    let ended = reading::time(document, &["/date_modified"]);
    matches!((due, ended), (Some(due), Some(ended)) if ended < due)
}

/// Whether the vendor says that nothing is left to do.
pub(super) fn is_completed(document: &Value) -> bool {
    matches!(reading::text(document, &["/status"]), Some("document.completed" | "document.paid"))
}

/// Whether a signer is not done, or none has signed: worth asking how it came to its end. A document may have nothing
/// to sign in it, so it is no proof.
pub(super) fn lacks_signatures(document: &Value) -> bool {
    is_unsigned(document) || signers(document).iter().any(|signer| !signer.has_completed)
}

/// Whether no signer's signature has a date: then staff set the end by hand, and nothing proves a signature.
pub(super) fn is_unsigned(document: &Value) -> bool {
    let signers = signers(document);
    let signed = |signer: &Signer<'_>| reading::time(signer.recipient, &["/signature_date"]).is_some();
    !signers.is_empty() && !signers.iter().any(signed)
}

/// Whether every reminder failed: the vendor says so of each recipient within a 200.
pub(super) fn reminded_nobody(answer: &Value) -> bool {
    let results = reading::list(answer, &["/result", "/results"]);
    let failed = |result: &Value| reading::text(result, &["/email/status"]) == Some("error");
    !results.is_empty() && results.iter().all(failed)
}

/// How the document stands, from its details or, while it is being made, from its bare status.
pub(super) fn snapshot(document: &Value) -> Option<Snapshot> {
    let parties = parties(document);
    let count = |parties: usize| u32::try_from(parties).unwrap_or(u32::MAX);
    let signed = parties.iter().filter(|party| party.standing == Standing::Signed).count();
    Some(Snapshot {
        provider_id: reading::envelope_id(document, &["/id", "/uuid"])?,
        claim: claim(reading::text(document, &["/status"])?, document),
        detection: None,
        fields_version: None,
        signed: count(signed),
        total: count(parties.len()),
        parties,
        revision: revision(document),
        review_link: None,
        correlation: reading::correlation(document, &["/metadata"]),
        completed_at: reading::time(document, &["/date_completed"]),
        reason: reason(document),
    })
}
