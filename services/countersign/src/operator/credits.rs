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

/// Days for which credits should last at the present pace.
const DAYS_MIN: f64 = 3.0;

/// What a doctor says of it: whether sends go out, now and in the next days.
///
/// # Errors
/// When the orchestrator cannot be asked.
pub(super) async fn look(ask: &Ask) -> Result<(bool, String)> {
    let request = GetCreditsRequest { provider: String::new(), min_position: 0 };
    let credits = by_orchestrator(ask, ask.envelopes()?.get_credits(request).await)?.credits;
    let troubled: Vec<String> = credits.iter().filter_map(trouble).collect();
    Ok(match (credits.len(), troubled.is_empty()) {
        (0, _) => (true, "no connection counts them".to_owned()),
        (count, true) => (true, format!("{count} connections can send")),
        (_, false) => (false, format!("{} (`connections credits`)", troubled.join("; "))),
    })
}

fn trouble(account: &Credits) -> Option<String> {
    let (provider, Credits { remaining, used_per_day, .. }) = (name(account), account);
    if account.exhausted {
        return Some(format!("{provider} has none, {} sends wait for a top-up", account.held_sends));
    }
    let left = (*remaining)?;
    let short = *used_per_day > 0.0 && left as f64 / used_per_day < DAYS_MIN;
    short.then(|| format!("{provider} has {left} left at {used_per_day:.1} a day"))
}

/// The connection, and the pool that what is left belongs to.
fn name(account: &Credits) -> String {
    let Credits { provider, pool, .. } = account;
    if pool.is_empty() { provider.clone() } else { format!("{provider} (pool {pool})") }
}

fn row(account: &Credits) -> Vec<String> {
    vec![
        name(account),
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
    fn a_doctor_speaks_up_before_the_credits_are_gone() {
        let account = Credits { provider: "atlas-main".to_owned(), used_per_day: 2.0, ..Credits::default() };
        assert_eq!(trouble(&account), None, "what is not known alarms nobody");
        assert_eq!(trouble(&Credits { remaining: Some(6), ..account.clone() }), None);
        let short = trouble(&Credits { remaining: Some(5), ..account.clone() });
        assert_eq!(short.as_deref(), Some("atlas-main has 5 left at 2.0 a day"));
        let gone = Credits { remaining: Some(0), exhausted: true, held_sends: 3, ..account };
        assert_eq!(trouble(&gone).as_deref(), Some("atlas-main has none, 3 sends wait for a top-up"));
    }

    #[test]
    fn what_is_not_known_is_not_shown_as_nothing() {
        let unknown = Credits { provider: "atlas-main".to_owned(), sent: 3, ..Credits::default() };
        assert_eq!(row(&unknown)[1], "?");
        let none = Credits { remaining: Some(0), exhausted: true, ..unknown };
        assert_eq!((row(&none)[1].as_str(), row(&none)[5].as_str()), ("0", "now"));
    }
}
