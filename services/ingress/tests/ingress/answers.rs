//! What the sender is told.

use contracts::wire::verification::Verdict;
use domain::time::Timestamp;

use crate::support::{Mode, PARKED, START, World, post, request};

#[tokio::test]
async fn a_delivery_is_answered_200_with_an_empty_body_only_after_the_verdict() {
    let world = World::new().await;
    world.verifier.mode(Mode::Hold);
    let asking = world.post(b"news");
    tokio::pin!(asking);
    tokio::select! {
        answer = &mut asking => panic!("answered {} before the verdict", answer.status),
        _ = world.verifier.until_taken(1) => {}
    }
    world.verifier.mode(Mode::Answer(Verdict::Accepted));
    let answer = asking.await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(world.parked(PARKED).await, 0);
}

#[tokio::test]
async fn known_news_are_answered_200_as_well() {
    let world = World::new().await;
    world.verifier.mode(Mode::Answer(Verdict::Duplicate));
    assert_eq!(world.post(b"known").await.status, 200);
}

#[tokio::test]
async fn what_is_not_believed_is_answered_401_with_an_empty_body() {
    let world = World::new().await;
    world.verifier.mode(Mode::Answer(Verdict::Refused));
    let answer = world.post(b"forged").await;
    assert_eq!((answer.status, answer.body.as_str()), (401, ""));
}

#[tokio::test]
async fn an_unknown_connection_is_answered_404_with_a_code_and_nobody_is_asked() {
    let world = World::new().await;
    for path in ["/v1/hooks/nobody", "/v1/hooks/No%20Body", "/v1/hooks/%FF"] {
        let answer = post(world.address, path, b"x").await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("CS-IN-001"), "{path}: {}", answer.body);
    }
    assert!(world.verifier.taken().is_empty());
}

#[tokio::test]
async fn too_much_at_once_is_answered_429_and_an_unwilling_log_503_both_with_a_time() {
    let world = World::new().await;
    world.verifier.mode(Mode::Answer(Verdict::Overloaded));
    let answer = world.post(b"x").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("2")));
    world.verifier.mode(Mode::Answer(Verdict::Unavailable));
    let answer = world.post(b"x").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("2")));
    assert_eq!(world.parked(PARKED).await, 0, "what verification answered is not parked");
}

#[tokio::test]
async fn a_delivery_passes_byte_for_byte_with_its_repeated_headers_raw_path_and_query() {
    let world = World::new().await;
    let body = b"\x00\xff{\"a\": 1}\r\n\r\n";
    let head = b"POST /v1/hooks/main?signature=a%2Fb&x=%20+&x=2 HTTP/1.1\r\nHost: hooks.test\r\n\
        X-Signature: one\r\nconnection: close\r\nX-SIGNATURE: t\xe4o \r\ncontent-length: 14\r\n\r\n";
    let answer = request(world.address, &[&head[..], &body[..]].concat()).await;
    assert_eq!(answer.status, 200);
    let taken = world.verifier.taken();
    let [delivery] = taken.as_slice() else { panic!("{} deliveries", taken.len()) };
    assert_eq!(delivery.body, body);
    assert_eq!(delivery.connection, "main");
    assert_eq!(delivery.method, "POST");
    assert_eq!(delivery.path_and_query, "/v1/hooks/main?signature=a%2Fb&x=%20+&x=2");
    assert_eq!(Timestamp(delivery.received_at_ms), START);
    let signatures = delivery.headers.iter().filter(|header| header.name == "x-signature");
    let signatures: Vec<&[u8]> = signatures.map(|header| header.value.as_slice()).collect();
    assert_eq!(signatures, [&b"one"[..], &b"t\xe4o"[..]], "in the order received, raw");
}

#[tokio::test]
async fn an_empty_body_is_for_verification_to_judge() {
    let world = World::new().await;
    assert_eq!(world.post(b"").await.status, 200);
    assert!(world.verifier.taken()[0].body.is_empty());
}

#[tokio::test]
async fn only_posts_are_taken() {
    let world = World::new().await;
    let get = b"GET /v1/hooks/main HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(request(world.address, get).await.status, 405);
    assert!(world.verifier.taken().is_empty());
}
