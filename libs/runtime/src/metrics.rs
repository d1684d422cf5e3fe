//! Numbers for operators, in Prometheus' text form.
//!
//! Whoever counts names the number where it is counted; `docs/metrics.md` lists them all, and a test holds the list to
//! the code. A name starts with its room; the unit is last. Labels are names of methods, connections, codes and
//! outcomes: never ids, addresses or anything personal.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

/// Seconds from request to end of response at our gRPC servers; labels `method`, `code`.
pub const RPC_SERVER_SECONDS: &str = "rpc_server_seconds";
/// Seconds from request to response at our gRPC clients; labels `method`, `code`.
pub const RPC_CLIENT_SECONDS: &str = "rpc_client_seconds";
/// Bounds of the buckets of every histogram of seconds: its name ends in `_seconds`.
const SECONDS_BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Bounds of the buckets of every histogram of hours: its name ends in `_hours`.
const HOURS_BUCKETS: [f64; 10] = [0.1, 0.5, 1.0, 4.0, 12.0, 24.0, 48.0, 96.0, 168.0, 336.0];
/// Bounds of the buckets of every histogram of sizes: its name ends in `_size`.
const SIZE_BUCKETS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

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
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZE_BUCKETS)
            })
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_hours".to_owned()), &HOURS_BUCKETS)
            })
            .expect("no list of buckets is empty")
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
        metrics::counter!("a_total", "connection" => "signer-main", "outcome" => "accepted").increment(2);
        let text = super::render();
        assert!(text.contains(r#"a_total{connection="signer-main",outcome="accepted"} 2"#), "{text}");
    }

    #[test]
    fn seconds_and_sizes_have_buckets_of_their_own() {
        super::install();
        metrics::histogram!("a_seconds").record(0.02);
        metrics::histogram!("a_size").record(100.0);
        metrics::histogram!("some_hours").record(30.0);
        let text = super::render();
        assert!(text.contains(r#"a_seconds_bucket{le="0.025"} 1"#), "{text}");
        assert!(text.contains(r#"a_size_bucket{le="64"} 0"#), "{text}");
        assert!(text.contains(r#"a_size_bucket{le="128"} 1"#), "{text}");
        assert!(text.contains(r#"some_hours_bucket{le="24"} 0"#), "{text}");
        assert!(text.contains(r#"some_hours_bucket{le="48"} 1"#), "{text}");
    }
}
