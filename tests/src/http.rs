//! A plain HTTP client, and the numbers a process shows on its admin port.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Longest wait for an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// A client that waits at most 20 seconds for an answer and follows no redirect.
///
/// # Panics
/// When the client cannot be made: a mistake of the test.
pub fn client() -> reqwest::Client {
    // The second test of a process finds it installed already.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder =
        reqwest::Client::builder().timeout(ANSWER_DEADLINE).redirect(reqwest::redirect::Policy::none());
    builder.build().expect("a client without special wishes can be made")
}

/// `GET` of a JSON document.
///
/// # Errors
/// When there is no answer, or it is no success, or no JSON.
pub async fn get(client: &reqwest::Client, url: &str) -> Result<Value> {
    json(client.get(url).send().await?, url).await
}

/// `POST` of a JSON document; the answer as JSON, null when it is empty.
///
/// # Errors
/// When there is no answer, or it is no success, or no JSON.
pub async fn post(client: &reqwest::Client, url: &str, body: &Value) -> Result<Value> {
    json(client.post(url).json(body).send().await?, url).await
}

async fn json(response: reqwest::Response, url: &str) -> Result<Value> {
    let (status, text) = (response.status(), response.text().await?);
    ensure!(status.is_success(), "{url} answered {status}: {text}");
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).with_context(|| format!("{url} answered no JSON"))
}

/// The value of one line of `/metrics`: `series` is the name with its labels in full, for example
/// `a_total{reason="b"}`. Zero when there is no such line.
///
/// # Errors
/// When the admin port does not answer.
pub async fn metric(client: &reqwest::Client, admin: &str, series: &str) -> Result<f64> {
    let text = client.get(format!("{admin}/metrics")).send().await?.text().await?;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map_or(Ok(0.0), |value| value.parse().context("a metric is not a number"))
}
