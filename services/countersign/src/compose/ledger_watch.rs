//! Reads the ledger again and again, so that a signal nobody can explain becomes a number that rings.

use std::time::Duration;

use contracts::wire::crmsync::crm_sync_service_client::CrmSyncServiceClient;
use contracts::wire::envelope::envelope_service_client::EnvelopeServiceClient;
use contracts::wire::verification::verification_service_client::VerificationServiceClient;
use runtime::grpc::Client;
use tokio_util::sync::CancellationToken;

use crate::sheets::{Desks, Question, read};

/// Pause between two readings.
const PAUSE: Duration = Duration::from_secs(60);

/// Reads until `shutdown`. One reading takes a few calls, and at most half a minute.
pub async fn watch(
    verification: Client,
    orchestrator: Client,
    crm_sync: Client,
    shutdown: CancellationToken,
) {
    let desks = Desks {
        verification: VerificationServiceClient::new(verification),
        orchestrator: EnvelopeServiceClient::new(orchestrator),
        crm_sync: CrmSyncServiceClient::new(crm_sync),
    };
    while shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        let Some(sheets) = shutdown.run_until_cancelled(read(&desks, &Question::default())).await else {
            return;
        };
        match sheets {
            Ok(sheets) => {
                for sheet in sheets {
                    let unexplained = sheet.unexplained();
                    #[expect(
                        clippy::cast_precision_loss,
                        reason = "a gauge is a float; counts stay below 2^53"
                    )]
                    metrics::gauge!("ledger_unexplained_signals", "connection" => sheet.connection.clone())
                        .set(unexplained as f64);
                    if unexplained > 0 {
                        tracing::error!(
                            connection = sheet.connection,
                            unexplained,
                            "CS-LEDGER-001: the ledger does not balance"
                        );
                    }
                }
            }
            Err((who, status)) => {
                metrics::counter!("ledger_readings_failed_total").increment(1);
                tracing::debug!(?who, code = ?status.code(), "the ledger could not be read");
            }
        }
    }
}
