//! Work that was given up: shown, tried again, or forgotten.

use anyhow::{Result, ensure};
use contracts::wire::crmsync as wire;

use super::args::{Ask, DeadLettersVerb, Letter};
use super::services::by_crm_sync;
use super::time;
use crate::terminal::{Column, Terminal};

/// Most pages asked for.
const PAGES_MAX: usize = 100;

/// Runs the verb.
///
/// # Errors
/// What crm-sync refuses, or why it could not be asked.
pub async fn run(verb: DeadLettersVerb) -> Result<()> {
    match verb {
        DeadLettersVerb::List(ask) => list(&ask).await,
        DeadLettersVerb::Retry(Letter { consumer, position, ask }) => {
            let request = wire::RetryDeadLetterRequest { request_id: request_id(), consumer, position };
            let found = by_crm_sync(&ask, ask.crm_sync()?.retry_dead_letter(request).await)?.found;
            ensure!(found, "there is no such dead letter; `dead-letters list` shows all");
            Terminal::new(ask.json).line("it is tried once more");
            Ok(())
        }
        DeadLettersVerb::Discard { letter: Letter { consumer, position, ask }, reason } => {
            let request =
                wire::DiscardDeadLetterRequest { request_id: request_id(), consumer, position, reason };
            let found = by_crm_sync(&ask, ask.crm_sync()?.discard_dead_letter(request).await)?.found;
            ensure!(found, "there is no such dead letter; `dead-letters list` shows all");
            Terminal::new(ask.json).line("it is forgotten");
            Ok(())
        }
    }
}

/// Every dead letter, oldest first.
pub(super) async fn all(ask: &Ask) -> Result<Vec<wire::DeadLetter>> {
    let (mut letters, mut page_token) = (Vec::new(), String::new());
    for _ in 0..PAGES_MAX {
        let request = wire::ListDeadLettersRequest { page_size: 1000, page_token };
        let page = by_crm_sync(ask, ask.crm_sync()?.list_dead_letters(request).await)?;
        letters.extend(page.dead_letters);
        if page.next_page_token.is_empty() {
            break;
        }
        page_token = page.next_page_token;
    }
    Ok(letters)
}

async fn list(ask: &Ask) -> Result<()> {
    let letters = all(ask).await?;
    let terminal = Terminal::new(ask.json);
    if letters.is_empty() {
        terminal.line("nothing was given up");
        return Ok(());
    }
    let row = |letter: &wire::DeadLetter| {
        vec![
            letter.consumer.clone(),
            letter.position.to_string(),
            letter.entity.clone(),
            letter.attempts.to_string(),
            time(letter.at_ms),
            letter.reason.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = letters.iter().map(row).collect();
    terminal.table(
        &[
            Column::text("consumer"),
            Column::count("position"),
            Column::text("entity"),
            Column::count("attempts"),
            Column::text("given up"),
            Column::text("why"),
        ],
        &rows,
    );
    Ok(())
}

fn request_id() -> String {
    format!("cli-{}", hex::encode(runtime::random::new_id()))
}
