//! What one connection may send, how often, and from where.

use std::time::Duration;

use ingress::Settings;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{CONFIGURATION, SOON, World, http, post, quick, request};

/// The connection `main` with these limits.
fn limited(limits: &str) -> String {
    CONFIGURATION.replacen("main: {kind", &format!("main: {{limits: {limits}, kind"), 1)
}

fn with_header(header: &str) -> Vec<u8> {
    format!(
        "POST /v1/hooks/main HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n{header}\r\n\r\nabc"
    )
    .into_bytes()
}

#[tokio::test]
async fn beyond_its_rate_a_connection_is_asked_to_come_later_and_others_are_not() {
    let world = World::configured(&limited("{deliveries_per_second: 2, burst: 3}")).await;
    for _ in 0..3 {
        assert_eq!(world.post(b"x").await.status, 200);
    }
    let answer = world.post(b"x").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(post(world.address, "/v1/hooks/other", b"x").await.status, 200);
    world.clock.advance(Duration::from_millis(500));
    assert_eq!(world.post(b"x").await.status, 200);
    assert_eq!(world.post(b"x").await.status, 429);
}

#[tokio::test]
async fn a_connection_may_have_a_smaller_limit_of_its_own() {
    let world = World::configured(&limited("{body_bytes_max: 100}")).await;
    assert_eq!(world.post(&[b'x'; 100]).await.status, 200);
    assert_eq!(world.post(&[b'x'; 101]).await.status, 413);
    assert_eq!(post(world.address, "/v1/hooks/other", &[b'x'; 101]).await.status, 200);
}

#[tokio::test]
async fn bodies_that_dribble_in_do_not_fill_the_memory() {
    let world = World::with(Settings { bodies_bytes_max: 1_000, ..quick() }).await;
    let mut slow = TcpStream::connect(world.address).await.expect("the door is open");
    let head = "POST /v1/hooks/main HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 901\r\n\r\n";
    slow.write_all(head.as_bytes()).await.expect("it is taken");
    slow.write_all(&[b'x'; 900]).await.expect("it is taken");
    let begun = std::time::Instant::now();
    let answer = loop {
        let answer = world.post(&[b'x'; 200]).await;
        if answer.status != 200 || begun.elapsed() > SOON {
            break answer;
        }
    };
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    assert_eq!(world.post(&[b'x'; 50]).await.status, 200, "what has room is taken");
    slow.write_all(b"x").await.expect("it is taken");
    assert_eq!(http::read(&mut slow).await.status, 200);
    assert_eq!(world.post(&[b'x'; 1_000]).await.status, 200, "its room is free again");
}

#[tokio::test]
async fn a_compressed_body_is_refused_unread_because_it_may_unpack_to_anything() {
    let world = World::new().await;
    for coding in ["gzip", "deflate", "br", "identity, gzip", "x"] {
        let answer = request(world.address, &with_header(&format!("content-encoding: {coding}"))).await;
        assert_eq!(answer.status, 415, "{coding}");
        assert!(answer.body.contains("CS-IN-005"), "{}", answer.body);
    }
    assert!(world.verifier.taken().is_empty());
    assert_eq!(request(world.address, &with_header("content-encoding: identity")).await.status, 200);
}

#[tokio::test]
async fn the_sender_is_the_peer_unless_we_stand_behind_proxies_of_our_own() {
    let forwarded = "x-forwarded-for: 203.0.113.66, 52.12.31.116";
    let world = World::new().await;
    assert_eq!(request(world.address, &with_header(forwarded)).await.status, 200);
    world
        .configuration
        .replace(crate::support::loaded(&format!("ingress: {{trusted_proxies: 1}}\n{CONFIGURATION}")));
    assert_eq!(request(world.address, &with_header(forwarded)).await.status, 200);
    assert_eq!(request(world.address, &with_header("x-a: b")).await.status, 200);
    let senders: Vec<_> = world.verifier.taken().iter().map(|delivery| delivery.peer_ip.clone()).collect();
    assert_eq!(senders, ["127.0.0.1", "52.12.31.116", ""]);
}
