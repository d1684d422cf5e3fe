//! The contracts' own vectors, through the door.

use contracts::wire::verification::{Delivery, Verdict};
use serde_json::Value;

use crate::support::vendors::{self, header};
use crate::support::{World, accepted, said};

const VECTORS: &str = include_str!("../../../../libs/crms/tests/vectors.json");

/// The vectors of this kind whose path the connections here are registered with.
fn vectors(kind: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(VECTORS).expect("the vectors are JSON");
    all.into_iter().filter(|vector| vector["kind"] == kind && vector["method"] == "POST").collect()
}

fn text<'a>(vector: &'a Value, field: &str) -> &'a str {
    vector[field].as_str().unwrap_or_default()
}

fn delivery(vector: &Value, connection: &str) -> Delivery {
    let url = text(vector, "url");
    let path = &url[url.find("/v1/").expect("a path")..];
    let at = vector["timestamp"].as_i64().unwrap_or(crate::support::START.0);
    Delivery {
        connection: connection.to_owned(),
        method: "POST".to_owned(),
        path_and_query: path.to_owned(),
        headers: vec![
            header("x-hubspot-request-timestamp", at.to_string()),
            header("x-hubspot-signature-v3", text(vector, "signature")),
        ],
        body: text(vector, "body").as_bytes().to_vec(),
        received_at_ms: at,
        ..Delivery::default()
    }
}

#[tokio::test]
async fn every_hubspot_v3_vector_is_believed() {
    let world = World::new().await;
    let vectors = vectors("hubspot-v3");
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let answer = world.accept(delivery(&vector, "hubspot-main")).await;
        assert_eq!(answer.verdict(), Verdict::Accepted, "{}", vector["name"]);
    }
}

#[tokio::test]
async fn older_hubspot_signatures_are_never_believed() {
    let world = World::new().await;
    for kind in ["hubspot-v1", "hubspot-v2"] {
        for vector in vectors(kind) {
            let mut delivery = delivery(&vector, "hubspot-main");
            delivery.headers = vec![header("x-hubspot-signature", text(&vector, "signature"))];
            let answer = world.accept(delivery).await;
            assert_eq!((answer.verdict(), answer.refusal.as_str()), (Verdict::Refused, "signature_missing"));
        }
    }
}

#[tokio::test]
async fn every_vector_signed_in_the_query_is_believed() {
    let world = World::new().await;
    let vectors = vectors("query-hmac");
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let answer = world.accept(delivery(&vector, "pandadoc-sales")).await;
        assert_eq!(answer.verdict(), Verdict::Accepted, "{}", vector["name"]);
    }
}

#[tokio::test]
async fn the_atlas_vector_is_believed_and_one_changed_byte_is_not() {
    let world = World::new().await;
    let body = br#"{"event":"envelope.sent","envelope_id":"6f1d2c3b-4a5e-4f60-8b7a-9c0d1e2f3a4b"}"#;
    let mut delivery = vendors::atlas(body);
    let of_the_contract = "sha256=af4f99e0a2ab966fceb869c7368d0ee06ac653335d986841138f88c966f589a4";
    assert_eq!(delivery.headers, [header("x-atlas-signature", of_the_contract)]);
    assert_eq!(said(&world.accept(delivery.clone()).await), accepted(1, 0));
    delivery.body.push(b'\n');
    let answer = world.accept(delivery).await;
    assert_eq!((answer.verdict(), answer.refusal.as_str()), (Verdict::Refused, "signature_wrong"));
}
