//! The pages people use: the account's overview, the review page, the sign page.

use axum::extract::{Path, Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use http::{StatusCode, header};
use serde::Deserialize;
use simulation::clock;
use simulation::html::{button, deliveries, escape, page, section, table};

use super::api::signed_copy;
use super::shared::Account;
use super::state::{Detection, Envelope, Refusal, Standing, Status};

const VENDOR: &str = "Atlas";

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/", get(overview))
        .route("/review/{id}", get(review))
        .route("/review/{id}/send", post(review_send))
        .route("/review/{id}/document", get(review_document))
        .route("/sign/{id}", get(sign_page).post(sign))
        .route("/sign/{id}/document", get(sign_document))
}

#[derive(Deserialize)]
struct Token {
    rt: Option<String>,
    t: Option<String>,
}

async fn overview(State(account): State<Account>) -> Html<String> {
    let world = account.world();
    let newest = world.order.iter().rev().take(200).filter_map(|id| world.envelopes.get(id));
    let row = |envelope: &Envelope| {
        let review = format!("<a href=\"{}\">review</a>", escape(&account.review_link(envelope)));
        let sign = envelope.current().filter(|_| envelope.status == Status::Pending).map(|party| {
            let link = account.sign_link(&envelope.id, &party.token);
            format!("<a href=\"{}\">sign as {}</a>", escape(&link), escape(&party.name))
        });
        vec![escape(&envelope.title), tag(envelope.status.word()), review, sign.unwrap_or_default()]
    };
    let rows: Vec<Vec<String>> = newest.map(row).collect();
    let facts = format!(
        "<p>Credits: {} · <a href=/__sim/inbox>Inbox</a></p>{}",
        world.credits,
        table(&["Document", "Status", "Sender", "Signer"], &rows)
    );
    Html(page(VENDOR, "Envelopes", &section("Newest first", &facts)))
}

/// A page that says why not.
fn sorry(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = section("This is not possible", &format!("<p>{}</p>", escape(&refusal.message)));
    (status, Html(page(VENDOR, "Sorry", &body))).into_response()
}

fn reviewed<'a>(envelope: &'a mut Envelope, token: &Token) -> Result<&'a mut Envelope, Refusal> {
    if token.rt.as_ref() == Some(&envelope.review_token) {
        return Ok(envelope);
    }
    Err(Refusal::new(403, "forbidden", "This review link is not valid"))
}

async fn review(
    State(account): State<Account>,
    Path(id): Path<String>,
    Query(token): Query<Token>,
) -> Response {
    let mut world = account.world();
    let envelope = match world.envelope(&id).and_then(|envelope| reviewed(envelope, &token)) {
        Ok(envelope) => envelope,
        Err(refusal) => return sorry(&refusal),
    };
    let detection = envelope.detection_at(clock::now());
    let (review_token, title) = (escape(&envelope.review_token), envelope.title.clone());
    let document = format!(
        "<p><a href=\"/review/{id}/document?rt={review_token}\">Open the document</a> {}</p>",
        tag(envelope.status.word())
    );
    let action = format!("/review/{id}/send?rt={review_token}");
    let version = envelope.fields_version.to_string();
    let send = match (envelope.status, detection) {
        (Status::Draft, Detection::Pending) => {
            "<p>Fields are being detected. Reload in a moment.</p>".to_owned()
        }
        (Status::Draft, Detection::Ready) => button(&action, "Send", &[("fields_version", &version)]),
        (Status::Draft, Detection::Failed | Detection::RecoveredEmpty) => format!(
            "<p>No fields were found: please place them by hand before sending.</p>{}",
            button(&action, "Send anyway", &[("fields_version", &version)])
        ),
        (Status::Pending | Status::Signed | Status::Declined | Status::Voided | Status::Expired, _) => {
            "<p>Sent. Nothing can be edited any more.</p>".to_owned()
        }
    };
    let parties: Vec<Vec<String>> = envelope
        .parties
        .iter()
        .map(|party| {
            vec![
                party.order.to_string(),
                escape(&party.name),
                escape(&party.email),
                escape(&party.role),
                tag(party.standing.word()),
            ]
        })
        .collect();
    let known = if detection == Detection::Ready { envelope.fields.as_slice() } else { &[] };
    let fields: Vec<Vec<String>> = known.iter().map(field_row).collect();
    let body = [
        section("Document", &document),
        section("Parties, in signing order", &table(&["", "Name", "E-mail", "Role", "Status"], &parties)),
        section(&format!("Fields ({})", detection.word()), &table(&["Field", "Page", "Party"], &fields)),
        section("Send", &send),
        deliveries(&account.kit().webhooks().deliveries_of(&id)),
    ];
    Html(page(VENDOR, &format!("Review: {title}"), &body.concat())).into_response()
}

fn field_row(field: &serde_json::Value) -> Vec<String> {
    let shown = |name: &str| {
        field.get(name).map(|value| escape(value.to_string().trim_matches('"'))).unwrap_or_default()
    };
    vec![format!("{} ({})", shown("label"), shown("type")), shown("page"), shown("party_order")]
}

#[derive(Deserialize)]
struct Send {
    fields_version: Option<u64>,
}

async fn review_send(
    State(account): State<Account>,
    Path(id): Path<String>,
    Query(token): Query<Token>,
    Form(form): Form<Send>,
) -> Response {
    let world = &mut *account.world();
    let allowed = world.envelope(&id).and_then(|envelope| reviewed(envelope, &token).map(|_| ()));
    match allowed.and_then(|()| account.send(world, &id, form.fields_version)) {
        Ok(()) => Redirect::to(&format!("/review/{id}?rt={}", token.rt.unwrap_or_default())).into_response(),
        Err(refusal) => sorry(&refusal),
    }
}

async fn review_document(
    State(account): State<Account>,
    Path(id): Path<String>,
    Query(token): Query<Token>,
) -> Response {
    let mut world = account.world();
    match world.envelope(&id).and_then(|envelope| reviewed(envelope, &token)) {
        Ok(envelope) => document(envelope),
        Err(refusal) => sorry(&refusal),
    }
}

async fn sign_document(
    State(account): State<Account>,
    Path(id): Path<String>,
    Query(token): Query<Token>,
) -> Response {
    let mut world = account.world();
    let t = token.t.unwrap_or_default();
    match world.envelope(&id).and_then(|envelope| envelope.party(&t).map(|_| ()).map(|()| envelope)) {
        Ok(envelope) => document(envelope),
        Err(refusal) => sorry(&refusal),
    }
}

fn document(envelope: &Envelope) -> Response {
    let pdf = [(header::CONTENT_TYPE, "application/pdf")];
    if envelope.status == Status::Signed {
        return (pdf, signed_copy(envelope)).into_response();
    }
    if envelope.document.starts_with(b"%PDF-") {
        return (pdf, envelope.document.clone()).into_response();
    }
    ([(header::CONTENT_TYPE, "application/octet-stream")], envelope.document.clone()).into_response()
}

/// Opening the page is "viewed". The token selects the party, and with it the fields that are shown.
async fn sign_page(
    State(account): State<Account>,
    Path(id): Path<String>,
    Query(token): Query<Token>,
) -> Response {
    let t = token.t.unwrap_or_default();
    let world = &mut *account.world();
    let events = match world.envelope(&id).and_then(|envelope| envelope.view(&t, clock::now())) {
        Ok(events) => events,
        Err(refusal) => return sorry(&refusal),
    };
    account.tell(world, &id, &events);
    let Ok(envelope) = world.envelope(&id) else { return StatusCode::NOT_FOUND.into_response() };
    let (status, title, fields) = (envelope.status, envelope.title.clone(), envelope.fields.clone());
    let test =
        if envelope.key.starts_with("test_") { "<p class=test>TEST: not legally binding</p>" } else { "" };
    let Ok(party) = envelope.party(&t) else { return StatusCode::NOT_FOUND.into_response() };
    let own = |field: &&serde_json::Value| {
        field.get("party_order").and_then(serde_json::Value::as_u64) == Some(party.order.into())
    };
    let rows: Vec<Vec<String>> = fields.iter().filter(own).map(field_row).collect();
    let action = format!("/sign/{id}?t={}", escape(&t));
    let decide = match (status, party.standing) {
        (Status::Pending, Standing::Pending) => format!(
            "{}<form method=post action=\"{action}\"><input type=hidden name=action value=decline>\
             <input name=reason placeholder=\"Reason\" maxlength=500> <button class=quiet>Decline</button></form>",
            button(&format!("/sign/{id}?t={t}"), "Sign", &[("action", "sign")])
        ),
        (Status::Pending, Standing::Waiting) => "<p>It is not your turn yet.</p>".to_owned(),
        (
            Status::Draft
            | Status::Pending
            | Status::Signed
            | Status::Declined
            | Status::Voided
            | Status::Expired,
            _,
        ) => {
            format!("<p>This document is {}; you are {}.</p>", tag(status.word()), tag(party.standing.word()))
        }
    };
    let body = [
        test.to_owned(),
        section(
            "Document",
            &format!("<p><a href=\"/sign/{id}/document?t={}\">Open the document</a></p>", escape(&t)),
        ),
        section("Your fields", &table(&["Field", "Page", "Party"], &rows)),
        section(&format!("{} ({})", party.name, party.role), &decide),
    ];
    Html(page(VENDOR, &format!("Sign: {title}"), &body.concat())).into_response()
}

#[derive(Deserialize)]
struct Decision {
    action: String,
    reason: Option<String>,
}

async fn sign(
    State(account): State<Account>,
    Path(id): Path<String>,
    Query(token): Query<Token>,
    Form(decision): Form<Decision>,
) -> Response {
    let (t, now) = (token.t.unwrap_or_default(), clock::now());
    let world = &mut *account.world();
    let decided = world.envelope(&id).and_then(|envelope| match decision.action.as_str() {
        "sign" => envelope.sign(&t, now),
        "decline" => envelope.decline(&t, decision.reason.filter(|reason| !reason.is_empty()), now),
        _ => Err(Refusal::bad_request("Sign or decline")),
    });
    match decided {
        Ok(events) => {
            account.invite_next(world, &id, &events);
            account.tell(world, &id, &events);
            Redirect::to(&format!("/sign/{id}?t={t}")).into_response()
        }
        Err(refusal) => sorry(&refusal),
    }
}

fn tag(word: &str) -> String {
    format!("<span class=tag>{}</span>", escape(word))
}
