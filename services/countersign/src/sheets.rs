//! The loss ledger of all services, read together: the verb, the demo and the metric ask the same question.
//!
//! The intake is read first and last; in between every consumer is asked, once it has passed the position of the
//! first reading. What it has not passed within some seconds it names as in flight. Where signals keep coming in, the
//! reading is repeated for a while until nothing came in meanwhile, or nothing is left unexplained.

use contracts::wire::crmsync::crm_sync_service_client::CrmSyncServiceClient;
use contracts::wire::envelope::envelope_service_client::EnvelopeServiceClient;
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use contracts::wire::{crmsync, envelope, verification};
use ledger::{Half, Sheet, balance};
use runtime::grpc::Client;
use tonic::Status;

/// Readings at most, until nothing comes in meanwhile or everything is explained.
const READINGS_MAX: usize = 5;

/// The services that are asked.
#[derive(Clone)]
pub struct Desks {
    /// Counts what came in.
    pub verification: VerificationServiceClient<Client>,
    /// Settles news of envelopes.
    pub orchestrator: EnvelopeServiceClient<Client>,
    /// Settles changes of records.
    pub crm_sync: CrmSyncServiceClient<Client>,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Only this connection; empty for all.
    pub connection: String,
    /// Also each hour that begins then or later: milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
    /// The intake is counted up to this position at least.
    pub min_position: u64,
}

/// Who did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Verification.
    Verification,
    /// The orchestrator.
    Orchestrator,
    /// crm-sync.
    CrmSync,
}

/// A service that did not answer, and what it said.
pub type Silence = (Who, Status);

/// The sheets: by connection, everything together first, then the hours.
///
/// # Errors
/// Who did not answer.
pub async fn read(desks: &Desks, question: &Question) -> Result<Vec<Sheet>, Silence> {
    let mut sheets = Vec::new();
    for _ in 0..READINGS_MAX {
        let (quiet, found) = once(desks, question).await?;
        sheets = found;
        if quiet || sheets.iter().all(|sheet| sheet.unexplained() == 0) {
            break;
        }
    }
    Ok(sheets)
}

/// One reading, and whether nothing came in meanwhile.
async fn once(desks: &Desks, question: &Question) -> Result<(bool, Vec<Sheet>), Silence> {
    let before = intake(desks, question, question.min_position).await?;
    let Question { connection, since_ms, .. } = question.clone();
    let intake_position = before.position;
    let (mut orchestrator, mut crm_sync) = (desks.orchestrator.clone(), desks.crm_sync.clone());
    let news = envelope::GetLedgerRequest { connection: connection.clone(), since_ms, intake_position };
    let changes = crmsync::GetLedgerRequest { connection, since_ms, intake_position };
    let (news, changes) = tokio::join!(orchestrator.get_ledger(news), crm_sync.get_ledger(changes));
    let news = news.map_err(|status| (Who::Orchestrator, status))?.into_inner();
    let changes = changes.map_err(|status| (Who::CrmSync, status))?.into_inner();
    let after = intake(desks, question, news.intake_head.max(changes.intake_head)).await?;
    let of_news = Half { tallies: &news.tallies, complete: news.complete };
    let of_changes = Half { tallies: &changes.tallies, complete: changes.complete };
    let sheets = balance(&before.tallies, &after.tallies, of_news, of_changes);
    Ok((before.position == after.position, sheets))
}

async fn intake(
    desks: &Desks,
    question: &Question,
    min_position: u64,
) -> Result<verification::GetLedgerResponse, Silence> {
    let request = verification::GetLedgerRequest {
        connection: question.connection.clone(),
        min_position,
        since_ms: question.since_ms,
    };
    let answer = desks.verification.clone().get_ledger(request).await;
    answer.map(tonic::Response::into_inner).map_err(|status| (Who::Verification, status))
}
