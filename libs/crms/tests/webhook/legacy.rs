//! Signatures without a timestamp: believed only where somebody asked for it, and never beside a newer one that fails.

use crate::vectors::{Vector, all, key, scheme};
use domain::intake::{RawDelivery, Refusal};
use domain::time::Timestamp;
use serde_json::{Value, json};

fn vector(kind: &str) -> Vector {
    all().into_iter().find(|vector| vector.kind == kind).unwrap()
}

fn delivery(vector: &Vector, version: &str) -> RawDelivery {
    let (_, path) = vector.url.split_once("hooks.esign.test").unwrap();
    RawDelivery {
        connection: "hubspot-main".parse().unwrap(),
        method: vector.method.clone(),
        path_and_query: path.to_owned(),
        headers: vec![
            ("x-hubspot-signature-version".to_owned(), version.as_bytes().to_vec()),
            ("x-hubspot-signature".to_owned(), vector.signature.clone().into_bytes()),
        ],
        body: vector.body.clone().into_bytes(),
        received_at: Timestamp(0),
    }
}

fn judged(vector: &Vector, delivery: &RawDelivery, options: Value) -> Result<usize, Refusal> {
    let keys = [key("c0", "another-secret"), key("c1", &vector.secret)];
    scheme(&vector.url, None, options).verify(delivery, &keys, Timestamp(0))
}

#[test]
fn an_older_signature_is_believed_only_where_its_own_version_is_allowed() {
    for (kind, version, allow, other) in [
        ("hubspot-v1", "v1", "allow_legacy_v1", "allow_legacy_v2"),
        ("hubspot-v2", "v2", "allow_legacy_v2", "allow_legacy_v1"),
    ] {
        let vector = vector(kind);
        let delivery = delivery(&vector, version);
        let judge = |options| judged(&vector, &delivery, options);
        assert_eq!(judge(json!({allow: true})), Ok(1), "{kind}");
        assert_eq!(judge(json!({allow: true, other: true})), Ok(1), "{kind}");
        for options in [json!({}), json!({allow: false}), json!({other: true})] {
            assert_eq!(judge(options), Err(Refusal::SignatureMissing), "{kind}");
        }
    }
}

#[test]
fn the_published_vectors_of_version_2_verify() {
    for (method, body, signature) in [
        ("GET", "", "eee2dddcc73c94d699f5e395f4b9d454a069a6855fbfa152e91e88823087200e"),
        (
            "POST",
            r#"{"example_field":"example_value"}"#,
            "9569219f8ba981ffa6f6f16aa0f48637d35d728c7e4d93d0d52efaa512af7900",
        ),
    ] {
        let vector = Vector {
            secret: "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy".to_owned(),
            method: method.to_owned(),
            url: "https://www.example.com/webhook_uri".to_owned(),
            body: body.to_owned(),
            signature: signature.to_owned(),
            ..vector("hubspot-v2")
        };
        let delivery = RawDelivery {
            path_and_query: "/webhook_uri".to_owned(),
            ..delivery(&Vector { url: "https://hooks.esign.test/".to_owned(), ..vector.clone() }, "v2")
        };
        assert_eq!(judged(&vector, &delivery, json!({"allow_legacy_v2": true})), Ok(1), "{method}");
    }
}

#[test]
fn a_newer_signature_that_fails_is_never_saved_by_an_older_one() {
    let vector = vector("hubspot-v1");
    let mut delivery = delivery(&vector, "v1");
    delivery.headers.push(("x-hubspot-signature-v3".to_owned(), b"AAAA".to_vec()));
    let judged = judged(&vector, &delivery, json!({"allow_legacy_v1": true, "allow_legacy_v2": true}));
    assert_eq!(judged, Err(Refusal::SignatureMalformed));
}

#[test]
fn an_older_signature_is_held_to_bytes_method_version_and_path() {
    let vector = vector("hubspot-v2");
    let good = delivery(&vector, "v2");
    let options = || json!({"allow_legacy_v1": true, "allow_legacy_v2": true});
    let changed = |change: fn(&mut RawDelivery)| {
        let mut delivery = good.clone();
        change(&mut delivery);
        judged(&vector, &delivery, options())
    };
    assert_eq!(changed(|delivery| delivery.body[3] ^= 1), Err(Refusal::SignatureWrong));
    assert_eq!(changed(|delivery| delivery.method = "PUT".to_owned()), Err(Refusal::SignatureWrong));
    assert_eq!(changed(|delivery| delivery.headers[0].1 = b"v1".to_vec()), Err(Refusal::SignatureWrong));
    assert_eq!(changed(|delivery| delivery.headers[0].1 = b"v9".to_vec()), Err(Refusal::SignatureMissing));
    assert_eq!(changed(|delivery| delivery.headers.truncate(1)), Err(Refusal::SignatureMissing));
    assert_eq!(changed(|delivery| drop(delivery.headers.remove(0))), Err(Refusal::SignatureMalformed));
    assert_eq!(changed(|delivery| delivery.path_and_query = "/other".to_owned()), Err(Refusal::PathWrong));
    assert_eq!(
        changed(|delivery| delivery.headers.push(delivery.headers[1].clone())),
        Err(Refusal::SignatureRepeated)
    );
}

#[test]
fn a_narrower_window_refuses_what_is_older() {
    let vector = Vector::named("HS3-1");
    let judge = |seconds: i64| {
        let scheme = scheme(&vector.url, None, json!({"replay_window_seconds": 60}));
        scheme.verify(
            &vector.delivery(),
            &[key("c1", &vector.secret)],
            Timestamp(vector.at() + seconds * 1000),
        )
    };
    assert_eq!((judge(60), judge(-60)), (Ok(0), Ok(0)));
    assert_eq!(judge(61), Err(Refusal::TimestampOutOfWindow));
}

#[test]
fn what_is_allowed_but_weak_is_warned_of() {
    let said = |options: Value| crms::warnings("hubspot", options.as_object().unwrap());
    assert!(said(json!({})).is_empty());
    let said = said(json!({"allow_legacy_v1": true, "allow_legacy_v2": true}));
    assert!(said.len() == 2 && said[0].contains("allow_legacy_v1") && said[1].contains("allow_legacy_v2"));
}
