//! The JSON of documents: in details, in lists, in webhooks.

use domain::time::Timestamp;
use serde_json::{Value, json};
use simulation::clock::iso_micros;

use super::state::{Audit, Document, Recipient};

fn written(at: Option<Timestamp>) -> Option<String> {
    at.map(iso_micros)
}

fn staff() -> Value {
    json!({"id": "uHfzrB4Goai39ZkxDRLpMo", "email": "sam@acme.test", "first_name": "Sam", "last_name": "Seller",
           "avatar": null, "membership_id": "vk5aRcJG4RTd2J83wNGFT5"})
}

/// Status only: create, read, send.
pub(super) fn brief(document: &Document) -> Value {
    json!({
        "id": document.id, "uuid": document.id, "name": document.name, "status": document.status.word(),
        "date_created": iso_micros(document.created_at), "date_modified": iso_micros(document.modified_at),
        "date_completed": written(document.completed_at), "expiration_date": written(document.expires_at),
        "version": document.version.to_string(),
    })
}

/// Everything. `link` makes a recipient's link; webhooks leave it empty.
pub(super) fn details(document: &Document, link: impl Fn(&Recipient) -> String) -> Value {
    let mut shown = brief(document);
    let recipients: Vec<Value> = document.recipients.iter().map(|one| recipient(one, link(one))).collect();
    let template = document.template.as_ref().map(|(id, name)| json!({"id": id, "name": name}));
    let more = json!({
        "folder_uuid": null, "ref_number": null, "autonumbering_sequence_name": null, "created_by": staff(),
        "sent_by": document.sent_at.map(|_| staff()), "date_sent": written(document.sent_at),
        "content_date_modified": iso_micros(document.created_at), "template": template,
        "metadata": document.metadata, "tags": document.tags, "tokens": document.tokens, "fields": document.fields,
        "products": [], "pricing": {"tables": [], "quotes": [], "merge_rules": [], "total": "0"}, "total": "0",
        "grand_total": {"amount": "0.00", "currency": "EUR"}, "linked_objects": [], "recipients": recipients,
        "approval_execution": null, "lock": null,
    });
    if let (Value::Object(shown), Value::Object(more)) = (&mut shown, more) {
        shown.extend(more);
    }
    shown
}

fn recipient(recipient: &Recipient, link: String) -> Value {
    let kind = if recipient.signer { "signer" } else { "CC" };
    let roles: Vec<&String> = recipient.role.iter().collect();
    json!({
        "id": recipient.id, "type": "recipient", "recipient_type": kind, "role": recipient.role, "roles": roles,
        "signing_order": recipient.signing_order, "email": recipient.email, "phone": null,
        "first_name": recipient.first_name, "last_name": recipient.last_name, "contact_id": recipient.id,
        "delivery_methods": {"email": true, "sms": false}, "has_completed": recipient.has_completed,
        "signature_date": written(recipient.signature_date), "shared_link": link, "verification_settings": null,
        "redirect": {"is_enabled": false, "url": null},
    })
}

/// One line of the audit trail; a sandbox hides where people were.
pub(super) fn audit(index: usize, line: &Audit, sandbox: bool) -> Value {
    let ip_address = if sandbox { "hidden" } else { "203.0.113.7" };
    json!({"id": format!("audit-{index}"), "user": {"id": null, "email": line.email}, "action": line.action,
           "reason": line.reason, "date_created": iso_micros(line.at), "ip_address": ip_address})
}
