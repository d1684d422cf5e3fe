//! Reads the ledger again and again, so that a signal nobody can explain becomes a number that rings.
//!
//! It asks for the hours too: under steady traffic a signal that comes in between two readings excuses one that is lost
//! in everything together, but not in an hour that is over.

use std::time::Duration;

use contracts::wire::crmsync::crm_sync_service_client::CrmSyncServiceClient;
use contracts::wire::envelope::envelope_service_client::EnvelopeServiceClient;
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use domain::time::Timestamp;
use ledger::{HOUR_MS, Sheet, Standing, hour_of, standings};
use runtime::clock::Clock;
use runtime::grpc::Client;
use tokio_util::sync::CancellationToken;

use crate::sheets::{Desks, Question, read};

/// Pause between two readings.
const PAUSE: Duration = Duration::from_secs(60);
/// Hours that are judged one by one, the present one among them; a loss rings for so long even if traffic hides it.
const HOURS: i64 = 48;

/// Reads until `shutdown`. One reading takes a few calls, and at most half a minute.
pub async fn watch(
    verification: Client,
    orchestrator: Client,
    crm_sync: Client,
    clock: Clock,
    shutdown: CancellationToken,
) {
    let desks = Desks {
        verification: VerificationServiceClient::new(verification),
        orchestrator: EnvelopeServiceClient::new(orchestrator),
        crm_sync: CrmSyncServiceClient::new(crm_sync),
    };
    while shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        let question = question(clock.now());
        let Some(sheets) = shutdown.run_until_cancelled(read(&desks, &question)).await else {
            return;
        };
        match sheets {
            Ok(sheets) => show(&sheets),
            Err((who, status)) => {
                metrics::counter!("ledger_readings_failed_total").increment(1);
                tracing::debug!(?who, code = ?status.code(), "the ledger could not be read");
            }
        }
    }
}

fn question(now: Timestamp) -> Question {
    Question { since_ms: Some(hour_of(now) - (HOURS - 1) * HOUR_MS), ..Question::default() }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts stay below 2^53")]
fn show(sheets: &[Sheet]) {
    for (connection, Standing { unexplained, behind }) in standings(sheets) {
        metrics::gauge!("ledger_unexplained_signals", "connection" => connection.clone())
            .set(unexplained as f64);
        metrics::gauge!("ledger_behind_signals", "connection" => connection.clone()).set(behind as f64);
        if unexplained > 0 {
            tracing::error!(connection, unexplained, "CS-LEDGER-001: the ledger does not balance");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hours_that_are_over_are_asked_for_too() {
        let now = Timestamp(1_800_000_123_456);
        let since = question(now).since_ms.expect("hours are asked for");
        assert_eq!((hour_of(now) - since, since % HOUR_MS), (47 * HOUR_MS, 0));
    }
}
