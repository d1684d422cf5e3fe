//! HTTP by hand, so that a test decides over every byte.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::SOON;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value)
    }
}

/// Posts a body in one piece.
pub async fn post(address: SocketAddr, path: &str, body: &[u8]) -> Answer {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    request(address, &[head.as_bytes(), body].concat()).await
}

/// Sends these bytes as they are and reads until the server closes.
pub async fn request(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("the door is open");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    read(&mut stream).await
}

/// Reads an answer until the server closes.
pub async fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let reading = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes));
    // A server that closes early resets the connection; what it said before still counts.
    let _ = reading.await.expect("the server answers");
    let text = String::from_utf8(bytes).expect("answers are text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a whole head");
    let status = head.split(' ').nth(1).expect("a status").parse().expect("a number");
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
