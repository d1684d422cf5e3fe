//! The life of an Atlas envelope: pure transitions. Time, ids and credits come from outside.

use std::time::Duration;

use domain::time::Timestamp;
use serde_json::{Map, Value};

pub(super) use super::words::{Detection, Event, Generation, Refusal, Standing, Status};

#[derive(Clone, Debug)]
pub(super) struct Party {
    pub email: String,
    pub name: String,
    pub role: String,
    pub order: u32,
    pub standing: Standing,
    /// Made when the envelope is sent; empty before.
    pub token: String,
    pub signed_at: Option<Timestamp>,
    pub reminded_at: Option<Timestamp>,
    /// First opened by them.
    pub viewed_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) struct Envelope {
    pub id: String,
    /// The API key that created it; signs its webhooks in the first generation.
    pub key: String,
    /// The connected account it belongs to; none for the platform's own.
    pub org: Option<String>,
    pub generation: Generation,
    /// Counts the second generation's events, from 1.
    pub version: u64,
    pub title: String,
    pub document: bytes::Bytes,
    pub status: Status,
    /// What detection will have found, and when.
    pub detection: (Detection, Timestamp),
    pub fields_version: u64,
    pub fields: Vec<Value>,
    pub parties: Vec<Party>,
    pub metadata: Map<String, Value>,
    pub webhook_url: Option<String>,
    pub review_token: String,
    pub reason: Option<String>,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub signed_at: Option<Timestamp>,
    pub declined_at: Option<Timestamp>,
    pub voided_at: Option<Timestamp>,
    pub expired_at: Option<Timestamp>,
}

impl Envelope {
    /// What the fields' detection shows at this moment.
    pub(super) fn detection_at(&self, now: Timestamp) -> Detection {
        let (outcome, due) = self.detection;
        if now < due { Detection::Pending } else { outcome }
    }

    pub(super) fn external_id(&self) -> Option<&str> {
        self.metadata.get("external_id").and_then(Value::as_str)
    }

    pub(super) fn signed_count(&self) -> usize {
        self.parties.iter().filter(|party| party.standing == Standing::Signed).count()
    }

    /// Whose turn it is.
    pub(super) fn current(&self) -> Option<&Party> {
        self.parties.iter().find(|party| party.standing == Standing::Pending)
    }

    /// Whether it could be sent now; sending costs a credit, so this is asked first.
    pub(super) fn may_send(&self, fields_version: Option<u64>, now: Timestamp) -> Result<(), Refusal> {
        let conflict = |code, message: String| Err(Refusal::new(409, code, message));
        if self.status != Status::Draft {
            return conflict("not_a_draft", format!("Envelope already {}", self.status.word()));
        }
        if self.detection_at(now) == Detection::Pending {
            return conflict("detection_pending", "Field detection is still running".into());
        }
        if fields_version.is_some_and(|version| version != self.fields_version) {
            return conflict("fields_version_mismatch", format!("Expected {}", self.fields_version));
        }
        Ok(())
    }

    /// The second generation's optimistic lock: strict if a version is named.
    pub(super) fn expect_version(&self, expected: Option<u64>) -> Result<(), Refusal> {
        if expected.is_some_and(|version| version != self.version) {
            return Err(Refusal::new(409, "version_mismatch", format!("Expected {}", self.version)));
        }
        Ok(())
    }

    /// Out it goes, to the first party. `token` makes a sign token for each.
    pub(super) fn send(
        &mut self,
        now: Timestamp,
        mut token: impl FnMut() -> String,
    ) -> Result<Vec<Event>, Refusal> {
        if self.parties.is_empty() {
            return Err(Refusal::bad_request("parties are needed to send"));
        }
        self.parties.sort_by_key(|party| party.order);
        for (index, party) in self.parties.iter_mut().enumerate() {
            party.standing = if index == 0 { Standing::Pending } else { Standing::Waiting };
            party.token = token();
        }
        (self.status, self.sent_at) = (Status::Pending, Some(now));
        // two events: it was sent, and the first link was issued
        self.version += 2;
        Ok(vec![Event::Sent])
    }

    /// A signer opens the sign page.
    pub(super) fn view(&mut self, token: &str, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        let out = self.status == Status::Pending;
        let party = self.party(token)?;
        let first = out && party.standing == Standing::Pending && party.viewed_at.is_none();
        if first {
            party.viewed_at = Some(now);
        }
        self.version += u64::from(first);
        Ok(if first { vec![Event::Viewed] } else { vec![] })
    }

    /// The party whose turn it is signs; the next one is asked, or the envelope is finished.
    pub(super) fn sign(&mut self, token: &str, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        self.in_turn(token)?;
        let party = self.party(token)?;
        (party.standing, party.signed_at) = (Standing::Signed, Some(now));
        self.version += 1;
        match self.parties.iter_mut().find(|party| party.standing == Standing::Waiting) {
            Some(next) => {
                next.standing = Standing::Pending;
                Ok(vec![Event::SignedByOne])
            }
            None => {
                (self.status, self.signed_at) = (Status::Signed, Some(now));
                self.version += 1;
                Ok(vec![Event::SignedByAll, Event::Extracted])
            }
        }
    }

    pub(super) fn decline(
        &mut self,
        token: &str,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Vec<Event>, Refusal> {
        self.in_turn(token)?;
        self.party(token)?.standing = Standing::Declined;
        (self.status, self.declined_at, self.reason) = (Status::Declined, Some(now), reason);
        self.version += 1;
        Ok(vec![Event::Declined])
    }

    /// The sender takes it back. Also says whether a credit is refunded: sent, and nobody has signed.
    pub(super) fn void(
        &mut self,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<(Vec<Event>, bool), Refusal> {
        self.still_open()?;
        let refund = self.status == Status::Pending && self.signed_count() == 0;
        (self.status, self.voided_at, self.reason) = (Status::Voided, Some(now), reason);
        self.version += 1;
        Ok((vec![Event::Voided], refund))
    }

    /// Its deadline passed.
    pub(super) fn expire(&mut self, now: Timestamp) -> Result<Vec<Event>, Refusal> {
        self.still_open()?;
        (self.status, self.expired_at) = (Status::Expired, Some(now));
        self.version += 1;
        Ok(vec![Event::Expired])
    }

    fn still_open(&self) -> Result<(), Refusal> {
        if self.status.is_open() {
            return Ok(());
        }
        Err(Refusal::new(409, "terminal", format!("Envelope already {}", self.status.word())))
    }

    /// Nudges whose turn it is, at most once per `window`.
    pub(super) fn remind(&mut self, now: Timestamp, window: Duration) -> Result<u32, Refusal> {
        if self.status != Status::Pending {
            return Err(Refusal::new(409, "not_pending", format!("Envelope is {}", self.status.word())));
        }
        let party = self.parties.iter_mut().find(|party| party.standing == Standing::Pending);
        let party = party.ok_or_else(|| Refusal::new(409, "not_pending", "Nobody is asked"))?;
        let rest = party.reminded_at.map(|last| window.saturating_sub(now.since(last)));
        if let Some(rest) = rest.filter(|rest| !rest.is_zero()) {
            let refusal = Refusal::new(429, "rate_limited", "Too many requests");
            return Err(Refusal { retry_after: Some(rest), ..refusal });
        }
        party.reminded_at = Some(now);
        let order = party.order;
        self.version += 1;
        Ok(order)
    }

    /// Changes fields under the optimistic lock: known ids are replaced, others added.
    pub(super) fn patch_fields(&mut self, version: u64, fields: Vec<Value>) -> Result<(), Refusal> {
        if self.status != Status::Draft {
            return Err(Refusal::new(409, "not_a_draft", "Only drafts can be edited"));
        }
        if version != self.fields_version {
            let message = format!("Expected {}", self.fields_version);
            return Err(Refusal::new(409, "fields_version_mismatch", message));
        }
        for field in fields {
            match self
                .fields
                .iter_mut()
                .find(|known| known.get("id").is_some() && known.get("id") == field.get("id"))
            {
                Some(known) => merge(known, field),
                None => self.fields.push(field),
            }
        }
        self.fields_version += 1;
        self.version += 1;
        Ok(())
    }

    /// The party this token belongs to.
    pub(super) fn party(&mut self, token: &str) -> Result<&mut Party, Refusal> {
        let unknown = Refusal::new(401, "unauthorized", "Unknown signer token");
        if token.is_empty() {
            return Err(unknown);
        }
        self.parties.iter_mut().find(|party| party.token == token).ok_or(unknown)
    }

    fn in_turn(&mut self, token: &str) -> Result<(), Refusal> {
        let (status, standing) = (self.status, self.party(token)?.standing);
        if status != Status::Pending {
            return Err(Refusal::new(409, "terminal", format!("Envelope already {}", status.word())));
        }
        match standing {
            Standing::Pending => Ok(()),
            Standing::Waiting => {
                Err(Refusal::new(409, "not_your_turn", "An earlier party has not signed yet"))
            }
            Standing::Signed | Standing::Declined => {
                Err(Refusal::new(409, "already_done", "You have answered already"))
            }
        }
    }
}

fn merge(known: &mut Value, change: Value) {
    if let (Value::Object(known), Value::Object(change)) = (known, change) {
        known.extend(change);
    }
}
