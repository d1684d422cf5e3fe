//! The operator's port: is it alive, is it ready, what are its numbers.
//!
//! Alive means that the process answers; it never depends on the log or a vendor, or an outage elsewhere would
//! restart everything here. Ready means that every registered check passes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What must be true before this process takes work. A cheap handle.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Check>>>);

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

/// One condition of readiness that somebody sets by hand; not met at first.
#[derive(Clone, Debug)]
pub struct Flag(Arc<AtomicBool>);

impl Flag {
    /// Says whether the condition is met.
    pub fn set(&self, met: bool) {
        self.0.store(met, Ordering::Release);
    }
}

impl Readiness {
    /// No conditions: ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check. It must answer at once: it looks at what is known, it does not go and ask. The reason it
    /// gives is shown to operators.
    pub fn check(&self, name: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(check));
    }

    /// Adds a condition that is set by hand, for example when a projection has caught up.
    pub fn flag(&self, name: &'static str) -> Flag {
        let flag = Flag(Arc::new(AtomicBool::new(false)));
        let met = flag.clone();
        self.check(
            name,
            move || {
                if met.0.load(Ordering::Acquire) { Ok(()) } else { Err("not yet".to_owned()) }
            },
        );
        flag
    }

    /// The checks that fail, with their reasons; empty when ready.
    pub fn failures(&self) -> BTreeMap<&'static str, String> {
        let checks = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        checks.into_iter().filter_map(|(name, check)| Some((name, check().err()?))).collect()
    }
}

/// `GET /livez`, `/readyz` and `/metrics`. Serve it with [`crate::http::serve`].
pub fn router(readiness: Readiness) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(readiness)
}

async fn readyz(State(readiness): State<Readiness>) -> impl IntoResponse {
    let failures = readiness.failures();
    let status = if failures.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"ready": failures.is_empty(), "failures": failures})))
}

async fn metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], crate::metrics::render())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    async fn ask(readiness: &Readiness, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(readiness.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn it_is_ready_when_every_condition_is_met() {
        let readiness = Readiness::new();
        let caught_up = readiness.flag("projection");
        let (status, body) = ask(&readiness, "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body, r#"{"failures":{"projection":"not yet"},"ready":false}"#);
        caught_up.set(true);
        assert_eq!(ask(&readiness, "/readyz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn it_is_alive_even_when_it_is_not_ready() {
        let readiness = Readiness::new();
        readiness.check("log", || Err("unreachable".to_owned()));
        assert_eq!(ask(&readiness, "/livez").await, (StatusCode::OK, "alive".to_owned()));
    }

    #[tokio::test]
    async fn the_numbers_are_served() {
        crate::metrics::install();
        metrics::counter!("a_test_total").increment(1);
        assert!(ask(&Readiness::new(), "/metrics").await.1.contains("a_test_total"));
    }
}
