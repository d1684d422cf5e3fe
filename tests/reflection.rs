//! A gRPC client that we did not write finds its way by reflection and asks for an envelope of a Word document.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use serde_json::{Value, json};
use system_tests::condition::eventually;
use system_tests::http;
use system_tests::process::{Countersign, Options};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(30);
const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

#[tokio::test]
async fn a_stranger_lists_the_services_by_reflection() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let countersign = Countersign::up(&Options::embedded(directory.path())).await?;
    let listed = buf_curl(countersign.address("orchestrator")?, &["--list-services"], None).await?;
    ensure!(listed.contains("countersign.envelope.v1.EnvelopeService"), "it listed {listed}");
    ensure!(listed.contains("grpc.health.v1.Health"), "it listed {listed}");
    countersign.stop().await
}

#[tokio::test]
async fn a_stranger_has_a_word_document_made_an_envelope_and_asking_twice_makes_one() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let countersign = Countersign::up(&Options::embedded(directory.path())).await?;
    let (client, atlas) = (http::client(), countersign.address("atlas")?.to_owned());
    let docx = client.get(format!("{atlas}/files/order-7.docx")).send().await?.bytes().await?;
    let request = json!({
        "requestId": "a-strangers-request-1",
        "provider": "atlas-main",
        "title": "Order 7",
        "upload": {
            "fileName": "order-7.docx",
            "contentType": DOCX,
            "content": base64::engine::general_purpose::STANDARD.encode(&docx),
        },
        "parties": [{"role": "Customer", "name": "Dana Buyer", "email": "dana@buyer.test"}],
        "send": "SEND_POLICY_REVIEW",
    });
    let address = countersign.address("orchestrator")?;
    let first = call(address, "CreateEnvelope", &request).await?;
    let again = call(address, "CreateEnvelope", &request).await?;
    let id = first["envelope"]["envelopeId"].as_str().context("no envelope id")?;
    ensure!(again["envelope"]["envelopeId"] == id, "the second answer names another envelope");

    let ready = eventually("the envelope to be ready for review", DEADLINE, async || {
        let seen = call(address, "GetEnvelope", &json!({"envelopeId": id})).await?;
        Ok((seen["envelope"]["stage"] == "STAGE_IN_REVIEW").then_some(seen))
    })
    .await?;
    ensure!(ready["envelope"]["reviewUrl"].is_string(), "no review link");

    let made =
        http::get(&client, &format!("{atlas}/__sim/requests?method=POST&path_prefix=/api/envelope")).await?;
    let made = made.as_array().context("the journal is no list")?.len();
    ensure!(made == 1, "{made} envelopes were asked for at the provider");
    countersign.stop().await
}

#[tokio::test]
async fn a_bad_request_names_every_field_that_is_wrong() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let countersign = Countersign::up(&Options::embedded(directory.path())).await?;
    let request = json!({"requestId": "bad-1", "parties": [{"role": "x", "name": "", "email": "no"}]});
    let error = call(countersign.address("orchestrator")?, "CreateEnvelope", &request).await;
    let message = format!("{:#}", error.err().context("it was accepted")?);
    for field in ["provider", "parties[0].email", "document", "title"] {
        ensure!(message.contains(field), "the error does not name {field}: {message}");
    }
    countersign.stop().await
}

async fn call(address: &str, method: &str, request: &Value) -> Result<Value> {
    let path = format!("{address}/countersign.envelope.v1.EnvelopeService/{method}");
    let answer = buf_curl(&path, &["--data", "@-"], Some(request)).await?;
    serde_json::from_str(&answer).with_context(|| format!("{method} answered no JSON"))
}

async fn buf_curl(url: &str, arguments: &[&str], body: Option<&Value>) -> Result<String> {
    let mut command = Command::new(buf()?);
    command.args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"]).args(arguments).arg(url);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("no standard input")?;
    if let Some(body) = body {
        input.write_all(body.to_string().as_bytes()).await?;
    }
    drop(input);
    let output = tokio::time::timeout(DEADLINE, child.wait_with_output()).await??;
    ensure!(output.status.success(), "buf curl: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// The pinned `buf` that `./test --tools` fetches.
fn buf() -> Result<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let buf = workspace.parent().context("the tests lie in the workspace")?.join("target/tools/buf");
    ensure!(buf.exists(), "{} is missing: run `./test --tools`", buf.display());
    Ok(buf)
}
