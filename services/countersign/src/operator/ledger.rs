//! The ledger: what came in over each connection, and what became of it.

use anyhow::Result;
use contracts::wire::verification::{GetLedgerRequest, LedgerLine};

use super::args::Ask;
use super::services::by_verification;
use super::time;
use crate::terminal::{Column, Terminal};

/// Runs the verb.
///
/// # Errors
/// What verification refuses, or why it could not be asked.
pub async fn run(ask: &Ask) -> Result<()> {
    let lines = lines(ask).await?;
    let terminal = Terminal::new(ask.json);
    if lines.is_empty() {
        terminal.line("nothing has come in yet");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let counts = [
                line.received,
                line.accepted,
                line.duplicate,
                line.quarantined,
                line.unreadable,
                line.unknown_event,
                line.not_ours,
            ];
            let counts = counts.iter().map(u64::to_string);
            std::iter::once(line.connection.clone())
                .chain(counts)
                .chain([time(line.last_received_at_ms)])
                .collect()
        })
        .collect();
    let headings = [
        Column::text("connection"),
        Column::count("received"),
        Column::count("accepted"),
        Column::count("duplicate"),
        Column::count("quarantined"),
        Column::count("unreadable"),
        Column::count("unknown event"),
        Column::count("not ours"),
        Column::text("last received"),
    ];
    terminal.table(&headings, &rows);
    terminal.line("  received = accepted + duplicate + quarantined; the next three are parts of accepted");
    Ok(())
}

/// One line per connection.
pub(super) async fn lines(ask: &Ask) -> Result<Vec<LedgerLine>> {
    let answer = ask.verification()?.get_ledger(GetLedgerRequest::default()).await;
    Ok(by_verification(ask, answer)?.lines)
}
