//! Everything one Atlas account holds: envelopes, credits, keys, remembered answers, and the mails that went out.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::Duration;

use domain::time::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;

use super::Switches;
use super::accounts::Org;
use super::shared::Caller;
use super::state::{Detection, Envelope, Refusal};

const ENVELOPES_MAX: usize = 500_000;
const MAILS_MAX: usize = 100_000;
const KEY_CHARS_MAX: usize = 255;

/// An e-mail the simulator would have sent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Mail {
    pub kind: &'static str,
    pub to: String,
    pub name: String,
    pub subject: String,
    pub envelope_id: String,
    pub order: u32,
    pub sign_url: String,
    pub at: String,
}

/// What detection will find in documents whose title contains `name`.
#[derive(Clone, Debug, serde::Deserialize)]
pub(super) struct DetectionRule {
    pub name: String,
    pub outcome: Detection,
    pub delay_ms: Option<u64>,
}

#[derive(Clone, Debug, serde::Deserialize, Serialize)]
pub(super) struct Template {
    pub template_id: String,
    pub name: String,
    pub roles: Vec<String>,
    #[serde(default)]
    pub prefill_keys: Vec<String>,
}

/// A remembered answer to an idempotency key.
#[derive(Clone, Debug)]
pub(super) enum Remembered {
    Running,
    Answered { fingerprint: String, status: u16, body: Value, at: Timestamp },
}

pub(super) struct World {
    pub envelopes: HashMap<String, Envelope>,
    /// Envelope ids in order of creation.
    pub order: Vec<String>,
    pub credits: u64,
    pub suspended: bool,
    pub keys: HashSet<String>,
    /// Keys that may act for connected accounts.
    pub platform_keys: HashSet<String>,
    /// Connected accounts by their external ids.
    pub orgs: BTreeMap<String, Org>,
    /// Where the second generation reports, and the secret it signs with.
    pub endpoint: Option<(url::Url, SecretString)>,
    pub switches: Switches,
    pub mails: VecDeque<Mail>,
    pub detection_rules: Vec<DetectionRule>,
    pub templates: HashMap<String, Template>,
    /// One-time storage tokens and the envelope each opens.
    pub storage: HashMap<String, String>,
    pub remembered: HashMap<(String, String), Remembered>,
}

impl World {
    pub(super) fn new(keys: HashSet<String>, credits: u64, switches: Switches) -> Self {
        let order_form = Template {
            template_id: "tmpl_of_01".into(),
            name: "Order form".into(),
            roles: vec!["Customer".into(), "Company".into()],
            prefill_keys: vec!["company_name".into(), "amount".into()],
        };
        Self {
            envelopes: HashMap::new(),
            order: vec![],
            credits,
            suspended: false,
            keys,
            platform_keys: HashSet::new(),
            orgs: BTreeMap::new(),
            endpoint: None,
            switches,
            mails: VecDeque::new(),
            detection_rules: vec![],
            templates: HashMap::from([(order_form.template_id.clone(), order_form)]),
            storage: HashMap::new(),
            remembered: HashMap::new(),
        }
    }

    pub(super) fn insert(&mut self, envelope: Envelope) -> Result<(), Refusal> {
        if self.envelopes.len() >= ENVELOPES_MAX {
            return Err(Refusal::new(503, "internal_error", "the simulator is full"));
        }
        self.order.push(envelope.id.clone());
        self.envelopes.insert(envelope.id.clone(), envelope);
        Ok(())
    }

    pub(super) fn envelope(&mut self, id: &str) -> Result<&mut Envelope, Refusal> {
        self.envelopes.get_mut(id).ok_or_else(|| Refusal::new(404, "not_found", "No such envelope"))
    }

    /// A page of the envelopes that fit, newest last, and the cursor of the next page: the id of the last envelope of
    /// this one. `None` if there is no such cursor.
    pub(super) fn page(
        &self,
        cursor: Option<&str>,
        limit: usize,
        fits: impl Fn(&Envelope) -> bool,
    ) -> Option<(Vec<&Envelope>, Option<String>)> {
        let start = match cursor {
            None => 0,
            Some(cursor) => self.order.iter().position(|id| id == cursor)? + 1,
        };
        let all = self.order.get(start..)?.iter().filter_map(|id| self.envelopes.get(id));
        let mut found = all.filter(|envelope| fits(envelope));
        let page: Vec<&Envelope> = found.by_ref().take(limit).collect();
        let next = found.next().and(page.last()).map(|last| last.id.clone());
        Some((page, next))
    }

    /// What detection will find in a document of this title, and after which delay.
    pub(super) fn detection_of(&self, title: &str) -> (Detection, Duration) {
        let rule = self.detection_rules.iter().rev().find(|rule| title.contains(&rule.name));
        let delay_ms = rule.and_then(|rule| rule.delay_ms).unwrap_or(self.switches.detection_delay_ms);
        (rule.map_or(Detection::Ready, |rule| rule.outcome), Duration::from_millis(delay_ms))
    }

    /// The envelope, if it is the caller's: what belongs to another account is as good as absent.
    pub(super) fn envelope_of(&mut self, id: &str, caller: &Caller) -> Result<&mut Envelope, Refusal> {
        let absent = || Refusal::new(404, "not_found", "No such envelope");
        self.envelope(id).ok().filter(|envelope| envelope.org == caller.org).ok_or_else(absent)
    }

    /// The credits that this account's sends take from.
    pub(super) fn pool(&mut self, org: Option<&str>) -> &mut u64 {
        let child =
            self.orgs.values_mut().find(|known| Some(known.id.as_str()) == org && known.pays_itself());
        match child {
            Some(child) => &mut child.credits,
            None => &mut self.credits,
        }
    }

    /// Takes the credit of one send; asked only after everything else was found in order.
    pub(super) fn pay(&mut self, org: Option<&str>) -> Result<(), Refusal> {
        let pool = self.pool(org);
        *pool =
            pool.checked_sub(1).ok_or_else(|| Refusal::new(402, "credits_exhausted", "No credits left"))?;
        Ok(())
    }

    pub(super) fn not_suspended(&self, org: Option<&str>) -> Result<(), Refusal> {
        let suspended = match org {
            None => self.suspended,
            Some(id) => self.orgs.values().any(|known| known.id == id && known.is_suspended()),
        };
        if suspended { Err(Refusal::new(403, "forbidden", "Account suspended")) } else { Ok(()) }
    }

    pub(super) fn post(&mut self, mail: Mail) {
        if self.mails.len() >= MAILS_MAX {
            self.mails.pop_front();
        }
        self.mails.push_back(mail);
    }

    /// Claims an idempotency key: `Ok(None)` = go ahead, `Ok(Some)` = the answer given before.
    pub(super) fn claim(
        &mut self,
        scope: &str,
        key: &str,
        fingerprint: &str,
        window: Duration,
        now: Timestamp,
    ) -> Result<Option<(u16, Value)>, Refusal> {
        if key.len() > KEY_CHARS_MAX || !key.is_ascii() {
            return Err(Refusal::bad_request("Idempotency-Key is longer than 255 ASCII characters"));
        }
        let slot = (scope.to_owned(), key.to_owned());
        match self.remembered.get(&slot) {
            Some(Remembered::Running) => {
                return Err(Refusal::new(
                    409,
                    "conflict",
                    "A request with this Idempotency-Key is still running",
                ));
            }
            Some(Remembered::Answered { fingerprint: known, status, body, at })
                if now.since(*at) < window =>
            {
                if known == fingerprint || self.switches.other_body_replays {
                    return Ok(Some((*status, body.clone())));
                }
                let message = "Idempotency-Key was used with another request";
                return Err(Refusal::new(422, "validation_error", message));
            }
            Some(Remembered::Answered { .. }) | None => {}
        }
        self.remembered.insert(slot, Remembered::Running);
        Ok(None)
    }

    /// Keeps the answer if the request succeeded; forgets the claim otherwise, so that it can be repeated.
    pub(super) fn settle(&mut self, scope: &str, key: &str, answer: Remembered) {
        let slot = (scope.to_owned(), key.to_owned());
        match &answer {
            Remembered::Answered { status, .. } if (200..300).contains(status) => {
                self.remembered.insert(slot, answer);
            }
            Remembered::Answered { .. } | Remembered::Running => {
                self.remembered.remove(&slot);
            }
        }
    }
}
