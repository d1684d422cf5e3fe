//! Logs are for operators, and operators change, copy and post them: so no log line of any journey holds an
//! e-mail address, a person's name, a key, a token, a body, or a link to review or to sign.
//!
//! Every journey is played with our crates at the level debug; then everything the simulators ever saw or sent is
//! searched for in what the process printed.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use countersign::journeys::{ALL, Addresses, Stage};
use serde_json::Value;
use system_tests::http::{client, get};
use system_tests::process::{Countersign, Options};
use testkit::nats::{NatsOptions, NatsServer};

/// Our crates talk as much as they can about operation; the crates below them as in production.
const FILTER: &str = "info,countersign=debug,ingress=debug,verification=debug,envelope_orchestrator=debug,\
    crm_sync=debug,event_log=debug,projection=debug,outbound=debug,providers=debug,crms=debug,runtime=debug,\
    simulation=debug,contracts=debug,signatures=debug,domain=debug,jobs=debug,ledger=debug";
/// Properties of deals and members of bodies that hold a person's name or address, or a link.
const PERSONAL: [&str; 13] = [
    "name",
    "email",
    "first_name",
    "last_name",
    "buyer_name",
    "buyer_email",
    "to",
    "sign_url",
    "review_url",
    "reason",
    "esign_review_url",
    "esign_reason",
    "shared_link",
];
/// Shorter texts are words, found in any log.
const TELLING_BYTES_MIN: usize = 8;
/// So much of a body's beginning and end is searched for.
const FRAGMENT_BYTES: usize = 40;

#[tokio::test]
async fn no_journey_on_the_embedded_log_leaves_anything_personal_or_secret_in_the_logs() -> Result<()> {
    let directory = tempfile::tempdir()?;
    the_logs_are_silent(Options::embedded(directory.path())).await
}

#[tokio::test]
async fn no_journey_on_jetstream_leaves_anything_personal_or_secret_in_the_logs() -> Result<()> {
    let (directory, server) = (tempfile::tempdir()?, NatsServer::start(NatsOptions::default()).await?);
    the_logs_are_silent(Options::on(&server, directory.path())).await
}

async fn the_logs_are_silent(mut options: Options) -> Result<()> {
    options.environment.push(("RUST_LOG".to_owned(), FILTER.to_owned()));
    let process = Countersign::up(&options).await?;
    let stage = Stage::new(serde_json::from_value::<Addresses>(process.ready.clone())?)?;
    for journey in ALL {
        journey.run(&stage).await.with_context(|| journey.name)?;
    }
    forge(&stage).await?;

    let secrets = secrets(&stage).await?;
    process.stop().await?;
    let log = std::fs::read_to_string(options.output())?;
    ensure!(log.contains("\"level\":\"DEBUG\""), "the log holds no debug lines: nothing is proven");
    for kind in ["@buyer.test", "sam@acme.test", "/sign/", "/review/", "atlas_live_", "{\""] {
        ensure!(
            secrets.iter().any(|secret| secret.contains(kind)),
            "nothing with {kind} to look for: nothing is proven"
        );
    }
    let told = secrets.iter().filter(|secret| log.contains(secret.as_str())).collect::<Vec<_>>();
    let lines = told.iter().filter_map(|secret| log.lines().find(|line| line.contains(secret.as_str())));
    ensure!(
        told.is_empty(),
        "in the logs: {told:?}\nfor example:\n{}",
        lines.take(5).collect::<Vec<_>>().join("\n")
    );
    Ok(())
}

/// Somebody knocks with a forged signature: refusals are logged as well.
async fn forge(stage: &Stage) -> Result<()> {
    let hook = format!("{}/v1/hooks/atlas-main", stage.addresses().ingress);
    let body = r#"{"event":"envelope.sent","name":"Mallory Forger","email":"mallory@forger.test"}"#;
    let answer = client().post(hook).header("x-atlas-signature", "sha256=00").body(body).send().await?;
    ensure!(answer.status() == 401, "a forged webhook was answered {}", answer.status());
    Ok(())
}

/// Everything that must not be in the logs.
async fn secrets(stage: &Stage) -> Result<BTreeSet<String>> {
    let (http, addresses) = (client(), stage.addresses());
    let mut found = BTreeSet::from(["Mallory Forger".to_owned(), "mallory@forger.test".to_owned()]);
    for key in std::fs::read_dir(addresses.data_dir.join("secrets"))? {
        found.insert(std::fs::read_to_string(key?.path())?.trim().to_owned());
    }
    for vendor in [&addresses.atlas, &addresses.pandadoc, &addresses.hubspot] {
        for list in ["deliveries", "requests"] {
            let entries = get(&http, &format!("{vendor}/__sim/{list}")).await?;
            for entry in entries.as_array().context("a list")? {
                body(entry["body"].as_str().unwrap_or_default(), &mut found);
            }
        }
    }
    for list in ["inbox", "envelopes"] {
        collect(&get(&http, &format!("{}/__sim/{list}", addresses.atlas)).await?, &mut found);
    }
    collect(&get(&http, &format!("{}/__sim/deals", addresses.hubspot)).await?, &mut found);
    Ok(found)
}

/// The beginning and the end of a body, as it is and as a log would escape it, and what is personal in it.
fn body(text: &str, found: &mut BTreeSet<String>) {
    if let Ok(json) = serde_json::from_str::<Value>(text) {
        collect(&json, found);
    }
    let (Some(head), Some(tail)) =
        (text.get(..FRAGMENT_BYTES), text.get(text.len().saturating_sub(FRAGMENT_BYTES)..))
    else {
        return;
    };
    for fragment in [head, tail] {
        found.extend([fragment.to_owned(), fragment.replace('"', "\\\""), hex::encode(fragment)]);
    }
}

/// Names, addresses, links and tokens, wherever they stand.
fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                if let (true, Value::String(text)) = (PERSONAL.contains(&name.as_str()), value) {
                    keep(text, found);
                }
                collect(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::String(text) => {
            // An address or a token in a link gives itself away under any name.
            let token = text
                .split(['?', '&'])
                .skip(1)
                .find_map(|pair| pair.strip_prefix("rt=").or(pair.strip_prefix("t=")));
            token.into_iter().for_each(|token| keep(token, found));
            if text.contains('@') || text.contains("/sign/") || text.contains("/review/") {
                keep(text, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn keep(text: &str, found: &mut BTreeSet<String>) {
    if text.len() >= TELLING_BYTES_MIN {
        found.insert(text.to_owned());
    }
}
