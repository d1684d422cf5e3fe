//! Limits on size and time.

use std::time::Duration;

use ingress::Settings;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{World, http, quick, request};

fn small() -> Settings {
    Settings { body_bytes_max: 1_000, ..quick() }
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_byte_more_is_answered_413() {
    let world = World::with(small()).await;
    assert_eq!(world.post(&[b'x'; 1_000]).await.status, 200);
    let answer = world.post(&[b'x'; 1_001]).await;
    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("CS-IN-002") && answer.body.contains("1000 bytes"), "{}", answer.body);
    assert_eq!(world.verifier.taken().len(), 1);
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_before_it_comes() {
    let world = World::with(small()).await;
    let head =
        b"POST /v1/hooks/main HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 99999999\r\n\r\n";
    assert_eq!(request(world.address, head).await.status, 413);
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_answered_413() {
    let world = World::with(small()).await;
    let mut bytes = b"POST /v1/hooks/main HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
        transfer-encoding: chunked\r\n\r\n"
        .to_vec();
    for _ in 0..11 {
        bytes.extend(b"64\r\n");
        bytes.extend([b'x'; 100]);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    assert_eq!(request(world.address, &bytes).await.status, 413);
    assert!(world.verifier.taken().is_empty());
}

#[tokio::test]
async fn a_chunked_body_within_the_limit_arrives_whole() {
    let world = World::with(small()).await;
    let bytes = b"POST /v1/hooks/main HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
        transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(request(world.address, bytes).await.status, 200);
    assert_eq!(world.verifier.taken()[0].body, b"abcde");
}

#[tokio::test]
async fn no_more_than_the_announced_length_is_read() {
    let world = World::with(small()).await;
    let bytes =
        b"POST /v1/hooks/main HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabcdef";
    assert_eq!(request(world.address, bytes).await.status, 200);
    assert_eq!(world.verifier.taken()[0].body, b"abc");
}

#[tokio::test]
async fn a_body_that_breaks_off_before_its_announced_length_is_never_handed_on() {
    let world = World::with(small()).await;
    let mut stream = TcpStream::connect(world.address).await.expect("the door is open");
    let head = b"POST /v1/hooks/main HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc";
    stream.write_all(head).await.expect("it is taken");
    stream.shutdown().await.expect("the sending half closes");
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "half a body is no delivery");
    assert_eq!(world.post(b"whole").await.status, 200);
    assert_eq!(world.verifier.taken().len(), 1);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408() {
    let world = World::with(Settings { body_deadline: Duration::from_millis(50), ..small() }).await;
    let mut stream = TcpStream::connect(world.address).await.expect("the door is open");
    let head =
        b"POST /v1/hooks/main HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 10\r\n\r\nabc";
    stream.write_all(head).await.expect("it is taken");
    let answer = http::read(&mut stream).await;
    assert_eq!(answer.status, 408);
    assert!(answer.body.contains("CS-IN-003"), "{}", answer.body);
    assert!(world.verifier.taken().is_empty());
}
