//! Reading a create request, whichever way it came.

use axum::extract::{FromRequest, Multipart, Request};
use bytes::Bytes;
use http::header;
use outbound::Outbound;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::state::{Party, Refusal, Standing};

const DOCUMENT_BYTES_MAX: usize = 25 << 20;
const BODY_BYTES_MAX: usize = 40 << 20;
const METADATA_BYTES_MAX: usize = 8 << 10;
const PARTIES_MAX: usize = 10;
const FETCH_WITHIN: Duration = Duration::from_secs(20);

/// A create request before anything was looked at closely.
#[derive(Debug)]
pub(super) struct Submission {
    /// `json` or `multipart`: the two have separate idempotency keys.
    pub transport: &'static str,
    /// The same for the same content, whatever the multipart boundary.
    pub fingerprint: String,
    pub members: Map<String, Value>,
    pub file: Option<(String, Bytes)>,
}

impl Submission {
    pub(super) async fn read(request: Request) -> Result<Self, Refusal> {
        let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if content_type.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
            return Self::read_multipart(request).await;
        }
        let body = axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await;
        let body = body.map_err(|_| Refusal::new(413, "too_large", "Request too large"))?;
        let Ok(Value::Object(members)) = serde_json::from_slice(&body) else {
            return Err(Refusal::bad_request("The body is not a JSON object"));
        };
        Ok(Self { transport: "json", fingerprint: hex::encode(Sha256::digest(&body)), members, file: None })
    }

    /// `parties`, `metadata` and `prefill` are parts that hold JSON text.
    async fn read_multipart(request: Request) -> Result<Self, Refusal> {
        let broken = |_| Refusal::bad_request("The form cannot be read");
        let mut form =
            Multipart::from_request(request, &()).await.map_err(|_| Refusal::bad_request("Not a form"))?;
        let (mut members, mut file, mut hash) = (Map::new(), None, Sha256::new());
        while let Some(part) = form.next_field().await.map_err(broken)? {
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().unwrap_or("document.pdf").to_owned();
            let bytes = part.bytes().await.map_err(broken)?;
            for piece in [name.as_bytes(), file_name.as_bytes(), &bytes] {
                hash.update(piece.len().to_be_bytes());
                hash.update(piece);
            }
            if name == "file" {
                file = Some((file_name, bytes));
                continue;
            }
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let value = match name.as_str() {
                "parties" | "metadata" | "prefill" | "auto_send" => serde_json::from_str(&text)
                    .map_err(|_| Refusal::bad_request(format!("{name} is not JSON")))?,
                _ => Value::String(text),
            };
            members.insert(name, value);
        }
        Ok(Self { transport: "multipart", fingerprint: hex::encode(hash.finalize()), members, file })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }
}

/// A create request that was found in order. The document may still have to be fetched.
#[derive(Debug)]
pub(super) struct Draft {
    pub document: Source,
    pub parties: Vec<Party>,
    pub metadata: Map<String, Value>,
    pub webhook_url: Option<String>,
    pub auto_send: bool,
}

#[derive(Debug)]
pub(super) enum Source {
    Here { title: String, bytes: Bytes },
    At(url::Url),
}

impl Draft {
    pub(super) fn read(submission: &Submission) -> Result<Self, Refusal> {
        if submission.members.contains_key("template_id") {
            return Err(Refusal::bad_request("template_id is not allowed here"));
        }
        let named = submission.text("name").or(submission.text("title"));
        let mut sources = vec![];
        if let Some((file_name, bytes)) = &submission.file {
            sources.push(Source::Here { title: named.unwrap_or(file_name).to_owned(), bytes: bytes.clone() });
        }
        if let Some(text) = submission.text("document") {
            let bytes = STANDARD.decode(text).map_err(|_| Refusal::bad_request("document is not base64"))?;
            sources.push(Source::Here { title: named.unwrap_or("Document").to_owned(), bytes: bytes.into() });
        }
        if let Some(text) = submission.text("document_url") {
            sources.push(Source::At(
                text.parse().map_err(|_| Refusal::bad_request("document_url is not a URL"))?,
            ));
        }
        let document = sources.pop().filter(|_| sources.is_empty());
        Ok(Self {
            document: document.ok_or_else(|| Refusal::bad_request("Exactly one document is needed"))?,
            parties: parties(submission.members.get("parties"))?,
            metadata: metadata(&submission.members)?,
            webhook_url: webhook_url(&submission.members)?,
            auto_send: submission.members.get("auto_send").and_then(Value::as_bool).unwrap_or(false),
        })
    }
}

impl Source {
    /// The document with its title, fetched if need be.
    pub(super) async fn fetched(self, client: &Outbound, check: bool) -> Result<(String, Bytes), Refusal> {
        let (title, bytes) = match self {
            Self::Here { title, bytes } => (title, bytes),
            Self::At(url) => {
                let name =
                    url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
                let title = if name.is_empty() { "Document".to_owned() } else { name.to_owned() };
                let request = outbound::Request { deadline: FETCH_WITHIN, follow_redirects: 3, ..get(url) };
                let unreachable = || Refusal::bad_request("document_url could not be fetched");
                let answer = client.send(request).await.map_err(|_| unreachable())?;
                (title, if answer.status == 200 { answer.body } else { return Err(unreachable()) })
            }
        };
        if bytes.is_empty() || bytes.len() > DOCUMENT_BYTES_MAX {
            return Err(Refusal::new(413, "too_large", "The document is empty or larger than 25 MiB"));
        }
        if check && !bytes.starts_with(b"%PDF-") && !bytes.starts_with(b"PK\x03\x04") {
            return Err(Refusal::bad_request("The document is neither PDF nor DOCX"));
        }
        Ok((title, bytes))
    }
}

fn get(url: url::Url) -> outbound::Request {
    outbound::Request::get(url, "fetch_document")
}

/// Reads `parties`; none if absent.
pub(super) fn parties(value: Option<&Value>) -> Result<Vec<Party>, Refusal> {
    let entries = match value {
        None | Some(Value::Null) => return Ok(vec![]),
        Some(value) => value.as_array().ok_or_else(|| Refusal::bad_request("parties is not a list"))?,
    };
    if entries.len() > PARTIES_MAX {
        return Err(Refusal::bad_request("More than 10 parties"));
    }
    let mut parties = vec![];
    for (entry, place) in entries.iter().zip(1..) {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let email =
            text("email").filter(|email| email.split('@').filter(|part| !part.is_empty()).count() == 2);
        let email = email.ok_or_else(|| Refusal::bad_request("A party has no valid e-mail address"))?;
        let order = entry.get("order").and_then(Value::as_u64).and_then(|order| u32::try_from(order).ok());
        parties.push(Party {
            email: email.to_owned(),
            name: text("name").unwrap_or(email).to_owned(),
            role: text("role").or(text("role_name")).unwrap_or_default().to_owned(),
            order: order.unwrap_or(place),
            standing: Standing::Waiting,
            token: String::new(),
            signed_at: None,
            reminded_at: None,
            viewed_at: None,
        });
    }
    Ok(parties)
}

/// Reads `metadata`; empty if absent.
pub(super) fn metadata(members: &Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    match members.get("metadata") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(metadata))
            if Value::from(metadata.clone()).to_string().len() <= METADATA_BYTES_MAX =>
        {
            Ok(metadata.clone())
        }
        Some(_) => Err(Refusal::bad_request("metadata is not an object of at most 8 KiB")),
    }
}

/// Reads `webhook_url`; none if absent.
pub(super) fn webhook_url(members: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    match members.get("webhook_url") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.parse::<url::Url>().is_ok() => Ok(Some(text.clone())),
        Some(_) => Err(Refusal::bad_request("webhook_url is not a URL")),
    }
}
