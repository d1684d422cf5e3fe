//! Out of quarantine: what verifies now is released, what nobody wants is given up.

use anyhow::Result;
use contracts::wire::verification as wire;
use contracts::wire::verification::QuarantineOutcome as Outcome;
use serde_json::json;

use super::quarantine_args::{Deliveries, OneDelivery};
use super::services::by_verification;
use super::{request_id, time, word};
use crate::terminal::{Column, Terminal};

/// Deliveries asked for at once: a page is answered well within the deadline of a call.
const PAGE_SIZE: u32 = 50;

/// Says which would verify now.
///
/// # Errors
/// What verification refuses, or why it could not be asked.
pub async fn verify(Deliveries { connection, id, ask }: Deliveries) -> Result<()> {
    let mut verification = ask.verification()?;
    let mut results = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = wire::ReverifyQuarantinedRequest {
            connection: connection.clone(),
            quarantine_id: id.clone().unwrap_or_default(),
            page_size: PAGE_SIZE,
            page_token,
        };
        let page = by_verification(&ask, verification.reverify_quarantined(request).await)?;
        results.extend(page.results);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    tell(&results, Terminal::new(ask.json));
    Ok(())
}

/// Releases those that verify now. Cut off in the middle, it goes on where it is started again.
///
/// # Errors
/// What verification refuses, or why it could not be asked.
pub async fn release(Deliveries { connection, id, ask }: Deliveries) -> Result<()> {
    let mut verification = ask.verification()?;
    let mut results = Vec::new();
    let mut page_token = String::new();
    let request_id = request_id();
    loop {
        let request = wire::ReleaseQuarantinedRequest {
            connection: connection.clone(),
            quarantine_id: id.clone().unwrap_or_default(),
            page_size: PAGE_SIZE,
            page_token,
            request_id: request_id.clone(),
        };
        let page = by_verification(&ask, verification.release_quarantined(request).await)?;
        results.extend(page.results);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    tell(&results, Terminal::new(ask.json));
    Ok(())
}

/// Gives one up.
///
/// # Errors
/// What verification refuses, or why it could not be asked.
pub async fn discard(OneDelivery { connection, id, ask }: OneDelivery, reason: String) -> Result<()> {
    let request =
        wire::DiscardQuarantinedRequest { connection, quarantine_id: id, reason, request_id: request_id() };
    let answer = by_verification(&ask, ask.verification()?.discard_quarantined(request).await)?;
    let known = answer.quarantined.unwrap_or_default();
    let state = word(known.state().as_str_name(), "QUARANTINE_STATE_");
    let terminal = Terminal::new(ask.json);
    terminal.line(format_args!("{} is given up and its content erased", known.quarantine_id));
    terminal.object(&json!({"id": known.quarantine_id, "state": state}));
    Ok(())
}

fn tell(results: &[wire::QuarantineResult], terminal: Terminal) {
    let row = |result: &wire::QuarantineResult| {
        vec![
            time(result.received_at_ms),
            word(result.outcome().as_str_name(), "QUARANTINE_OUTCOME_"),
            result.key_id.clone(),
            result.refusal.clone(),
            result.signals_new.to_string(),
            result.signals_known.to_string(),
            result.quarantine_id.clone(),
        ]
    };
    let columns = [
        Column::text("received"),
        Column::text("outcome"),
        Column::text("key"),
        Column::text("why not"),
        Column::count("new"),
        Column::count("known"),
        Column::text("id"),
    ];
    if results.is_empty() {
        terminal.line("nothing is in quarantine");
        return;
    }
    terminal.table(&columns, &results.iter().map(row).collect::<Vec<_>>());
    let count = |outcome| results.iter().filter(|result| result.outcome() == outcome).count();
    let (verify, released) = (count(Outcome::Verifies), count(Outcome::Released));
    let (refused, empty) = (count(Outcome::Refused), count(Outcome::NoContent));
    let before = count(Outcome::SettledBefore);
    terminal.line(format_args!(
        "  {verify} verify now, {released} released, {refused} still do not verify, {empty} without content, {before} settled before"
    ));
}
