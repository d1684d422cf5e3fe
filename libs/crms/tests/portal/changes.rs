//! What changed lately, and when a property did.

use crms::{IDS_MAX, LastChanges, Place, Wanted};
use domain::intake::Actor;
use domain::time::Timestamp;
use serde_json::json;

use crate::support::Portal;

fn asking(values: &[&str]) -> Wanted {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Wanted { object_type: "deal".into(), property: "dealstage".into(), values }
}

/// A portal whose index does not lag.
async fn prompt() -> Portal {
    let portal = Portal::start().await;
    portal.control("settings", json!({"search_lag_ms": 0, "searches_per_second_max": 100})).await;
    portal
}

#[tokio::test]
async fn only_records_in_a_wanted_stage_that_changed_since_are_listed_with_who_moved_them_and_when() {
    let portal = prompt().await;
    let waits = portal.deal(json!({"dealstage": "qualifiedtobuy"})).await;
    let moved = portal.deal(json!({"dealstage": "qualifiedtobuy"})).await;
    portal.edit(&moved, json!({"dealstage": "contractsent"})).await;
    // A later change of another property is none of the stage's.
    portal.edit(&moved, json!({"dealname": "Order 2"})).await;
    let crm = portal.crm();
    let listed = crm.changed_since(&asking(&["contractsent"]), &Place::since(Timestamp(0))).await.unwrap();
    assert_eq!((listed.ids.as_slice(), listed.next), ([moved.object_id.clone()].as_slice(), None));

    let newest = listed.newest.unwrap();
    let later = Place::since(Timestamp(newest.0 + 1));
    assert!(crm.changed_since(&asking(&[]), &later).await.unwrap().ids.is_empty());

    let ids = [moved.object_id.clone(), waits.object_id.clone(), "404".to_owned()];
    let LastChanges { found: changes, failed } = crm.last_changes("deal", "dealstage", &ids).await.unwrap();
    assert_eq!((changes.len(), failed.len()), (2, 0), "one is nobody's");
    let change = changes.iter().find(|change| change.object_id == moved.object_id).unwrap();
    assert_eq!((change.value.reveal(), change.actor), (Some("contractsent"), Actor::Human));
    assert!(change.changed_at <= newest);
    assert_eq!(portal.history(&moved, "dealstage").await.len(), 2);
}

#[tokio::test]
async fn a_list_longer_than_a_page_is_walked_to_its_end_and_misses_nothing() {
    let portal = prompt().await;
    let mut made = Vec::new();
    for _ in 0..IDS_MAX + 7 {
        made.push(portal.deal(json!({"dealstage": "contractsent"})).await.object_id);
    }
    let crm = portal.crm();
    let (mut place, mut seen) = (Some(Place::since(Timestamp(0))), Vec::new());
    while let Some(at) = place {
        let listed = crm.changed_since(&asking(&["contractsent"]), &at).await.unwrap();
        seen.extend(listed.ids);
        place = listed.next;
        assert!(seen.len() < 10 * IDS_MAX, "it never ends");
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, made);
}

#[tokio::test]
async fn only_the_event_of_a_changed_property_says_which_kind_of_record_can_be_asked_for() {
    let crm = Portal::start().await.crm();
    assert_eq!(crm.kind_changed_by("deal.propertyChange").as_deref(), Some("deal"));
    assert_eq!(crm.kind_changed_by("deal.creation"), None);
}
