//! Credits: what sending has used, what is left, and when it runs out.

use anyhow::Result;
use contracts::wire::envelope::{Credits, GetCreditsRequest};

use super::args::Ask;
use super::services::by_orchestrator;
use super::time;
use crate::terminal::{Column, Terminal};

/// Runs the verb.
///
/// # Errors
/// What the orchestrator refuses, or why it could not be asked.
pub(super) async fn run(connection: String, ask: &Ask) -> Result<()> {
    let request = GetCreditsRequest { provider: connection, min_position: 0 };
    let credits = by_orchestrator(ask, ask.envelopes()?.get_credits(request).await)?.credits;
    let terminal = Terminal::new(ask.json);
    if credits.is_empty() {
        terminal.line("no connection counts credits");
        return Ok(());
    }
    let headings = [
        Column::text("connection"),
        Column::count("left"),
        Column::count("sent"),
        Column::count("refunded"),
        Column::count("a day"),
        Column::text("runs out"),
        Column::count("waiting"),
        Column::text("last sent"),
        Column::text("last refused"),
    ];
    let rows: Vec<Vec<String>> = credits.iter().map(row).collect();
    terminal.table(&headings, &rows);
    if credits.iter().any(|account| account.remaining.is_none()) {
        terminal.line("  left: unknown until the connection's options say what there was: credits: {left: 500, at: 2026-01-31T08:00:00Z}");
    }
    Ok(())
}

fn row(account: &Credits) -> Vec<String> {
    vec![
        account.provider.clone(),
        account.remaining.map_or_else(|| "?".to_owned(), |left| left.to_string()),
        account.sent.to_string(),
        account.refunded.to_string(),
        format!("{:.1}", account.used_per_day),
        if account.exhausted { "now".to_owned() } else { time(account.runs_out_at_ms) },
        account.held_sends.to_string(),
        time(account.last_sent_at_ms),
        time(account.last_refused_at_ms),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_shown_as_nothing() {
        let unknown = Credits { provider: "atlas-main".to_owned(), sent: 3, ..Credits::default() };
        assert_eq!(row(&unknown)[1], "?");
        let none = Credits { remaining: Some(0), exhausted: true, ..unknown };
        assert_eq!((row(&none)[1].as_str(), row(&none)[5].as_str()), ("0", "now"));
    }
}
