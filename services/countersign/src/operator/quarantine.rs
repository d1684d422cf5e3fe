//! Deliveries that were not believed.

use anyhow::Result;
use contracts::wire::verification as wire;
use serde_json::json;

use super::args::Ask;
use super::quarantine_args::{OneDelivery, QuarantineVerb};
use super::quarantine_release;
use super::services::by_verification;
use super::{time, word};
use crate::terminal::{Column, Terminal};

/// Most entries shown.
const SHOWN_MAX: u32 = 1000;

/// Runs the verb.
///
/// # Errors
/// What verification refuses, or why it could not be asked.
pub async fn run(verb: QuarantineVerb) -> Result<()> {
    match verb {
        QuarantineVerb::List { connection, ask } => list(connection, &ask).await,
        QuarantineVerb::Show(OneDelivery { connection, id, ask }) => show(connection, id, &ask).await,
        QuarantineVerb::Verify(which) => quarantine_release::verify(which).await,
        QuarantineVerb::Release(which) => quarantine_release::release(which).await,
        QuarantineVerb::Discard { one, reason } => quarantine_release::discard(one, reason).await,
    }
}

async fn list(connection: String, ask: &Ask) -> Result<()> {
    let request = wire::ListQuarantineRequest { connection, page_size: SHOWN_MAX, page_token: String::new() };
    let page = by_verification(ask, ask.verification()?.list_quarantine(request).await)?;
    let terminal = Terminal::new(ask.json);
    if page.deliveries.is_empty() {
        terminal.line("nothing is in quarantine");
        return Ok(());
    }
    let row = |delivery: &wire::QuarantinedDelivery| {
        vec![
            time(delivery.received_at_ms),
            delivery.connection.clone(),
            delivery.reason.clone(),
            delivery.bytes.to_string(),
            if delivery.content_bytes > 0 { "yes".to_owned() } else { String::new() },
            time(delivery.expires_at_ms),
            delivery.quarantine_id.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = page.deliveries.iter().map(row).collect();
    terminal.table(
        &[
            Column::text("received"),
            Column::text("connection"),
            Column::text("why"),
            Column::count("bytes"),
            Column::text("content"),
            Column::text("kept until"),
            Column::text("id"),
        ],
        &rows,
    );
    if !page.next_page_token.is_empty() {
        terminal.line(format_args!("  only the newest {SHOWN_MAX} are shown"));
    }
    Ok(())
}

async fn show(connection: String, quarantine_id: String, ask: &Ask) -> Result<()> {
    let request = wire::GetQuarantinedRequest { quarantine_id, connection };
    let found = by_verification(ask, ask.verification()?.get_quarantined(request).await)?;
    let known = found.quarantined.unwrap_or_default();
    let terminal = Terminal::new(ask.json);
    let content = found.content.as_ref();
    let body = content.map(|content| String::from_utf8_lossy(&content.body).into_owned());
    // Values may be signatures or keys that were sent to the wrong place.
    let headers: Vec<&str> =
        content.iter().flat_map(|content| &content.headers).map(|header| header.name.as_str()).collect();
    let state = word(known.state().as_str_name(), "QUARANTINE_STATE_");
    terminal.object(&json!({
        "id": known.quarantine_id, "state": state, "kept_until": time(known.expires_at_ms), "connection": known.connection, "why": known.reason, "bytes": known.bytes,
        "sha256": hex::encode(&known.sha256), "received": time(known.received_at_ms), "headers": headers, "body": body,
    }));
    terminal.line(format_args!("received    {}", time(known.received_at_ms)));
    terminal.line(format_args!("connection  {}", known.connection));
    terminal.line(format_args!(
        "state       {state}; content is kept until {} at the latest",
        time(known.expires_at_ms)
    ));
    terminal.line(format_args!("why         {}", known.reason));
    terminal.line(format_args!("sha256      {}", hex::encode(&known.sha256)));
    terminal.line(format_args!("headers     {}", headers.join(", ")));
    terminal.line(format_args!("body        {} bytes", known.bytes));
    terminal.line(body.as_deref().unwrap_or("(not kept, or erased)"));
    Ok(())
}
