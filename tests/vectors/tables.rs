//! The vectors as they are written down, and the count of them.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// A vector of `vectors.json`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Vector {
    pub kind: String,
    pub name: String,
    pub method: String,
    pub url: String,
    pub timestamp: i64,
    pub body: String,
    pub signature: String,
}

impl Vector {
    /// The start of its name: `HS3-1`.
    pub fn short(&self) -> &str {
        self.name.split(' ').next().unwrap_or_default()
    }

    /// The query of its address, with the question mark.
    pub fn query(&self) -> String {
        self.url.find('?').map(|start| self.url[start..].to_owned()).unwrap_or_default()
    }
}

/// A vector of the contracts' texts.
#[derive(Clone, Debug, Deserialize)]
pub struct Text {
    pub kind: String,
    pub name: String,
    pub key: String,
    body_base64: String,
    pub digest: String,
}

impl Text {
    pub fn body(&self) -> Vec<u8> {
        STANDARD.decode(&self.body_base64).expect("the table holds base64")
    }
}

/// The vectors of one kind in `vectors.json`.
pub fn vectors(kind: &str) -> Vec<Vector> {
    let all: Vec<Value> =
        serde_json::from_str(include_str!("../../libs/crms/tests/vectors.json")).expect("JSON");
    let read = |value| serde_json::from_value::<Vector>(value).expect("a vector");
    all.into_iter().map(read).filter(|vector| vector.kind == kind).collect()
}

/// One vector of `vectors.json` by the start of its name.
pub fn vector(kind: &str, short: &str) -> Vector {
    vectors(kind).into_iter().find(|vector| vector.short() == short).expect("it is in vectors.json")
}

/// The vectors of one contract's text.
pub fn texts(kind: &str) -> Vec<Text> {
    let all: Vec<Text> = serde_json::from_str(include_str!("texts.json")).expect("JSON");
    all.into_iter().filter(|text| text.kind == kind).collect()
}

/// One vector of a text by its name.
pub fn text(name: &str) -> Text {
    let all: Vec<Text> = serde_json::from_str(include_str!("texts.json")).expect("JSON");
    all.into_iter().find(|text| text.name == name).expect("it is in texts.json")
}

/// The kinds that a room of this house posts, each with how many there are.
const POSTED: [(&str, usize); 4] =
    [("hubspot-v3", 6), ("hubspot-v1", 1), ("hubspot-v2", 1), ("query-hmac", 3)];

/// Nothing receives these here: the first two are what we will sign ourselves, the last is a call we will make.
/// They are checked as arithmetic in `libs/signatures/tests/vectors.rs` until their rooms are built.
const NOT_RECEIVED: [(&str, usize); 3] =
    [("standard-webhooks", 5), ("standard-webhooks-ed25519", 1), ("sf-jwt", 1)];

#[test]
fn no_vector_is_left_out() {
    let text = include_str!("../../libs/crms/tests/vectors.json");
    let all: Vec<Value> = serde_json::from_str(text).expect("JSON");
    let known = || POSTED.iter().chain(&NOT_RECEIVED);
    for vector in &all {
        let kind = vector["kind"].as_str().expect("a kind");
        assert!(known().any(|(known, _)| *known == kind), "nobody posts {}", vector["name"]);
    }
    for (kind, count) in known() {
        let found = all.iter().filter(|vector| vector["kind"] == *kind).count();
        assert_eq!(found, *count, "{kind}: every vector needs its case here");
    }
    let copy = include_str!("../../libs/signatures/tests/vectors.json");
    assert_eq!(text, copy, "the two copies of the contract's vectors differ");
    let names: BTreeSet<String> =
        ["atlas", "pandadoc"].iter().flat_map(|kind| texts(kind)).map(|text| text.name).collect();
    let expected = ["A1", "A2", "A3", "A4", "A5", "A6", "P1", "P2", "P3", "P4", "P5"];
    assert!(names.iter().map(String::as_str).eq(expected), "{names:?}: every vector needs its case here");
}
