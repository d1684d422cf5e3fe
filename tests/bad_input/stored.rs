//! Proven but useless: answered 200, kept, counted, without effect.

use std::time::Duration;

use anyhow::Result;
use reqwest::{Response, StatusCode};
use serde_json::json;

use crate::vendors::Door;

async fn stored(response: Response) -> Result<()> {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.text().await?, "", "the vendors want an empty body");
    Ok(())
}

fn signals(connection: &str, outcome: &str) -> String {
    format!(r#"verification_signals_total{{connection="{connection}",outcome="{outcome}"}}"#)
}

#[tokio::test]
async fn a_proven_body_that_is_no_json_is_stored_and_counted_as_unreadable() -> Result<()> {
    let door = Door::open().await?;
    let broken = br#"{"event":"envelope.sent","envelope_id":"#;
    stored(door.atlas(broken).await?).await?;
    stored(door.pandadoc(broken).await?).await?;
    stored(door.hubspot(broken, Duration::ZERO).await?).await?;
    for connection in ["atlas-main", "pandadoc-sales", "hubspot-main"] {
        let line = door.ledger(connection, 1).await?;
        assert_eq!((line.accepted, line.unreadable), (1, 1), "{line:?}");
        assert_eq!(door.metric(&signals(connection, "unreadable")).await?, 1.0);
    }
    door.close().await
}

#[tokio::test]
async fn a_proven_empty_body_is_stored_once_and_a_repetition_is_a_duplicate() -> Result<()> {
    let door = Door::open().await?;
    stored(door.atlas(b"").await?).await?;
    stored(door.atlas(b"").await?).await?;
    let line = door.ledger("atlas-main", 2).await?;
    assert_eq!((line.accepted, line.duplicate, line.unreadable), (1, 1, 1), "{line:?}");
    assert_eq!(door.metric(&signals("atlas-main", "duplicate")).await?, 1.0);
    door.close().await
}

#[tokio::test]
async fn a_proven_empty_batch_is_answered_200_and_holds_no_signal() -> Result<()> {
    let door = Door::open().await?;
    stored(door.pandadoc(b"[]").await?).await?;
    stored(door.hubspot(b"[]", Duration::ZERO).await?).await?;
    // A signal that does count shows that the ledger has come this far.
    stored(door.pandadoc(b"[{}]").await?).await?;
    assert_eq!(door.ledger("pandadoc-sales", 1).await?.accepted, 1);
    door.close().await
}

#[tokio::test]
async fn an_event_nobody_knows_is_stored_and_counted() -> Result<()> {
    let door = Door::open().await?;
    let atlas =
        json!({"event": "envelope.teleported", "envelope_id": "4b1f0f0e-1111-4a5c-9f00-000000000001"});
    stored(door.atlas(&serde_json::to_vec(&atlas)?).await?).await?;
    let pandadoc = json!([{"event": "document_teleported", "data": {"id": "msFYActMfJHqNTKH8YSvF1"}}]);
    stored(door.pandadoc(&serde_json::to_vec(&pandadoc)?).await?).await?;
    let hubspot = json!([{"eventId": 1, "portalId": 44_001_122, "occurredAt": 1_767_225_600_000_i64,
        "subscriptionType": "deal.teleported", "objectId": 7}]);
    stored(door.hubspot(&serde_json::to_vec(&hubspot)?, Duration::ZERO).await?).await?;
    for connection in ["atlas-main", "pandadoc-sales", "hubspot-main"] {
        let line = door.ledger(connection, 1).await?;
        assert_eq!((line.accepted, line.unknown_event), (1, 1), "{line:?}");
        assert_eq!(door.metric(&signals(connection, "unknown_event")).await?, 1.0);
    }
    door.close().await
}

#[tokio::test]
async fn one_bad_event_in_a_batch_costs_only_itself() -> Result<()> {
    let door = Door::open().await?;
    let good = |id: u64| {
        json!({"eventId": id, "portalId": 44_001_122, "occurredAt": 1_767_225_600_000_i64, "objectId": id,
            "subscriptionType": "deal.propertyChange", "propertyName": "dealstage", "propertyValue": "closedwon"})
    };
    let batch = json!([good(1), {"eventId": "?"}, 17, good(2)]);
    stored(door.hubspot(&serde_json::to_vec(&batch)?, Duration::ZERO).await?).await?;
    let line = door.ledger("hubspot-main", 4).await?;
    assert_eq!((line.accepted, line.unreadable), (4, 2), "{line:?}");
    door.close().await
}

#[tokio::test]
async fn the_largest_body_allowed_is_stored_whole() -> Result<()> {
    let door = Door::open().await?;
    stored(door.atlas(&vec![b'x'; 1024 * 1024]).await?).await?;
    assert_eq!(door.ledger("atlas-main", 1).await?.unreadable, 1);
    door.close().await
}
