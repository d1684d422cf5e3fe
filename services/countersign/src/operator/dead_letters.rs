//! Work that was given up, by whichever service: shown, tried again, or forgotten.

use anyhow::{Result, ensure};
use contracts::wire::common::DeadLetter;
use contracts::wire::{crmsync, envelope, verification};

use super::args::{Ask, DeadLettersVerb, Letter};
use super::services::{by_crm_sync, by_orchestrator, by_verification};
use super::{request_id, time};
use crate::terminal::{Column, Terminal};

/// Most pages asked for.
const PAGES_MAX: usize = 100;
/// Letters on a page.
const PAGE: u32 = 1000;

/// Who tells of a follower's dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    /// Of its own, and of ingress, which has no gRPC.
    Verification,
    Orchestrator,
    CrmSync,
}

impl Keeper {
    /// By the name of the follower.
    fn of(consumer: &str) -> Self {
        match consumer.split_once('-').map(|(service, _)| service) {
            Some("verification" | "ingress") => Keeper::Verification,
            Some("orchestrator") => Keeper::Orchestrator,
            Some(_) | None => Keeper::CrmSync,
        }
    }

    /// One page of what it tells of, and the token of the next.
    async fn page(self, ask: &Ask, page_token: String) -> Result<(Vec<DeadLetter>, String)> {
        Ok(match self {
            Keeper::Verification => {
                let request = verification::ListDeadLettersRequest { page_size: PAGE, page_token };
                let page = by_verification(ask, ask.verification()?.list_dead_letters(request).await)?;
                (page.dead_letters, page.next_page_token)
            }
            Keeper::Orchestrator => {
                let request = envelope::ListDeadLettersRequest { page_size: PAGE, page_token };
                let page = by_orchestrator(ask, ask.envelopes()?.list_dead_letters(request).await)?;
                (page.dead_letters, page.next_page_token)
            }
            Keeper::CrmSync => {
                let request = crmsync::ListDeadLettersRequest { page_size: PAGE, page_token };
                let page = by_crm_sync(ask, ask.crm_sync()?.list_dead_letters(request).await)?;
                (page.dead_letters, page.next_page_token)
            }
        })
    }
}

/// Runs the verb.
///
/// # Errors
/// What a service refuses, or why it could not be asked.
pub async fn run(verb: DeadLettersVerb) -> Result<()> {
    match verb {
        DeadLettersVerb::List(ask) => list(&ask).await,
        DeadLettersVerb::Retry(letter) => {
            ensure!(retry(&letter).await?, "there is no such dead letter; `dead-letters list` shows all");
            Terminal::new(letter.ask.json).line("it is tried once more");
            Ok(())
        }
        DeadLettersVerb::Discard { letter, reason } => {
            let found = discard(&letter, reason).await?;
            ensure!(found, "there is no such dead letter; `dead-letters list` shows all");
            Terminal::new(letter.ask.json).line("it is forgotten");
            Ok(())
        }
    }
}

async fn retry(Letter { consumer, position, ask }: &Letter) -> Result<bool> {
    let (request_id, consumer, position) = (request_id(), consumer.clone(), *position);
    Ok(match Keeper::of(&consumer) {
        Keeper::Verification => {
            let request = verification::RetryDeadLetterRequest { request_id, consumer, position };
            by_verification(ask, ask.verification()?.retry_dead_letter(request).await)?.found
        }
        Keeper::Orchestrator => {
            let request = envelope::RetryDeadLetterRequest { request_id, consumer, position };
            by_orchestrator(ask, ask.envelopes()?.retry_dead_letter(request).await)?.found
        }
        Keeper::CrmSync => {
            let request = crmsync::RetryDeadLetterRequest { request_id, consumer, position };
            by_crm_sync(ask, ask.crm_sync()?.retry_dead_letter(request).await)?.found
        }
    })
}

async fn discard(Letter { consumer, position, ask }: &Letter, reason: String) -> Result<bool> {
    let (request_id, consumer, position) = (request_id(), consumer.clone(), *position);
    Ok(match Keeper::of(&consumer) {
        Keeper::Verification => {
            let request = verification::DiscardDeadLetterRequest { request_id, consumer, position, reason };
            by_verification(ask, ask.verification()?.discard_dead_letter(request).await)?.found
        }
        Keeper::Orchestrator => {
            let request = envelope::DiscardDeadLetterRequest { request_id, consumer, position, reason };
            by_orchestrator(ask, ask.envelopes()?.discard_dead_letter(request).await)?.found
        }
        Keeper::CrmSync => {
            let request = crmsync::DiscardDeadLetterRequest { request_id, consumer, position, reason };
            by_crm_sync(ask, ask.crm_sync()?.discard_dead_letter(request).await)?.found
        }
    })
}

/// Every dead letter of every service, oldest first.
pub(super) async fn all(ask: &Ask) -> Result<Vec<DeadLetter>> {
    let mut letters = Vec::new();
    for keeper in [Keeper::CrmSync, Keeper::Verification, Keeper::Orchestrator] {
        let mut page_token = String::new();
        for _ in 0..PAGES_MAX {
            let (page, next) = keeper.page(ask, page_token).await?;
            letters.extend(page);
            if next.is_empty() {
                break;
            }
            page_token = next;
        }
    }
    letters.sort_by_key(|letter| letter.at_ms);
    Ok(letters)
}

async fn list(ask: &Ask) -> Result<()> {
    let letters = all(ask).await?;
    let terminal = Terminal::new(ask.json);
    if letters.is_empty() {
        terminal.line("nothing was given up");
        return Ok(());
    }
    let row = |letter: &DeadLetter| {
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

#[cfg(test)]
mod tests {
    use super::Keeper;

    #[test]
    fn a_dead_letter_is_asked_of_the_service_whose_follower_gave_it_up() {
        for (consumer, keeper) in [
            ("verification-erasure", Keeper::Verification),
            ("ingress-handover", Keeper::Verification),
            ("orchestrator-effects", Keeper::Orchestrator),
            ("orchestrator-documents", Keeper::Orchestrator),
            ("crm-sync-triggers", Keeper::CrmSync),
            ("nobody", Keeper::CrmSync),
        ] {
            assert_eq!(Keeper::of(consumer), keeper, "{consumer}");
        }
    }
}
