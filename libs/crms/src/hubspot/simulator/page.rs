//! The page a salesperson works on: deals and their stages.

use std::fmt::Write;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;

use super::account::Account;
use super::answer::refused;
use super::schema::Schema;
use super::state::{Author, Deal, Values};

/// Most deals on the page, newest first.
const DEALS_MAX: usize = 200;

pub(super) fn router(account: Account) -> Router {
    Router::new()
        .route("/", get(deals))
        .route("/ui/deals", post(create))
        .route("/ui/deals/{id}/stage", post(stage))
        .with_state(account)
}

fn person() -> Author {
    Author { source: "CRM_UI".to_owned(), source_id: "userId:777".to_owned() }
}

async fn deals(State(account): State<Account>) -> Html<String> {
    let portal = account.portal();
    let newest = portal.deals.values().rev().filter(|deal| !deal.archived).take(DEALS_MAX);
    let rows: String = newest.map(|deal| row(deal, &portal.schema)).collect();
    Html(PAGE.replace("{rows}", &rows))
}

fn row(deal: &Deal, schema: &Schema) -> String {
    let value = |name: &str| escaped(deal.values.get(name).map_or("", String::as_str));
    let now = deal.values.get("dealstage").map_or("", String::as_str);
    let mut options = String::new();
    for (id, label) in &schema.stages {
        let selected = if id == now { " selected" } else { "" };
        let _ = write!(options, "<option value=\"{}\"{selected}>{}</option>", escaped(id), escaped(label));
    }
    let link = deal.values.get("esign_review_url").filter(|url| url.starts_with("http"));
    let link = link.map_or_else(String::new, |url| format!("<a href=\"{}\">review</a>", escaped(url)));
    format!(
        "<tr><td><b>{}</b><br><small>{}</small></td><td>{}</td>\
         <td><form method=\"post\" action=\"/ui/deals/{}/stage\">\
         <select name=\"stage\" aria-label=\"Stage\">{options}</select> <button>Move</button></form></td>\
         <td>{}<br><small>{}</small></td><td>{link}<br><small>{}</small></td></tr>",
        value("dealname"),
        deal.id,
        value("amount"),
        deal.id,
        value("esign_status"),
        value("esign_reason"),
        value("esign_envelope_id"),
    )
}

#[derive(Deserialize)]
struct Stage {
    stage: String,
}

async fn stage(State(account): State<Account>, Path(id): Path<u64>, Form(form): Form<Stage>) -> Response {
    let values = Values::from([("dealstage".to_owned(), form.stage)]);
    match account.update(id, values, person()).await {
        Ok(_changed) => Redirect::to("/").into_response(),
        Err(refusal) => refused(&refusal, ""),
    }
}

/// A new deal from the form: every filled field is a property of that name.
async fn create(State(account): State<Account>, Form(values): Form<Values>) -> Response {
    let filled = values.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    match account.create(filled, person()).await {
        Ok(_id) => Redirect::to("/").into_response(),
        Err(refusal) => refused(&refusal, ""),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

const PAGE: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Deals</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; color: #1d2733 }
h1 { font-size: 1.4rem } small { color: #66717d }
table { width: 100%; border-collapse: collapse } th { text-align: left }
th, td { padding: .6rem .5rem; border-bottom: 1px solid #dde2e7; vertical-align: top }
form { margin: 0 } fieldset { border: 1px solid #dde2e7; margin: 1.5rem 0; padding: 1rem }
input, select, button { font: inherit; padding: .2rem .4rem }
</style></head><body>
<h1>Deals</h1>
<p><small>A simulated CRM. Moving a deal is a person's edit: it changes the record and sends the webhook.</small></p>
<table><thead><tr><th>Deal</th><th>Amount</th><th>Stage</th><th>Signature</th><th>Envelope</th></tr></thead>
<tbody>{rows}</tbody></table>
<form method="post" action="/ui/deals"><fieldset><legend>New deal</legend>
<label>Name <input name="dealname" required></label>
<label>Amount <input name="amount" inputmode="decimal"></label>
<label>Buyer <input name="buyer_name"></label>
<label>E-mail <input name="buyer_email" type="email"></label>
<label>Order PDF <input name="order_pdf_url" type="url"></label>
<button>Create</button></fieldset></form>
</body></html>
"#;
