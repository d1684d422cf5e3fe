//! The pages of the vendor's web application, reduced to buttons.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use simulation::html::{button, deliveries, escape, page, section, table};

use super::account::Account;
use super::state::{Document, Recipient};
use super::words::Status;

const VENDOR: &str = "PandaDoc";

pub(super) fn routes() -> Router<Account> {
    Router::new()
        .route("/", get(overview))
        .route("/documents/{id}", get(document))
        .route("/documents/{id}/pdf", get(pdf))
}

async fn overview(State(account): State<Account>) -> Html<String> {
    let workspace = account.workspace();
    let newest = workspace.order.iter().rev().take(200).filter_map(|id| workspace.documents.get(id));
    let row = |document: &Document| {
        let link = format!("<a href=\"/documents/{}\">{}</a>", document.id, escape(&document.name));
        let deal = document.metadata.get("deal_id").map(|deal| escape(deal.to_string().trim_matches('"')));
        vec![link, tag(document.status), deal.unwrap_or_default()]
    };
    let rows: Vec<Vec<String>> = newest.map(row).collect();
    let form = "<form method=post action=/__sim/ui/documents><input name=name placeholder=Name> \
                <input name=deal_id placeholder=\"Deal number\"> <button>New document</button></form>";
    let list = table(&["Document", "Status", "Deal"], &rows);
    Html(page(VENDOR, "Documents", &(section("New", form) + &section("Newest first", &list))))
}

async fn document(State(account): State<Account>, Path(id): Path<String>) -> Response {
    let workspace = account.workspace();
    let Some(document) = workspace.documents.get(&id) else {
        let body = section("Not found", "<p>This document does not exist (any more).</p>");
        return (StatusCode::NOT_FOUND, Html(page(VENDOR, "Sorry", &body))).into_response();
    };
    let rows: Vec<Vec<String>> = document.recipients.iter().map(|one| recipient_row(document, one)).collect();
    let body = [
        section(
            "Document",
            &format!("<p>{} <a href=\"/documents/{id}/pdf\">Open the PDF</a></p>", tag(document.status)),
        ),
        section("Recipients", &table(&["Order", "Name", "E-mail", "Role", "", ""], &rows)),
        section("Sales", &sales_buttons(document)),
        deliveries(&account.kit().webhooks().deliveries_of(&id)),
    ];
    Html(page(VENDOR, &document.name, &body.concat())).into_response()
}

fn recipient_row(document: &Document, recipient: &Recipient) -> Vec<String> {
    let act = |act: &str, label: &str| {
        let fields = [("recipient", recipient.id.as_str()), ("reason", "Terms not acceptable")];
        button(
            &format!("/__sim/ui/documents/{}/{act}", document.id),
            label,
            &fields[..if act == "decline" { 2 } else { 1 }],
        )
    };
    let open = document.status.is_out();
    let (sign, decline) = match (open, recipient.has_completed) {
        (_, true) => ("signed".to_owned(), String::new()),
        (true, false) if recipient.signer => (act("sign", "Sign"), act("decline", "Decline")),
        (true, false) => (String::new(), act("decline", "Decline")),
        (false, false) => (String::new(), String::new()),
    };
    vec![
        recipient.signing_order.map_or_else(|| "–".to_owned(), |order| order.to_string()),
        escape(&format!("{} {}", recipient.first_name, recipient.last_name)),
        escape(&recipient.email),
        escape(recipient.role.as_deref().unwrap_or("copy")),
        sign,
        decline,
    ]
}

fn sales_buttons(document: &Document) -> String {
    let acts: &[(&str, &str)] = match document.status {
        Status::Draft | Status::Approved | Status::Scheduled => &[("send", "Send"), ("delete", "Delete")],
        Status::WaitingApproval => &[("approve", "Approve"), ("reject", "Reject")],
        Status::ExternalReview => &[("resolve", "Resolve"), ("edit-back-to-draft", "Edit (back to draft)")],
        Status::Sent | Status::Viewed => &[
            ("view", "View"),
            ("expire", "Expire"),
            ("edit-back-to-draft", "Edit (back to draft)"),
            ("delete", "Delete"),
        ],
        Status::WaitingPay => &[("pay", "Pay"), ("edit-back-to-draft", "Edit (back to draft)")],
        Status::Uploaded | Status::Error => &[("delete", "Delete")],
        Status::Rejected | Status::Paid | Status::Completed | Status::Voided | Status::Declined => {
            &[("edit-back-to-draft", "Edit (back to draft)"), ("delete", "Delete")]
        }
    };
    let each = |(act, label): &(&str, &str)| {
        button(&format!("/__sim/ui/documents/{}/{act}", document.id), label, &[])
    };
    acts.iter().map(each).collect()
}

async fn pdf(State(account): State<Account>, Path(id): Path<String>) -> Response {
    match account.workspace().documents.get(&id) {
        Some(document) => ([(header::CONTENT_TYPE, "application/pdf")], document.pdf.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn tag(status: Status) -> String {
    format!("<span class=tag>{}</span>", status.word().trim_start_matches("document."))
}
