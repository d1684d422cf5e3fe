//! The request for a new envelope: read whole, with every mistake named at once.

use std::time::Duration;

use domain::envelope::{Correlation, Digest, Document, Order, SendPolicy};
use domain::intake::RecordRef;
use domain::parties::{PARTIES_MAX, Parties};
use domain::personal::Personal;
use sha2::{Digest as _, Sha256};

use crate::wire::common;
use crate::wire::envelope as wire;
use crate::wire::envelope::create_envelope_request::Document as WireDocument;

/// Largest uploaded document, in bytes.
pub const UPLOAD_BYTES_MAX: usize = 25 * 1024 * 1024;

const CONTENT_TYPES: [&str; 2] =
    ["application/pdf", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"];
const PREFILL_MAX: usize = 100;
const REMINDERS_MAX: usize = 10;

/// One mistake in a request, in the words of google.rpc.BadRequest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// The field, for example `parties[1].email`.
    pub field: String,
    /// What is wrong and how to mend it; no values.
    pub description: String,
}

/// A checked request for an envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateEnvelope {
    /// What is wanted; its operation key is the request id.
    pub order: Order,
    /// The uploaded bytes, to be put into the blob store under `order`'s digest; `None` if nothing was uploaded.
    pub upload: Option<Vec<u8>>,
}

/// Checks a request.
///
/// # Errors
/// Every mistake in it.
pub fn create_request(request: wire::CreateEnvelopeRequest) -> Result<CreateEnvelope, Vec<FieldViolation>> {
    let mut check = Check::default();
    let operation_key = check.parse("request_id", &request.request_id);
    let provider = check.parse("provider", &request.provider);
    let flow = check.parse("flow", if request.flow.is_empty() { "api" } else { &request.flow });
    let record = request.record.and_then(|record| check.record(record));
    let document = check.document(request.document);
    let parties = check.parties(request.parties);
    let send = check.send(request.send);
    let correlation = check.correlation(request.correlation, record.as_ref(), &request.request_id);
    check.text("title", &request.title, 1, 200);
    check.reminders(&request.remind_after_ms);

    match (check.violations.is_empty(), operation_key, provider, flow, document, parties, send) {
        (
            true,
            Some(operation_key),
            Some(provider),
            Some(flow),
            Some((document, upload)),
            Some(parties),
            Some(send),
        ) => {
            let order = Order {
                operation_key,
                flow,
                provider,
                record,
                document,
                title: request.title,
                parties,
                send,
                expires_after: (request.expires_after_ms > 0)
                    .then(|| Duration::from_millis(request.expires_after_ms)),
                remind_after: request.remind_after_ms.into_iter().map(Duration::from_millis).collect(),
                correlation,
            };
            Ok(CreateEnvelope { order, upload })
        }
        _ => Err(check.violations),
    }
}

/// Collects mistakes.
#[derive(Default)]
struct Check {
    violations: Vec<FieldViolation>,
}

impl Check {
    fn refuse(&mut self, field: impl Into<String>, description: impl Into<String>) {
        self.violations.push(FieldViolation { field: field.into(), description: description.into() });
    }

    fn parse<T>(&mut self, field: &str, text: &str) -> Option<T>
    where
        T: std::str::FromStr,
        T::Err: ToString,
    {
        text.parse().map_err(|error: T::Err| self.refuse(field, error.to_string())).ok()
    }

    fn text(&mut self, field: &str, text: &str, bytes_min: usize, bytes_max: usize) {
        if text.len() < bytes_min || text.len() > bytes_max {
            self.refuse(field, format!("must have {bytes_min} to {bytes_max} bytes"));
        }
    }

    fn record(&mut self, record: common::RecordRef) -> Option<RecordRef> {
        self.text("record.object_type", &record.object_type, 1, 100);
        self.text("record.object_id", &record.object_id, 1, 100);
        let connection = self.parse("record.connection", &record.connection)?;
        Some(RecordRef { connection, object_type: record.object_type, object_id: record.object_id })
    }

    fn document(&mut self, document: Option<WireDocument>) -> Option<(Document, Option<Vec<u8>>)> {
        match document {
            None => {
                self.refuse("document", "is missing; give one of url, upload, template");
                None
            }
            Some(WireDocument::Url(url)) => {
                self.text("url", &url, 1, 2048);
                if !url.starts_with("https://") && !url.starts_with("http://") {
                    self.refuse("url", "must be an http or https address");
                }
                Some((Document::Url(Personal::new(url)), None))
            }
            Some(WireDocument::Upload(upload)) => Some(self.upload(upload)),
            Some(WireDocument::Template(template)) => {
                self.text("template.template_id", &template.template_id, 1, 128);
                if template.prefill.len() > PREFILL_MAX {
                    self.refuse("template.prefill", format!("at most {PREFILL_MAX} entries are allowed"));
                }
                let prefill =
                    template.prefill.into_iter().map(|(label, text)| (label, Personal::new(text))).collect();
                Some((Document::Template { template_id: template.template_id, prefill }, None))
            }
        }
    }

    fn upload(&mut self, upload: wire::Upload) -> (Document, Option<Vec<u8>>) {
        self.text("upload.file_name", &upload.file_name, 1, 200);
        if !CONTENT_TYPES.contains(&upload.content_type.as_str()) {
            self.refuse(
                "upload.content_type",
                format!("must be {} or {}", CONTENT_TYPES[0], CONTENT_TYPES[1]),
            );
        }
        if upload.content.is_empty() || upload.content.len() > UPLOAD_BYTES_MAX {
            self.refuse("upload.content", "must have 1 byte to 25 MiB");
        }
        let document = Document::Upload {
            digest: Digest(Sha256::digest(&upload.content).into()),
            file_name: upload.file_name,
            content_type: upload.content_type,
        };
        (document, Some(upload.content))
    }

    /// Judges each party by itself first, so that every wrong one is named.
    fn parties(&mut self, parties: Vec<wire::NewParty>) -> Option<Parties> {
        let mistakes = self.violations.len();
        let mut people = Vec::new();
        for (index, party) in parties.into_iter().take(PARTIES_MAX + 1).enumerate() {
            let person = (party.role, party.name, party.email);
            if let Err(error) = Parties::sequential([person.clone()]) {
                self.party_violation(&error.to_string().replace("[0]", &format!("[{index}]")));
            }
            people.push(person);
        }
        if self.violations.len() > mistakes {
            return None;
        }
        Parties::sequential(people).map_err(|error| self.party_violation(&error.to_string())).ok()
    }

    /// The domain says `field: what is wrong`.
    fn party_violation(&mut self, message: &str) {
        let (field, description) = message.split_once(": ").unwrap_or(("parties", message));
        self.refuse(field, description);
    }

    fn send(&mut self, send: i32) -> Option<SendPolicy> {
        match wire::SendPolicy::try_from(send) {
            Ok(wire::SendPolicy::Unspecified | wire::SendPolicy::Review) => Some(SendPolicy::Review),
            Ok(wire::SendPolicy::Auto) => Some(SendPolicy::Auto),
            Err(_) => {
                self.refuse("send", "must be SEND_POLICY_REVIEW or SEND_POLICY_AUTO");
                None
            }
        }
    }

    /// Nothing goes to a provider that cannot be searched for there: what nobody names is called by its key.
    fn correlation(
        &mut self,
        correlation: Option<wire::Correlation>,
        record: Option<&RecordRef>,
        request_id: &str,
    ) -> Correlation {
        if let Some(given) = &correlation {
            self.text("correlation.external_id", &given.external_id, 0, 200);
            self.text("correlation.client_reference_id", &given.client_reference_id, 0, 200);
        }
        let of_record = |record: &RecordRef| wire::Correlation {
            external_id: record.object_id.clone(),
            client_reference_id: format!("{}-{}", record.object_type, record.object_id),
        };
        let correlation = correlation.or_else(|| record.map(of_record)).unwrap_or_default();
        let or = |text: String, other: &str| if text.is_empty() { other.to_owned() } else { text };
        let external_id = or(correlation.external_id, request_id);
        let client_reference_id = or(correlation.client_reference_id, &external_id);
        Correlation { external_id, client_reference_id }
    }

    fn reminders(&mut self, remind_after_ms: &[u64]) {
        let ascending = remind_after_ms.windows(2).all(|pair| pair[0] < pair[1]);
        if remind_after_ms.len() > REMINDERS_MAX || !ascending || remind_after_ms.contains(&0) {
            self.refuse("remind_after_ms", format!("must ascend from above 0, at most {REMINDERS_MAX}"));
        }
    }
}
