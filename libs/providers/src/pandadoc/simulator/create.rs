//! Creating documents: from a template, from a URL, from an upload. Asynchronous, and never idempotent.

use std::time::Duration;

use axum::extract::{FromRequest, Multipart, Request, State};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use domain::time::Timestamp;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Map, Value, json};
use simulation::{clock, files};

use super::account::{Account, Action, Workspace};
use super::shape;
use super::state::{Audit, Document, Recipient};
use super::words::{Refusal, Status};

/// The template that exists, with its roles.
pub(super) const TEMPLATE: (&str, &str, [&str; 2]) =
    ("hryKLmY9qYZHjQCYQuSjRQ", "Order form", ["Client", "Sender"]);

/// "2 MB" and "50 MB" (contract §9).
const BODY_BYTES_MAX: usize = 2_000_000;
const FILE_BYTES_MAX: usize = 50_000_000;
const RECIPIENTS_MAX: usize = 50;

pub(super) fn routes() -> Router<Account> {
    Router::new().route("/public/v1/documents", post(create))
}

async fn create(
    State(account): State<Account>,
    headers: HeaderMap,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.starts_with("multipart/form-data") {
        account.enter(&headers, Action::CreateFromPdf)?;
        if request.uri().query().is_none_or(|query| !query.split('&').any(|pair| pair == "upload")) {
            return Err(Refusal::validation("a file is uploaded to /documents?upload"));
        }
        let (body, pdf) = uploaded(request).await?;
        return created(&account, &body, Some(pdf));
    }
    let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
    let body = body.map_err(|_| too_large())?;
    let body: Value =
        serde_json::from_slice(&body).map_err(|_| Refusal::validation("the body is not JSON"))?;
    let from_template = body.get("template_uuid").is_some();
    account
        .enter(&headers, if from_template { Action::CreateFromTemplate } else { Action::CreateFromPdf })?;
    if from_template {
        return created(&account, &body, None);
    }
    let url = body.get("url").and_then(Value::as_str).and_then(|url| url.parse().ok());
    let url = url.ok_or_else(|| Refusal::validation("template_uuid or url is required"))?;
    let fetch = outbound::Request {
        deadline: Duration::from_secs(20),
        follow_redirects: 3,
        ..outbound::Request::get(url, "fetch_document")
    };
    let fetched = account.kit().outbound().send(fetch).await.ok().filter(|answer| answer.status == 200);
    let fetched = fetched.ok_or_else(|| Refusal::validation("url could not be fetched"))?;
    created(&account, &body, Some(fetched.body))
}

async fn uploaded(request: Request) -> Result<(Value, Bytes), Refusal> {
    let broken = || Refusal::validation("the form cannot be read");
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| broken())?;
    let (mut data, mut file) = (None, None);
    while let Some(part) = form.next_field().await.map_err(|_| broken())? {
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|_| broken())?;
        match name.as_str() {
            "data" if bytes.len() > BODY_BYTES_MAX => return Err(too_large()),
            "data" => data = serde_json::from_slice(&bytes).ok(),
            "file" => file = Some(bytes),
            _ => {}
        }
    }
    let (Some(data), Some(file)) = (data, file) else {
        return Err(Refusal::validation("the parts file and data are required"));
    };
    if file.len() > FILE_BYTES_MAX {
        return Err(too_large());
    }
    Ok((data, file))
}

fn too_large() -> Refusal {
    Refusal::new(413, "request_error", "Request Entity Too Large")
}

/// The new document; `pdf` is absent if it comes from a template.
fn created(
    account: &Account,
    body: &Value,
    pdf: Option<Bytes>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    if pdf.as_ref().is_some_and(|pdf| !pdf.starts_with(b"%PDF-")) {
        return Err(Refusal::validation("the file is not a PDF"));
    }
    if pdf.is_some() && text("name").is_none() {
        return Err(Refusal::validation("name is required"));
    }
    let template = pdf.is_none().then(|| (TEMPLATE.0.to_owned(), TEMPLATE.1.to_owned()));
    if template.is_some() && text("template_uuid") != Some(TEMPLATE.0) {
        return Err(Refusal::validation("template_uuid: template not found"));
    }
    let recipients = recipients(account, body.get("recipients"))?;
    if template.is_some() && recipients.is_empty() {
        return Err(Refusal::validation("recipients: required with a template"));
    }
    let unknown = recipients.iter().filter_map(|recipient| recipient.role.as_deref());
    let unknown = unknown.filter(|role| !TEMPLATE.2.contains(role)).map(str::to_owned).next();
    let outcome = match unknown.filter(|_| template.is_some()) {
        Some(role) => Err(format!("Role '{role}' is missing in the template")),
        None => Ok(()),
    };
    let mut metadata = body.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
    metadata.insert("document__created_via_public_api".into(), Value::Bool(true));

    let workspace = &mut *account.workspace();
    let name = text("name").unwrap_or(TEMPLATE.1);
    let name = if workspace.switches.sandbox { format!("[DEV] {name}") } else { name.to_owned() };
    let delay = Duration::from_millis(workspace.switches.creation_delay_ms);
    let mut document = blank(account, name, recipients, metadata, clock::now());
    document.creation = (outcome, document.created_at.after(delay));
    document.template = template;
    for (member, place) in
        [("tokens", &mut document.tokens), ("fields", &mut document.fields), ("tags", &mut document.tags)]
    {
        if let Some(value) = body.get(member) {
            place.clone_from(value);
        }
    }
    if let Some(pdf) = pdf {
        document.pdf = pdf;
    }
    let answer = answer(account, &document);
    account.take_in(workspace, document)?;
    Ok((StatusCode::CREATED, Json(answer)))
}

fn answer(account: &Account, document: &Document) -> Value {
    let mut answer = shape::brief(document);
    let href = account.document_link(&document.id).replace("/documents/", "/public/v1/documents/");
    answer["links"] = json!([{"rel": "status", "href": href, "type": "GET"}]);
    answer["info_message"] = json!("You need to poll the document until its status is draft.");
    answer
}

/// An uploaded document nobody has looked at yet.
pub(super) fn blank(
    account: &Account,
    name: String,
    recipients: Vec<Recipient>,
    metadata: Map<String, Value>,
    now: Timestamp,
) -> Document {
    let id = account.kit().ids().token(22);
    Document {
        pdf: files::order_pdf(&id).into(),
        id,
        name,
        status: Status::Uploaded,
        creation: (Ok(()), now),
        recipients,
        metadata,
        tokens: json!([]),
        fields: json!([]),
        tags: json!([]),
        template: None,
        version: 1,
        created_at: now,
        modified_at: now,
        sent_at: None,
        completed_at: None,
        expires_at: Some(now.after(Duration::from_secs(60 * 24 * 3_600))),
        locked_until: None,
        decline_reason: None,
        audit: vec![Audit { action: 1, email: None, reason: None, at: now }],
        reminders: 0,
    }
}

/// Reads `recipients`: an address each; without a role, a copy only.
pub(super) fn recipients(account: &Account, value: Option<&Value>) -> Result<Vec<Recipient>, Refusal> {
    let entries = value.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if entries.len() > RECIPIENTS_MAX {
        return Err(Refusal::validation("too many recipients"));
    }
    let read = |entry: &Value| {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let email = text("email").filter(|email| email.contains('@'));
        let role = text("role").filter(|role| !role.is_empty());
        Ok(Recipient {
            id: account.kit().ids().token(22),
            email: email.ok_or_else(|| Refusal::validation("recipients: e-mail or phone is required"))?,
            first_name: text("first_name").unwrap_or_default(),
            last_name: text("last_name").unwrap_or_default(),
            signing_order: entry.get("signing_order").and_then(Value::as_u64),
            signer: role.is_some(),
            role,
            has_completed: false,
            signature_date: None,
        })
    };
    entries.iter().map(read).collect()
}

/// Moves the modification mark of a document that was edited.
pub(super) fn edit(
    workspace: &mut Workspace,
    id: &str,
    body: &Value,
    recipients: Vec<Recipient>,
) -> Result<(), Refusal> {
    let document = workspace.documents.get_mut(id).ok_or_else(Refusal::not_found)?;
    let now = clock::now();
    document.unlocked(now)?;
    if document.status != Status::Draft {
        return Err(Refusal::new(400, "request_error", "Only documents with draft status can be edited"));
    }
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        name.clone_into(&mut document.name);
    }
    if let Some(metadata) = body.get("metadata").and_then(Value::as_object) {
        document.metadata.extend(metadata.clone());
    }
    if body.get("recipients").is_some() {
        document.recipients = recipients;
    }
    document.touch(now);
    Ok(())
}
