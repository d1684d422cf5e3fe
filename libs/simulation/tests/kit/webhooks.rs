//! Deliveries: retried with identical bytes, disturbed as ordered, written down.

use serde_json::json;
use simulation::Receiver;
use simulation::webhooks::DeliveryState;

use super::{Stand, bodies, until};

#[tokio::test]
async fn a_refused_webhook_is_retried_with_identical_bytes_until_it_is_taken() {
    let (stand, receiver) = (Stand::open().await, Receiver::start([500, 503]).await.unwrap());
    stand.tell(&receiver, "a", "once");
    let received = until(&receiver, 3).await;
    assert!(received.iter().all(|one| one.body == received[0].body));
    let attempts: Vec<_> = received.iter().map(|one| one.headers["x-attempt"].to_str().unwrap()).collect();
    assert_eq!(attempts, ["1", "2", "3"]);
}

#[tokio::test]
async fn after_the_last_retry_a_webhook_has_failed() {
    let (stand, receiver) = (Stand::open().await, Receiver::start([500; 9]).await.unwrap());
    stand.tell(&receiver, "a", "lost");
    until(&receiver, 3).await;
    let failed = || stand.kit.webhooks().deliveries()[0].state == DeliveryState::Failed;
    let waiting = async {
        while !failed() {
            tokio::task::yield_now().await
        }
    };
    tokio::time::timeout(super::PATIENCE, waiting).await.expect("the delivery is given up");
    let record = stand.kit.webhooks().deliveries().remove(0);
    assert_eq!((record.attempts.len(), record.next_try), (3, None));
    assert!(record.attempts.iter().all(|attempt| attempt.headers[0].1 == "***"));
}

#[tokio::test]
async fn messages_of_one_lane_arrive_in_order() {
    let (stand, receiver) = (Stand::open().await, Receiver::start([]).await.unwrap());
    let texts: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    texts.iter().for_each(|text| stand.tell(&receiver, "a", text));
    assert_eq!(bodies(&until(&receiver, 50).await), texts);
}

#[tokio::test]
async fn held_messages_are_released_in_the_order_and_as_often_as_asked() {
    let (stand, receiver) = (Stand::open().await, Receiver::start([]).await.unwrap());
    stand.order("/__sim/webhooks", json!({"mode": "hold"})).await;
    ["a", "b", "c"].iter().for_each(|text| stand.tell(&receiver, "lane", text));
    let answer = stand.order("/__sim/webhooks/flush", json!({"permute": [2, 0, 2]})).await;
    assert_eq!(answer.json::<serde_json::Value>().unwrap(), json!({"released": 4}));
    assert_eq!(bodies(&receiver.received()), ["c", "a", "c", "b"]);
}

#[tokio::test]
async fn messages_are_doubled_reordered_and_dropped_as_ordered() {
    let (stand, receiver) = (Stand::open().await, Receiver::start([]).await.unwrap());
    stand.order("/__sim/webhooks", json!({"mode": "drop"})).await;
    stand.tell(&receiver, "a", "never");
    stand.order("/__sim/webhooks", json!({"mode": "duplicate", "n": 2})).await;
    stand.tell(&receiver, "a", "twice");
    assert_eq!(bodies(&until(&receiver, 2).await), ["twice", "twice"]);
    stand.order("/__sim/webhooks", json!({"mode": "reorder", "n": 2})).await;
    stand.tell(&receiver, "a", "first");
    stand.tell(&receiver, "a", "second");
    assert_eq!(bodies(&until(&receiver, 4).await)[2..], ["second", "first"]);
    assert_eq!(stand.kit.webhooks().deliveries()[0].state, DeliveryState::Dropped);
}

#[tokio::test]
async fn signatures_are_spoilt_only_when_ordered() {
    let (stand, receiver) = (Stand::open().await, Receiver::start([]).await.unwrap());
    for (count, signature) in [(1, "none"), (2, "corrupt"), (3, "wrong_key")] {
        stand.order("/__sim/webhooks", json!({"signature": signature})).await;
        stand.tell(&receiver, "a", signature);
        until(&receiver, count).await;
    }
    let received = receiver.received();
    let header = |index: usize, name: &str| received[index].headers[name].to_str().unwrap().to_owned();
    assert_eq!((header(0, "x-signature"), header(0, "x-key")), ("07".repeat(32), "key".to_owned()));
    assert_ne!(header(1, "x-signature"), header(0, "x-signature"));
    assert_ne!(header(2, "x-key"), "key");
}
