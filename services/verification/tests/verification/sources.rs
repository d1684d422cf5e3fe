//! Where deliveries may come from: it only adds to the signature.

use contracts::wire::verification::{Answer, Delivery, ReleaseQuarantinedRequest, Verdict};

use crate::support::vendors::pandadoc;
use crate::support::{CONFIGURATION, World, loaded};

fn with_sources(sources: &str) -> String {
    let plain = "shared_keys: [{id: s1, env: PANDADOC}]";
    assert!(CONFIGURATION.contains(plain));
    CONFIGURATION.replace(plain, &format!("{plain}\n    source_ips: {sources}"))
}

async fn send(world: &World, number: u32, peer: &str) -> Answer {
    let body = format!(
        r#"[{{"event":"document_state_changed","data":{{"id":"d{number}","status":"document.sent"}}}}]"#
    );
    world.accept(Delivery { peer_ip: peer.to_owned(), ..pandadoc(body.as_bytes()) }).await
}

#[tokio::test]
async fn where_the_list_is_enforced_a_good_signature_from_elsewhere_is_refused() {
    let world = World::with(&with_sources("{mode: enforce, regions: [us], addresses: [203.0.113.9]}")).await;
    for (number, peer, verdict) in [
        (1, "52.12.31.116", Verdict::Accepted),
        (2, "203.0.113.9", Verdict::Accepted),
        (3, "3.76.175.239", Verdict::Refused),
        (4, "203.0.113.66", Verdict::Refused),
        (5, "", Verdict::Refused),
        (6, "no address", Verdict::Refused),
    ] {
        let answer = send(&world, number, peer).await;
        assert_eq!(answer.verdict(), verdict, "{peer}");
        assert!(verdict == Verdict::Accepted || answer.refusal == "source_unexpected", "{}", answer.refusal);
    }
}

#[tokio::test]
async fn where_it_is_only_logged_or_off_everything_that_is_signed_passes() {
    for sources in ["{mode: log, regions: [us, eu]}", "{mode: off, regions: [us]}"] {
        let world = World::with(&with_sources(sources)).await;
        assert_eq!(send(&world, 1, "203.0.113.66").await.verdict(), Verdict::Accepted, "{sources}");
    }
}

#[tokio::test]
async fn what_came_from_an_unexpected_address_is_released_once_that_address_is_expected() {
    let world = World::with(&with_sources("{mode: enforce, regions: [us]}")).await;
    for (number, peer) in [(1, "3.76.175.239"), (2, "203.0.113.66")] {
        assert_eq!(send(&world, number, peer).await.verdict(), Verdict::Refused);
    }
    world.configuration.replace(loaded(&with_sources("{mode: enforce, regions: [us, eu]}")));
    let request = ReleaseQuarantinedRequest {
        connection: "pandadoc-sales".to_owned(),
        request_id: "r-1".to_owned(),
        ..Default::default()
    };
    let released = world.replica.client.clone().release_quarantined(request).await.expect("an answer");
    let said: Vec<_> = released.into_inner().results.iter().map(|result| result.refusal.clone()).collect();
    assert_eq!(said, ["", "source_unexpected"], "the address of each was kept, sealed");
}
