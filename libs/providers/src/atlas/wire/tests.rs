use serde_json::json;

use super::*;

fn read(value: Value) -> Snapshot {
    snapshot(Dialect::First, &value, None).expect("a snapshot")
}

#[test]
fn the_first_generations_envelope_is_read_as_the_contract_shows_it() {
    let found = read(json!({
        "envelope_id": "6f1d", "status": "draft", "fields_status": "ready", "fields_version": 3,
        "parties": [{"email": "dana@buyer.test", "order": 1, "status": "waiting"}],
        "metadata": {"external_id": "20417"}, "signed_at": null, "sent_at": null,
    }));
    assert_eq!(found.claim, Claim::Draft);
    assert_eq!((found.detection, found.fields_version), (Some(Detection::Ready), Some(3)));
    assert_eq!((found.signed, found.total), (0, 1));
    assert_eq!(found.correlation.get("external_id").map(String::as_str), Some("20417"));
    assert_eq!(found.completed_at, None);
}

#[test]
fn the_second_generations_nested_envelope_means_the_same() {
    let found = read(json!({
        "envelope": {"id": "e9", "version": 14, "sentAt": "2026-01-01T00:00:00Z", "completedAt": null, "metadata": {"a": "b"}},
        "participants": [
            {"orderIndex": 0, "signedAt": "2026-01-01T00:00:01Z", "declinedAt": null},
            {"orderIndex": 1, "signedAt": null, "declinedAt": null}],
    }));
    assert_eq!(found.provider_id.as_str(), "e9");
    assert_eq!(found.claim, Claim::PartySigned);
    assert_eq!((found.signed, found.total, found.revision), (1, 2, Some(14)));
    let standings: Vec<_> = found.parties.iter().map(|party| (party.order, party.standing)).collect();
    assert_eq!(standings, [(1, Standing::Signed), (2, Standing::Waiting)]);
}

#[test]
fn every_status_word_of_both_vocabularies_has_its_claim() {
    let none = Count::default();
    let cases = [
        ("detecting", Claim::Processing),
        ("draft", Claim::Draft),
        ("review", Claim::Draft),
        ("pending", Claim::Sent),
        ("in_progress", Claim::Sent),
        ("signed", Claim::Completed),
        ("completed", Claim::Completed),
        ("declined", Claim::Declined { reason: None }),
        ("voided", Claim::Voided),
        ("expired", Claim::Expired),
        ("levitating", Claim::Hint),
    ];
    for (word, expected) in cases {
        assert_eq!(claim(Some(word), none, false, None), expected, "{word}");
    }
    assert_eq!(claim(Some("pending"), none, true, None), Claim::Viewed);
    assert_eq!(claim(Some("pending"), Count { signed: 1, total: 2 }, true, None), Claim::PartySigned);
    assert_eq!(claim(Some("pending"), Count { signed: 2, total: 2 }, true, None), Claim::Completed);
}

#[test]
fn the_light_status_call_is_asked_only_when_the_parties_do_not_tell() {
    let told = json!({"status": "pending", "parties": [{"status": "pending"}]});
    let untold = json!({"status": "pending", "parties": [{"email": "dana@buyer.test"}]});
    assert!(tells_progress(&told));
    assert!(tells_progress(&json!({"status": "draft", "parties": []})));
    assert!(!tells_progress(&untold));
    let mut untold = untold;
    untold["envelope_id"] = json!("e1");
    let progress = json!({"status": "pending", "signed_count": 1, "total": 2});
    let found = snapshot(Dialect::First, &untold, Some(&progress)).unwrap();
    assert_eq!((found.claim, found.signed, found.total), (Claim::PartySigned, 1, 2));
}

#[test]
fn a_party_of_whom_too_little_is_told_and_one_beyond_the_usual_number_have_not_signed() {
    let out = |parties: Vec<Value>| json!({"envelope_id": "e1", "status": "pending", "parties": parties});
    let strange = out(vec![json!({"status": "signed"}), json!({"status": "delegated"})]);
    assert!(!tells_progress(&strange), "the light status call knows more");
    let found = read(strange);
    assert_eq!((found.claim, found.signed, found.total), (Claim::PartySigned, 1, 2));

    let mut many = vec![json!({"status": "signed"}); 10];
    many.extend([json!({"status": "pending"}), json!({"status": "waiting"})]);
    let found = read(out(many.clone()));
    assert_eq!((found.claim, found.signed, found.total), (Claim::PartySigned, 10, 12));
    assert!(tells_progress(&out(many)));
}

#[test]
fn a_created_envelope_counts_as_sent_only_if_the_answer_says_so() {
    let answer =
        |status: Value| json!({"envelope_id": "e1", "review_url": "https://x/?rt=1", "status": status});
    assert!(!created(&answer(Value::Null)).unwrap().sent);
    assert!(!created(&answer(json!("draft"))).unwrap().sent);
    assert!(created(&answer(json!("pending"))).unwrap().sent);
    let legacy = json!({"success": true, "sign_url": "https://x", "envelope_id": "e1"});
    assert_eq!(created(&legacy).unwrap().review_link, None);
    assert_eq!(created(&json!({"success": true})), None);
}

#[test]
fn lists_are_read_in_every_shape_and_the_next_page_is_found() {
    let item = json!([{"envelope_id": "e1"}]);
    for list in [json!({"envelopes": item}), json!({"items": item, "nextCursor": null}), item.clone()] {
        let (items, next) = page(&list);
        assert_eq!((items.len(), next), (1, None));
    }
    assert_eq!(page(&json!({"items": item, "nextCursor": "c2"})).1, Some("c2"));
}

#[test]
fn the_second_generations_states_say_how_far_detection_is_and_which_version_a_send_names() {
    let read = |status: &str| {
        let answer = json!({
            "envelope": {"id": "e9", "status": status, "version": 7},
            "participants": [
                {"orderIndex": 0, "signedAt": null, "declinedAt": null},
                {"orderIndex": 1, "signedAt": null, "declinedAt": null}],
        });
        snapshot(Dialect::Second, &answer, None).expect("a snapshot")
    };
    for (word, claim, detection) in [
        ("draft", Claim::Processing, Detection::Pending),
        ("detecting", Claim::Processing, Detection::Pending),
        ("review", Claim::Draft, Detection::Ready),
        ("in_progress", Claim::Sent, Detection::Ready),
        ("completed", Claim::Completed, Detection::Ready),
        ("expired", Claim::Expired, Detection::Ready),
    ] {
        let found = read(word);
        assert_eq!((found.claim, found.detection), (claim, Some(detection)), "{word}");
        assert_eq!((found.fields_version, found.revision), (Some(7), Some(7)), "{word}");
    }
    let mut later =
        json!({"envelope": {"id": "e9", "status": "review", "scheduledSendAt": "2026-11-02T09:00:00Z"}});
    let claim = |answer: &Value| snapshot(Dialect::Second, answer, None).expect("a snapshot").claim;
    assert_eq!(claim(&later), Claim::Scheduled, "the vendor sends it by itself");
    later["envelope"]["status"] = json!("in_progress");
    assert_eq!(claim(&later), Claim::Sent);
    later["participants"] =
        json!([{"orderIndex": 0, "lastViewedAt": "2026-11-02T09:01:00Z", "signedAt": null}]);
    assert_eq!(claim(&later), Claim::Viewed);
    let standings: Vec<_> = read("in_progress").parties.iter().map(|party| party.standing).collect();
    assert_eq!(standings, [Standing::Pending, Standing::Waiting], "nobody signs beside others here");
    let resting: Vec<_> = read("review").parties.iter().map(|party| party.standing).collect();
    assert_eq!(resting, [Standing::Waiting, Standing::Waiting]);
}
