//! A vendor without idempotency keys: what an earlier create left, and what is too young to be found.

use std::time::Duration;

use domain::retry::Retry;
use providers::pandadoc::simulator::Switches;
use providers::{Class, Provider};
use serde_json::json;

use super::{By, Office, order, ours, parties, template_source, url_source};

const DOCUMENTS: &str = "/public/v1/documents";

#[tokio::test]
async fn of_two_documents_of_one_envelope_the_older_counts_and_the_younger_draft_goes() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let older = office.draft(&adapter, 1).await;
    let younger = office.draft(&adapter, 1).await;
    let other = office.draft(&adapter, 2).await;
    let found = adapter.find(&ours(1), "20417").await.expect("an answer").expect("it is there");
    assert_eq!(found.provider_id, older);
    let left = office.read("/public/v1/documents").await.to_string();
    assert!(left.contains(other.as_str()) && !left.contains(younger.as_str()));
}

#[tokio::test]
async fn a_twin_that_somebody_has_sent_is_the_one_that_counts() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let older = office.draft(&adapter, 1).await;
    let younger = office.draft(&adapter, 1).await;
    adapter.send(&younger, &parties(), None, "no key").await.expect("sent");
    let found = adapter.find(&ours(1), "20417").await.expect("an answer").expect("it is there");
    assert_eq!(found.provider_id, younger);
    assert!(!office.read("/public/v1/documents").await.to_string().contains(older.as_str()));
}

/// What the list says from now on, whatever it is asked for.
async fn list_says(office: &Office, results: serde_json::Value) {
    office.spoil("GET", DOCUMENTS, json!({"status": 200, "body": {"results": results}})).await;
}

#[tokio::test]
async fn a_list_that_does_not_obey_its_filter_costs_nobody_a_document() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let strangers = [office.draft(&adapter, 2).await, office.draft(&adapter, 3).await];
    let everything = office.read(DOCUMENTS).await["results"].clone();
    list_says(&office, everything).await;
    assert_eq!(adapter.find(&ours(1), "20417").await, Ok(None), "none of them is ours");

    let wanted = office.draft(&adapter, 1).await;
    let everything = office.read(DOCUMENTS).await["results"].clone();
    list_says(&office, everything).await;
    let found = adapter.find(&ours(1), "20417").await.expect("an answer").expect("it is there");
    assert_eq!(found.provider_id, wanted);
    let left = office.read(DOCUMENTS).await.to_string();
    assert!(strangers.iter().all(|stranger| left.contains(stranger.as_str())), "{left}");
}

#[tokio::test]
async fn a_search_that_finds_too_many_to_look_into_does_not_say_that_there_is_none() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    let stranger = office.draft(&adapter, 2).await;
    list_says(&office, (0..11).map(|_| json!({"id": stranger.as_str()})).collect()).await;
    let unsure = adapter.find(&ours(1), "20417").await.expect_err("there may be one");
    assert_eq!((unsure.class, unsure.code.as_str()), (Class::Transient, "too_many_found"));
}

#[tokio::test]
async fn a_found_document_that_is_being_made_is_waited_for() {
    let office = Office::with(Switches { creation_delay_ms: 3_600_000, ..Switches::default() }, None).await;
    let adapter = office.adapter(By::Key);
    adapter.create(&order(1, url_source(&office)), "no key").await.expect("created");
    let waits = adapter.find(&ours(1), "20417").await.expect_err("it does not say yet whose it is");
    assert_eq!(waits.class, Class::NotReady);
}

#[tokio::test]
async fn a_create_of_unknown_outcome_is_not_searched_for_before_lists_have_caught_up() {
    let lagging = Switches { search_lag_ms: 60_000, ..Switches::default() };
    let office = Office::with(lagging, None).await;
    let adapter = super::Adapter::new(office.settings(By::Key, json!({}))).expect("an adapter");
    office.spoil("POST", "/public/v1/documents", json!("timeout_after_apply")).await;
    let lost = adapter.create(&order(1, url_source(&office)), "no key").await.expect_err("lost");
    let lag = adapter.capabilities().search_lag;
    assert_eq!((lost.class, lost.retry), (Class::OutcomeUnknown, Retry::After(lag)));
    assert!(lag >= Duration::from_secs(10));
    assert_eq!(adapter.find(&ours(1), "20417").await, Ok(None), "too early to find it");
}

#[tokio::test]
async fn a_document_is_too_young_rather_than_gone_right_after_it_was_made() {
    let office = Office::with(Switches { not_found_first_ms: 60_000, ..Switches::default() }, None).await;
    let adapter = office.adapter(By::Key);
    let id = adapter.create(&order(1, url_source(&office)), "no key").await.expect("created").provider_id;
    let seen = adapter.snapshot(&id).await.expect_err("not found yet");
    assert_eq!((seen.class, seen.http), (Class::NotReady, Some(404)));
    let sent = adapter.send(&id, &parties(), None, "no key").await.expect_err("not found yet");
    assert_eq!(sent.class, Class::NotReady);
    let stranger = "made-long-ago".parse().expect("an id");
    assert_eq!(adapter.snapshot(&stranger).await.expect_err("unknown").class, Class::NotFound);
}

#[tokio::test]
async fn a_prefill_fills_variables_and_fields() {
    let office = Office::open().await;
    let adapter = office.adapter(By::Key);
    adapter.create(&order(1, template_source()), "no key").await.expect("created");
    let asked = office.get("/__sim/requests?method=POST&path_prefix=/public/v1/documents").await;
    let body: serde_json::Value =
        serde_json::from_str(asked[0]["body"].as_str().expect("a body")).expect("JSON");
    assert_eq!(body["tokens"], json!([{"name": "Client.Company", "value": "Buyer GmbH"}]));
    assert_eq!(body["fields"], json!({"PO.Number": {"value": "PO-8812"}}));
    assert_eq!(
        (&body["recipients"][1]["role"], &body["recipients"][1]["signing_order"]),
        (&json!("Sender"), &json!(2))
    );
}
