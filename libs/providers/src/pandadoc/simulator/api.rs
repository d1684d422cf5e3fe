//! The document API, apart from creating and listing.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, patch, post};
use axum::{Json, Router};
use bytes::Bytes;
use domain::time::Timestamp;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use simulation::clock;
use simulation::pdf::{self, Signature};
use std::time::Duration;

use super::account::{Account, Action};
use super::state::{Document, Told};
use super::words::{Event, Refusal, Status};
use super::{create, shape};

/// Lines of an audit trail that are shown unless more are asked for.
const AUDIT_LINES_DEFAULT: usize = 20;

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/public/v1/documents/{id}", get(read).patch(edit).delete(delete))
        .route("/public/v1/documents/{id}/details", get(details))
        .route("/public/v1/documents/{id}/send", post(send))
        .route("/public/v1/documents/{id}/status", patch(set_status))
        .route("/public/v1/documents/{id}/draft", post(revert))
        .route("/public/v1/documents/{id}/send-reminder", post(remind))
        .route("/public/v1/documents/{id}/download", get(download))
        .route("/public/v1/documents/{id}/download-protected", get(download_protected))
        .route("/public/v2/documents/{id}/audit-trail", get(audit_trail))
}

type Answer = Result<Json<Value>, Refusal>;

async fn read(State(account): State<Account>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    account.enter(&headers, Action::Other)?;
    Ok(Json(shape::brief(account.workspace().found(&id)?)))
}

async fn details(State(account): State<Account>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    account.enter(&headers, Action::Details)?;
    let workspace = account.workspace();
    let document = workspace.found(&id)?;
    if document.status == Status::Uploaded {
        return Err(Refusal::wrong_status(&id, document.status, "Document is not ready yet"));
    }
    Ok(Json(shape::details(document, |recipient| account.shared_link(document, recipient))))
}

async fn edit(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<StatusCode, Refusal> {
    account.enter(&headers, Action::Other)?;
    let recipients = create::recipients(&account, body.get("recipients"))?;
    let workspace = &mut *account.workspace();
    workspace.found(&id)?;
    create::edit(workspace, &id, &body, recipients)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes for good: the document is unknown from now on.
async fn delete(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    account.enter(&headers, Action::Other)?;
    account.workspace().found(&id)?.unlocked(clock::now())?;
    account.forget(&id)?;
    Ok(StatusCode::NO_CONTENT)
}

impl Account {
    /// Runs a transition on a document that can be found and that nobody is editing.
    fn change_unlocked<T>(
        &self,
        id: &str,
        transition: impl FnOnce(&mut Document, Timestamp) -> Result<Told, Refusal>,
        answer: impl FnOnce(&Document) -> T,
    ) -> Result<T, Refusal> {
        let workspace = &mut *self.workspace();
        workspace.found(id)?;
        let unlocked = |document: &mut Document| {
            let now = clock::now();
            document.unlocked(now)?;
            transition(document, now)
        };
        self.change(workspace, id, unlocked, answer)
    }

    /// Removes a document and tells so.
    pub(super) fn forget(&self, id: &str) -> Result<(), Refusal> {
        let workspace = &mut *self.workspace();
        self.change(workspace, id, |_| Ok(vec![(Event::Deleted, None)]), |_| ())?;
        workspace.documents.remove(id);
        workspace.order.retain(|known| known != id);
        Ok(())
    }
}

async fn send(State(account): State<Account>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    account.enter(&headers, Action::Send)?;
    let workspace = &mut *account.workspace();
    workspace.found(&id)?;
    let (approval, updated) = (workspace.switches.approval, workspace.switches.updated_on_send);
    let send = |document: &mut Document| {
        let now = clock::now();
        document.unlocked(now)?;
        let mut told = document.send(approval, now)?;
        if updated {
            told.push((Event::Updated, None));
        }
        Ok(told)
    };
    // what is scheduled goes out by itself: the API refuses to send it
    let scheduled = workspace.documents.get(&id).filter(|document| document.status == Status::Scheduled);
    if let Some(document) = scheduled {
        return Err(Refusal::wrong_status(&id, document.status, "Document is scheduled"));
    }
    account.change(workspace, &id, send, |document| {
        let recipients = shape::details(document, |recipient| account.shared_link(document, recipient));
        let mut answer = shape::brief(document);
        answer["recipients"] = recipients["recipients"].clone();
        Json(answer)
    })
}

async fn set_status(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Json(body): Json<Value>,
) -> Result<StatusCode, Refusal> {
    account.enter(&headers, Action::Other)?;
    let to = match body.get("status").and_then(Value::as_u64) {
        Some(2) => Status::Completed,
        Some(10) => Status::Paid,
        Some(11) => Status::Voided,
        Some(12) => Status::Declined,
        _ => return Err(Refusal::validation("status must be 2, 10, 11 or 12")),
    };
    let payment = account.workspace().switches.payment;
    let note = body.get("note").and_then(Value::as_str);
    let set = |document: &mut Document, now| document.set(to, payment, note, now);
    account.change_unlocked(&id, set, |_| StatusCode::NO_CONTENT)
}

async fn revert(State(account): State<Account>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    account.enter(&headers, Action::Other)?;
    account.change_unlocked(&id, Document::revert, |document| Json(shape::brief(document)))
}

/// Errors of single recipients come inside a 200.
async fn remind(State(account): State<Account>, headers: HeaderMap, Path(id): Path<String>) -> Answer {
    account.enter(&headers, Action::Other)?;
    let mut workspace = account.workspace();
    let document = workspace.found(&id)?;
    if !document.status.is_out() {
        return Err(Refusal::wrong_status(&id, document.status, "Reminder can not be sent"));
    }
    let sent_at = clock::iso_micros(clock::now());
    let result = |recipient: &super::state::Recipient| {
        let email = if recipient.has_completed || !recipient.signer {
            json!({"status": "error", "detail": "Recipient has completed the document"})
        } else {
            json!({"status": "sent", "sent_at": sent_at})
        };
        json!({"recipient_id": recipient.id, "email": email, "sms": {"status": "error", "detail": "No phone"}})
    };
    let answer = json!({"result": document.recipients.iter().map(result).collect::<Vec<_>>()});
    if let Some(document) = workspace.documents.get_mut(&id) {
        document.reminders = document.reminders.saturating_add(1);
    }
    Ok(Json(answer))
}

/// Any document that exists, sealed or not; 202 while the sealed one is in the making.
async fn download(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    account.enter(&headers, Action::Download)?;
    let workspace = account.workspace();
    let document = workspace.found(&id)?;
    if matches!(document.status, Status::Uploaded | Status::Error) {
        return Err(Refusal::wrong_status(&id, document.status, "Document is not ready yet"));
    }
    if document.status.is_finished() {
        return Ok(sealed(document, workspace.switches.pdf_delay_ms));
    }
    Ok(([(header::CONTENT_TYPE, "application/pdf")], document.pdf.clone()).into_response())
}

/// Finished documents only, and never with a sandbox key.
async fn download_protected(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    account.enter(&headers, Action::DownloadProtected)?;
    let workspace = account.workspace();
    if workspace.switches.sandbox {
        return Err(Refusal::new(401, "authentication_error", "Not available with a sandbox key"));
    }
    let document = workspace.found(&id)?;
    if !document.status.is_finished() {
        return Err(Refusal::wrong_status(&id, document.status, "Document is not completed"));
    }
    Ok(sealed(document, workspace.switches.pdf_delay_ms))
}

fn sealed(document: &Document, delay_ms: u64) -> Response {
    let ready_at = document.completed_at.map(|at| at.after(Duration::from_millis(delay_ms)));
    if ready_at.is_none_or(|at| clock::now() < at) {
        return (StatusCode::ACCEPTED, [(header::RETRY_AFTER, "1")]).into_response();
    }
    ([(header::CONTENT_TYPE, "application/pdf")], Bytes::from(sealed_pdf(document))).into_response()
}

fn sealed_pdf(document: &Document) -> Vec<u8> {
    let signed = document.recipients.iter().filter_map(|recipient| {
        let signed_at = clock::iso_millis(recipient.signature_date?);
        let name = format!("{} {}", recipient.first_name, recipient.last_name);
        Some(Signature { name, role: recipient.role.clone().unwrap_or_default(), signed_at })
    });
    pdf::signed(&format!("{} ({})", document.name, document.id), &signed.collect::<Vec<_>>())
}

/// Which part of the audit trail is wanted.
#[derive(Deserialize)]
struct Part {
    limit: Option<usize>,
    offset: Option<usize>,
}

async fn audit_trail(
    State(account): State<Account>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(part): Query<Part>,
) -> Answer {
    account.enter(&headers, Action::Other)?;
    let workspace = account.workspace();
    let sandbox = workspace.switches.sandbox;
    let trail = &workspace.found(&id)?.audit;
    let wanted = trail
        .iter()
        .enumerate()
        .skip(part.offset.unwrap_or(0))
        .take(part.limit.unwrap_or(AUDIT_LINES_DEFAULT));
    let results: Vec<Value> = wanted.map(|(index, line)| shape::audit(index, line, sandbox)).collect();
    Ok(Json(json!({"count": trail.len(), "results": results})))
}
