//! Not believed, not known, too large: the sender is told what and why, and what could not be proved is kept.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::vendors::{Door, atlas_signature};

const BODY: &[u8] = br#"{"event":"envelope.sent","envelope_id":"4b1f0f0e-1111-4a5c-9f00-000000000001"}"#;

async fn unauthorized(response: Response) -> Result<()> {
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.text().await?, "", "a stranger learns nothing");
    Ok(())
}

fn refusals(connection: &str, reason: &str) -> String {
    format!(r#"verification_refused_total{{connection="{connection}",reason="{reason}"}}"#)
}

fn replies(reply: &str) -> String {
    format!(r#"ingress_deliveries_total{{reply="{reply}"}}"#)
}

#[tokio::test]
async fn a_signature_that_is_missing_doubled_odd_or_wrong_is_refused_and_kept_in_quarantine() -> Result<()> {
    let door = Door::open().await?;
    let (name, good) = ("x-atlas-signature", atlas_signature(BODY));
    let wrong = format!("sha256={}", "0".repeat(64));
    unauthorized(door.post("atlas-main", BODY, &[]).await?).await?;
    unauthorized(door.post("atlas-main", BODY, &[(name, &good), (name, &good)]).await?).await?;
    unauthorized(door.post("atlas-main", BODY, &[(name, "sha256=zz")]).await?).await?;
    unauthorized(door.post("atlas-main", BODY, &[(name, &wrong)]).await?).await?;

    let line = door.ledger("atlas-main", 4).await?;
    assert_eq!((line.accepted, line.quarantined), (0, 4), "{line:?}");
    let kept = door.quarantine("atlas-main").await?;
    for reason in ["signature_missing", "signature_repeated", "signature_malformed", "signature_wrong"] {
        assert_eq!(door.metric(&refusals("atlas-main", reason)).await?, 1.0, "{reason}");
        let content = kept.get(reason).and_then(|kept| kept.content.as_ref());
        assert_eq!(content.with_context(|| format!("{reason} is not kept"))?.body, BODY);
    }
    assert_eq!(door.metric(&replies("refused")).await?, 4.0);
    door.close().await
}

#[tokio::test]
async fn an_empty_body_without_a_signature_is_refused() -> Result<()> {
    let door = Door::open().await?;
    for connection in ["atlas-main", "pandadoc-sales", "hubspot-main"] {
        unauthorized(door.post(connection, b"", &[]).await?).await?;
        assert_eq!(door.ledger(connection, 1).await?.quarantined, 1);
        assert_eq!(door.metric(&refusals(connection, "signature_missing")).await?, 1.0);
    }
    door.close().await
}

#[tokio::test]
async fn the_second_of_two_signatures_in_a_query_is_not_believed_either() -> Result<()> {
    let door = Door::open().await?;
    unauthorized(door.post("pandadoc-sales?signature=00&signature=11", BODY, &[]).await?).await?;
    assert_eq!(door.metric(&refusals("pandadoc-sales", "signature_repeated")).await?, 1.0);
    door.close().await
}

#[tokio::test]
async fn a_signed_time_outside_the_window_is_refused() -> Result<()> {
    let door = Door::open().await?;
    unauthorized(door.hubspot(b"[]", Duration::from_secs(301)).await?).await?;
    assert_eq!(door.metric(&refusals("hubspot-main", "timestamp_out_of_window")).await?, 1.0);
    assert_eq!(door.ledger("hubspot-main", 1).await?.quarantined, 1);
    door.close().await
}

#[tokio::test]
async fn a_body_of_two_mebibytes_is_told_the_limit() -> Result<()> {
    let door = Door::open().await?;
    let body = vec![b'x'; 2 * 1024 * 1024];
    let response = door.atlas(&body).await?;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    explained(response, "CS-IN-002", "1048576 bytes").await?;
    assert_eq!(door.metric(&replies("too_large")).await?, 1.0);
    door.close().await
}

#[tokio::test]
async fn an_endless_body_without_a_length_is_told_the_limit_too() -> Result<()> {
    let door = Door::open().await?;
    let pieces = futures::stream::iter((0..64).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 32 * 1024])));
    let request = door.http.post(door.hook("atlas-main")?).body(reqwest::Body::wrap_stream(pieces));
    assert_eq!(request.send().await?.status(), StatusCode::PAYLOAD_TOO_LARGE);
    door.close().await
}

#[tokio::test]
async fn a_connection_nobody_configured_is_named_as_the_mistake() -> Result<()> {
    let door = Door::open().await?;
    for unknown in ["nobody", "%00", "..%2f..%2fetc", &"a".repeat(300)] {
        let response = door.post(unknown, BODY, &[]).await?;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{unknown}");
        explained(response, "CS-IN-001", "no such connection").await?;
    }
    assert_eq!(door.metric(&replies("unknown_connection")).await?, 4.0);
    door.close().await
}

#[tokio::test]
async fn what_is_no_delivery_is_refused_by_its_method_or_its_path() -> Result<()> {
    let door = Door::open().await?;
    let hook = door.hook("atlas-main")?;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let response = door.http.request(method, &hook).send().await?;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    assert_eq!(door.http.post(format!("{hook}/more")).send().await?.status(), StatusCode::NOT_FOUND);
    door.close().await
}

#[tokio::test]
async fn bytes_that_are_no_http_and_bodies_that_break_off_harm_nobody() -> Result<()> {
    let door = Door::open().await?;
    let address = door.process.address("ingress")?.trim_start_matches("http://").to_owned();
    let half =
        b"POST /v1/hooks/atlas-main HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{\"event\"".as_slice();
    for bytes in [b"\x16\x03\x01\x02\x00\x01\x00".as_slice(), b"\0\0\0\0\r\n\r\n", half] {
        let mut stream = TcpStream::connect(&address).await?;
        stream.write_all(bytes).await?;
        stream.shutdown().await?;
        let mut answer = Vec::new();
        // Whatever it answers, it answers: the line is closed and nothing hangs.
        stream.read_to_end(&mut answer).await?;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    door.atlas(BODY).await?.error_for_status()?;
    assert_eq!(door.ledger("atlas-main", 1).await?.accepted, 1);
    door.close().await
}

async fn explained(response: Response, code: &str, words: &str) -> Result<()> {
    let said: Value = response.json().await?;
    assert_eq!(said["code"], code);
    let message = said["message"].as_str().context("no message")?;
    assert!(message.contains(words), "{message}");
    Ok(())
}
