//! Who may be believed: the published vectors, ours, and what must be refused.

use crate::vectors::{Vector, all};
use crms::WebhookSettings;
use domain::intake::{RawDelivery, Refusal};
use domain::time::Timestamp;
use serde_json::Value;

fn set(delivery: &mut RawDelivery, name: &str, value: &str) {
    delivery.headers.retain(|(known, _)| known != name);
    delivery.headers.push((name.to_owned(), value.as_bytes().to_vec()));
}

#[test]
fn every_vector_of_version_3_verifies_with_the_key_that_signed_it() {
    let vectors: Vec<_> = all().into_iter().filter(|vector| vector.kind == "hubspot-v3").collect();
    assert_eq!(vectors.len(), 6);
    for vector in vectors {
        assert_eq!(vector.judge(&vector.delivery(), vector.at()), Ok(1), "{}", vector.name);
    }
}

#[test]
fn the_published_vectors_verify() {
    for (timestamp, signature) in [
        (1_693_657_560_000_i64, "K36dawei4A+QBNolUOqo7s91KQDWQ5MXZ/QufNYuk/Y="),
        (1_700_000_300_000, "RnbPH7+UMKVkbV32P8bz450N4M56aPmcru1+D3kSDtw="),
    ] {
        let vector = Vector {
            secret: "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy".into(),
            url: "https://www.example.com/webhook_uri".into(),
            timestamp: timestamp.into(),
            body: "{'example_field':'example_value'}".into(),
            signature: signature.into(),
            ..Vector::named("HS3-1")
        };
        assert_eq!(vector.judge(&vector.delivery(), timestamp), Ok(1));
    }
}

#[test]
fn the_window_is_five_minutes_to_both_sides_and_its_edge_belongs_to_it() {
    let vector = Vector::named("HS3-1");
    for (offset, expected) in [
        (300_000, Ok(1)),
        (-300_000, Ok(1)),
        (300_001, Err(Refusal::TimestampOutOfWindow)),
        (-300_001, Err(Refusal::TimestampOutOfWindow)),
    ] {
        assert_eq!(vector.judge(&vector.delivery(), vector.at() + offset), expected, "{offset}");
    }
}

#[test]
fn a_changed_byte_anywhere_in_the_body_is_refused() {
    let vector = Vector::named("HS3-1");
    for place in 0..vector.body.len() {
        let mut delivery = vector.delivery();
        delivery.body[place] ^= 1;
        assert_eq!(vector.judge(&delivery, vector.at()), Err(Refusal::SignatureWrong), "{place}");
    }
}

#[test]
fn another_scheme_method_secret_query_or_time_is_refused() {
    let vector = Vector::named("HS3-1");
    let wrong = Err(Refusal::SignatureWrong);

    let plain = Vector { url: vector.url.replace("https:", "http:"), ..vector.clone() };
    assert_eq!(plain.judge(&plain.delivery(), vector.at()), wrong);
    let other_secret = Vector { secret: "c0ffee00-1111-4222-8333-444455556667".into(), ..vector.clone() };
    assert_eq!(other_secret.judge(&vector.delivery(), vector.at()), wrong);

    let mut delivery = vector.delivery();
    delivery.method = "PUT".into();
    assert_eq!(vector.judge(&delivery, vector.at()), wrong);
    let mut delivery = vector.delivery();
    delivery.path_and_query.push_str("?a=b");
    assert_eq!(vector.judge(&delivery, vector.at()), wrong);
    let mut delivery = vector.delivery();
    set(&mut delivery, "x-hubspot-request-timestamp", &(vector.at() + 1).to_string());
    assert_eq!(vector.judge(&delivery, vector.at()), wrong);
}

#[test]
fn a_body_that_was_parsed_and_printed_again_is_refused() {
    let vector = Vector::named("HS3-5");
    let mut delivery = vector.delivery();
    let parsed: Value = serde_json::from_slice(&delivery.body).unwrap();
    delivery.body = parsed.to_string().into_bytes();
    assert_eq!(vector.judge(&delivery, vector.at()), Err(Refusal::SignatureWrong));
}

#[test]
fn a_signature_of_another_form_is_refused() {
    let vector = Vector::named("HS3-1");
    let header = "x-hubspot-signature-v3";
    for (value, expected) in [
        (vector.signature.replace('+', "-").replace('/', "_"), Refusal::SignatureMalformed),
        (vector.signature.trim_end_matches('=').to_owned(), Refusal::SignatureMalformed),
        (format!(" {}", vector.signature), Refusal::SignatureMalformed),
        (String::new(), Refusal::SignatureMalformed),
    ] {
        let mut delivery = vector.delivery();
        set(&mut delivery, header, &value);
        assert_eq!(vector.judge(&delivery, vector.at()), Err(expected), "{value}");
    }
    let mut missing = vector.delivery();
    missing.headers.retain(|(name, _)| name != header);
    assert_eq!(vector.judge(&missing, vector.at()), Err(Refusal::SignatureMissing));
    let mut twice = vector.delivery();
    twice.headers.push((header.into(), vector.signature.clone().into_bytes()));
    assert_eq!(vector.judge(&twice, vector.at()), Err(Refusal::SignatureRepeated));
}

#[test]
fn a_timestamp_of_another_form_is_refused() {
    let vector = Vector::named("HS3-1");
    let header = "x-hubspot-request-timestamp";
    for (value, expected) in [
        ("abc", Refusal::TimestampMalformed),
        ("", Refusal::TimestampMalformed),
        ("+1767225600000", Refusal::TimestampMalformed),
        ("-1", Refusal::TimestampMalformed),
        (" 1767225600000", Refusal::TimestampMalformed),
        ("99999999999999999999999999", Refusal::TimestampMalformed),
        ("1767225600", Refusal::TimestampOutOfWindow),
    ] {
        let mut delivery = vector.delivery();
        set(&mut delivery, header, value);
        assert_eq!(vector.judge(&delivery, vector.at()), Err(expected), "{value:?}");
    }
    let mut missing = vector.delivery();
    missing.headers.retain(|(name, _)| name != header);
    assert_eq!(vector.judge(&missing, vector.at()), Err(Refusal::TimestampMalformed));
    let mut twice = vector.delivery();
    twice.headers.push((header.into(), vector.at().to_string().into_bytes()));
    assert_eq!(vector.judge(&twice, vector.at()), Err(Refusal::TimestampMalformed));
}

#[test]
fn a_right_version_1_signature_saves_no_wrong_or_missing_version_3() {
    let vector = Vector::named("HS3-1");
    let mut delivery = vector.delivery();
    set(&mut delivery, "x-hubspot-signature-version", "v1");
    set(&mut delivery, "x-hubspot-signature", &Vector::named("HS1-1").signature);
    set(&mut delivery, "x-hubspot-signature-v3", &Vector::named("HS3-2").signature);
    assert_eq!(vector.judge(&delivery, vector.at()), Err(Refusal::SignatureWrong));
    delivery.headers.retain(|(name, _)| name != "x-hubspot-signature-v3");
    assert_eq!(vector.judge(&delivery, vector.at()), Err(Refusal::SignatureMissing));
}

#[test]
fn only_the_registered_path_or_our_own_for_the_connection_is_believed() {
    let vector = Vector::named("HS3-1");
    let mut delivery = vector.delivery();
    for (path, expected) in [
        ("/v1/hooks/hubspot-main", Ok(1)),
        ("/v1/hooks/hubspot-other", Err(Refusal::PathWrong)),
        ("/v1/triggers/hubspot/", Err(Refusal::PathWrong)),
        ("/", Err(Refusal::PathWrong)),
    ] {
        delivery.path_and_query = path.to_owned();
        assert_eq!(vector.judge(&delivery, vector.at()), expected, "{path}");
    }
}

#[test]
fn without_keys_nothing_verifies() {
    let vector = Vector::named("HS3-1");
    let verdict = vector.scheme().verify(&vector.delivery(), &[], Timestamp(vector.at()));
    assert_eq!(verdict, Err(Refusal::SignatureWrong));
}

#[test]
fn a_scheme_without_its_public_address_is_refused() {
    let settings = WebhookSettings {
        connection: "hubspot-main".parse().unwrap(),
        webhook_url: None,
        account: None,
        options: serde_json::Map::new(),
    };
    assert!(crms::scheme("hubspot", settings.clone()).is_err());
    assert!(crms::scheme("nobody", settings).is_err());
}
