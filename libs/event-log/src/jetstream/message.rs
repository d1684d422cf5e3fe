//! One message to the server, and what it said about it.

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Request, Subject};
use bytes::Bytes;
use serde::Deserialize;

use super::REQUEST_MAX;

const WRONG_LAST_SEQUENCE: [u64; 2] = [10_071, 10_164];

/// A message that expects its subject's last sequence, and so is stored at most once however often it is sent: it
/// needs no id.
pub(super) struct Outgoing {
    pub(super) subject: Subject,
    pub(super) expected: u64,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// What the server said about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// Stored as this sequence.
    At(u64),
    /// The subject's last sequence is another one: not stored by this publish, perhaps by an earlier one of the same.
    WrongSequence,
    /// Certainly not stored.
    Refused(String),
    /// No answer: stored or not.
    Unknown,
}

/// Publishes one message by itself.
pub(super) async fn publish_alone(client: &Client, message: &Outgoing) -> Published {
    ask(client, message, headers(message)).await
}

pub(super) async fn ask(client: &Client, message: &Outgoing, headers: HeaderMap) -> Published {
    let request = Request::new().headers(headers).payload(message.payload.clone()).timeout(Some(REQUEST_MAX));
    match client.send_request(message.subject.clone(), request).await {
        Ok(answer) => understand(&answer.payload),
        Err(error) => match error.kind() {
            RequestErrorKind::NoResponders => Published::Refused("no stream takes the subject".to_owned()),
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                Published::Refused(error.to_string())
            }
            RequestErrorKind::TimedOut | RequestErrorKind::Other => Published::Unknown,
        },
    }
}

pub(super) fn headers(message: &Outgoing) -> HeaderMap {
    let mut headers = message.headers.clone();
    headers.insert("Nats-Expected-Last-Subject-Sequence", message.expected.to_string().as_str());
    headers
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    seq: u64,
    error: Option<AnswerError>,
}

#[derive(Deserialize)]
struct AnswerError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

fn understand(payload: &[u8]) -> Published {
    match serde_json::from_slice::<Answer>(payload) {
        Ok(Answer { error: Some(error), .. }) if WRONG_LAST_SEQUENCE.contains(&error.err_code) => {
            Published::WrongSequence
        }
        Ok(Answer { error: Some(error), .. }) => Published::Refused(error.description),
        Ok(Answer { seq, error: None }) if seq > 0 => Published::At(seq),
        Ok(_) | Err(_) => Published::Unknown,
    }
}
