//! Numbers for operators, in Prometheus' text form.
//!
//! Names of numbers that more than one crate counts stand here. Labels are names of methods, connections,
//! codes and outcomes: never ids, addresses or anything personal.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

/// Seconds from request to end of response at our gRPC servers; labels `method`, `code`.
pub const RPC_SERVER_SECONDS: &str = "countersign_rpc_server_seconds";
/// Seconds from request to response at our gRPC clients; labels `method`, `code`.
pub const RPC_CLIENT_SECONDS: &str = "countersign_rpc_client_seconds";
/// Deliveries by what became of them; labels `connection`, `outcome`.
pub const DELIVERIES_TOTAL: &str = "countersign_deliveries_total";
/// Seconds from the first byte of a delivery to our answer; label `connection`.
pub const DELIVERY_SECONDS: &str = "countersign_delivery_seconds";
/// Signals by what became of them; labels `connection`, `outcome`.
pub const SIGNALS_TOTAL: &str = "countersign_signals_total";
/// Envelope events appended; label `event`.
pub const ENVELOPE_EVENTS_TOTAL: &str = "countersign_envelope_events_total";
/// Effects by how they ended; labels `effect`, `connection`, `outcome`.
pub const EFFECTS_TOTAL: &str = "countersign_effects_total";
/// Writes to CRM records by how they ended; labels `connection`, `outcome`.
pub const CRM_WRITES_TOTAL: &str = "countersign_crm_writes_total";
/// Records of the log a follower gave up on; label `consumer`.
pub const DEAD_LETTERS_TOTAL: &str = "countersign_dead_letters_total";

/// Bounds of the buckets of every histogram of seconds.
const SECONDS_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// How often finished samples are folded into their buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts counting. Safe to call more than once: the first call counts.
///
/// # Panics
/// When another recorder was installed in this process: a mistake at start-up.
pub fn install() {
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&SECONDS_BUCKETS)
            .expect("the list of buckets is not empty")
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).expect("nobody else installs a recorder");
        handle
    });
}

/// All numbers in Prometheus' text form; empty before [`install`].
pub fn render() -> String {
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Keeps the histograms small between two looks at them, until `shutdown`.
pub async fn upkeep(shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP_EVERY);
    while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
        if let Some(recorder) = RECORDER.get() {
            recorder.run_upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_counted_is_rendered() {
        super::install();
        super::install();
        metrics::counter!(super::DELIVERIES_TOTAL, "connection" => "signer-main", "outcome" => "accepted")
            .increment(2);
        let text = super::render();
        assert!(
            text.contains(r#"countersign_deliveries_total{connection="signer-main",outcome="accepted"} 2"#),
            "{text}"
        );
    }
}
