//! What a simulator hands to the sender, and what it hears back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

/// Signs one attempt: names the address and the headers. Called anew for every attempt.
pub type Sign = Arc<dyn Fn(&Attempt<'_>) -> Signed + Send + Sync>;

/// Hears how an attempt ended and says whether retries may go on.
pub type OnAnswer = Arc<dyn Fn(&Answer) -> bool + Send + Sync>;

/// One webhook to be delivered.
#[derive(Clone)]
pub struct Message {
    /// Name of the event, for `/__sim/deliveries`.
    pub event: String,
    /// What the event is about; messages of one lane start in order.
    pub lane: String,
    /// The bytes, the same in every attempt. Sent as `application/json`.
    pub body: Bytes,
    /// Called for every attempt.
    pub sign: Sign,
    /// Pauses before the retries, already scaled; the sender's own schedule if absent.
    pub retries: Option<Vec<Duration>>,
    /// Told the end of every attempt.
    pub on_answer: Option<OnAnswer>,
}

/// What a signing closure may use.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// The bytes that will be sent.
    pub body: &'a [u8],
    /// 1 for the first attempt.
    pub number: u32,
    /// Time of this attempt.
    pub now: Timestamp,
    pub(crate) tamper: Tamper,
}

impl Attempt<'_> {
    /// The key to sign with: `key` itself, unless the wrong-key knob is on.
    pub fn key(&self, key: &str) -> String {
        match self.tamper {
            Tamper::WrongKey => format!("{key}-of-somebody-else"),
            Tamper::None | Tamper::Corrupt => key.to_owned(),
        }
    }

    /// The digest to send: `digest` itself, unless the corrupt-signature knob is on (then one bit differs).
    pub fn digest(&self, mut digest: [u8; 32]) -> [u8; 32] {
        if self.tamper == Tamper::Corrupt {
            digest[0] ^= 1;
        }
        digest
    }
}

/// Address and headers of one attempt.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Where to, complete with query.
    pub url: Url,
    /// Headers besides the content type; pairs that are not valid HTTP are left out.
    pub headers: Vec<(String, String)>,
}

/// What is done to signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tamper {
    /// Nothing: signatures are good.
    #[default]
    None,
    /// One bit of the digest is wrong.
    Corrupt,
    /// Signed with another key.
    WrongKey,
}

/// How one attempt ended.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 1 for the first attempt.
    pub number: u32,
    /// When it began.
    pub at: Timestamp,
    /// The address with its query.
    pub url: Url,
    /// The answer's status, if there was one.
    pub status: Option<u16>,
    /// `CONNECT_ERROR`, `TIMEOUT_ERROR`, `NOT_VALID_URL` or `INTERNAL_ERROR` if there was none.
    pub error: Option<&'static str>,
    /// The first 4 KiB of the answer's body.
    pub body: Bytes,
}
