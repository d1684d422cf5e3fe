//! A CRM with records, faults on order, and a memory of every call.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use crms::{
    Capabilities, Class, Crm, CrmError, IDS_MAX, LastChange, LastChanges, Listed, Place, Record, Wanted,
};
use domain::intake::{Actor, RecordRef};
use domain::personal::Personal;
use domain::retry::Retry;
use domain::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::SOON;

pub type Fields = BTreeMap<String, String>;

/// What becomes of the next write.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is refused and not applied.
    Refused(CrmError),
    /// It is applied, but the answer is lost.
    AnswerLost,
    /// It is applied; the answer comes once it is released.
    Held,
}

/// One call, as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A read of this record.
    Read(String),
    /// A write of these fields to this record.
    Write { id: String, fields: Fields, applied: bool, at: Instant },
}

/// The CRM. Cheap to clone.
#[derive(Clone)]
pub struct Deals {
    portal: Arc<Mutex<Portal>>,
    calls: watch::Sender<usize>,
    released: watch::Sender<bool>,
}

#[derive(Default)]
struct Portal {
    records: BTreeMap<String, Fields>,
    faults: VecDeque<Fault>,
    /// How each deal got into its stage; only then does the CRM list what changed.
    moves: Option<BTreeMap<String, Move>>,
    /// Most deals of one page of a list.
    page: usize,
    /// So many pages come, and those after them do not.
    breaks_off: Option<usize>,
    /// Records with this value are not listed.
    unlisted: Option<String>,
    /// When the last changes are read next, not those of these.
    unread: BTreeSet<String>,
    journal: Vec<Call>,
    /// Every state that record ever had, in order.
    history: Vec<(String, Fields)>,
}

/// How a deal got into its stage.
#[derive(Clone, Copy)]
struct Move {
    at: Timestamp,
    actor: Actor,
    /// When anything of the deal was last changed.
    edited_at: Timestamp,
}

impl Deals {
    /// With one deal, number 7, that a person has just moved to the stage that asks for a contract.
    pub fn new() -> Deals {
        let deals = Deals {
            portal: Arc::new(Mutex::new(Portal { page: IDS_MAX, ..Portal::default() })),
            calls: watch::Sender::default(),
            released: watch::Sender::new(false),
        };
        deals.set(
            "7",
            fields(&[
                ("dealstage", "contractsent"),
                ("pdf", "https://files.test/7.pdf"),
                ("buyer", "Dana Buyer"),
                ("email", "dana@buyer.test"),
                ("account", "70"),
            ]),
        );
        deals.set("70", Fields::new());
        deals
    }

    /// What somebody else does in the CRM.
    pub fn set(&self, id: &str, fields: Fields) {
        let mut portal = self.portal.lock();
        let record = portal.records.entry(id.to_owned()).or_default();
        record.extend(fields);
        let state = record.clone();
        portal.history.push((id.to_owned(), state));
    }

    /// From now on it lists what changed. Nothing has, so far.
    pub fn lists(&self) {
        self.portal.lock().moves.get_or_insert_default();
    }

    /// Somebody moves a deal to a stage at this time, and no webhook tells of it.
    pub fn moved(&self, id: &str, stage: &str, at: Timestamp, actor: Actor) {
        self.set(id, fields(&[("dealstage", stage)]));
        let moved = Move { at, actor, edited_at: at };
        self.portal.lock().moves.get_or_insert_default().insert(id.to_owned(), moved);
    }

    /// Somebody changes something else of a deal that was moved.
    pub fn edited(&self, id: &str, at: Timestamp) {
        let mut portal = self.portal.lock();
        let moved = portal.moves.as_mut().and_then(|moves| moves.get_mut(id));
        moved.expect("it was moved").edited_at = at;
    }

    /// From now on a page of a list has no more than so many deals.
    pub fn lists_by(&self, page: usize) {
        self.portal.lock().page = page;
    }

    /// When it is next asked for last changes, it fails to read this one's.
    pub fn fails_to_read(&self, id: &str) {
        self.portal.lock().unread.insert(id.to_owned());
    }

    /// The list breaks off after so many more pages, whoever asks, until it [goes on](Self::goes_on).
    pub fn breaks_off_after(&self, pages: usize) {
        self.portal.lock().breaks_off = Some(pages);
    }

    /// The records with this value cannot be listed, all others can.
    pub fn fails_to_list(&self, value: &str) {
        self.portal.lock().unlisted = Some(value.to_owned());
    }

    /// Every list comes again, and to its end.
    pub fn goes_on(&self) {
        let mut portal = self.portal.lock();
        (portal.breaks_off, portal.unlisted) = (None, None);
    }

    pub fn remove(&self, id: &str) {
        self.portal.lock().records.remove(id);
    }

    pub fn clear(&self, id: &str, field: &str) {
        self.portal.lock().records.get_mut(id).expect("the record").remove(field);
    }

    /// The next write, and the one after it, and so on, fail so.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        self.portal.lock().faults.extend(faults);
    }

    /// Lets held answers go.
    pub fn release(&self) {
        self.released.send_replace(true);
    }

    pub fn get(&self, id: &str) -> Fields {
        self.portal.lock().records.get(id).cloned().unwrap_or_default()
    }

    pub fn journal(&self) -> Vec<Call> {
        self.portal.lock().journal.clone()
    }

    /// Every write that took effect, in order.
    pub fn applied(&self) -> Vec<Fields> {
        let journal = self.journal().into_iter();
        journal
            .filter_map(|call| match call {
                Call::Write { fields, applied: true, .. } => Some(fields),
                Call::Write { .. } | Call::Read(_) => None,
            })
            .collect()
    }

    /// When each write was tried.
    pub fn tried_at(&self) -> Vec<Instant> {
        let journal = self.journal().into_iter();
        journal
            .filter_map(|call| match call {
                Call::Write { at, .. } => Some(at),
                Call::Read(_) => None,
            })
            .collect()
    }

    /// Every state the record ever had, in order.
    pub fn history(&self, id: &str) -> Vec<Fields> {
        let portal = self.portal.lock();
        let states = portal.history.iter().filter(|(of, _)| of == id);
        states.map(|(_, state)| state.clone()).collect()
    }

    /// Waits until the record has these fields, and others.
    pub async fn until(&self, id: &str, wanted: &[(&str, &str)]) {
        let wanted = fields(wanted);
        let has = || {
            let found = self.get(id);
            wanted.iter().all(|(field, value)| found.get(field) == Some(value))
        };
        let mut calls = self.calls.subscribe();
        let waited = tokio::time::timeout(SOON, calls.wait_for(|_| has())).await;
        assert!(waited.is_ok(), "it stays {:?}; calls: {:#?}", self.get(id), self.journal());
    }

    fn note(&self, call: Call) {
        let mut portal = self.portal.lock();
        portal.journal.push(call);
        let calls = portal.journal.len();
        drop(portal);
        self.calls.send_replace(calls);
    }

    fn apply(&self, id: &str, fields: &Fields) -> Result<(), CrmError> {
        if !self.portal.lock().records.contains_key(id) {
            return Err(gone());
        }
        self.set(id, fields.clone());
        Ok(())
    }
}

#[async_trait]
impl Crm for Deals {
    fn capabilities(&self) -> Capabilities {
        let lists_changes = self.portal.lock().moves.is_some();
        Capabilities { unique_properties: false, echoes_writes: true, lists_changes }
    }

    async fn read(&self, record: &RecordRef, properties: &[String]) -> Result<Record, CrmError> {
        let id = record.object_id.clone();
        let found = self.portal.lock().records.get(&id).cloned();
        self.note(Call::Read(id.clone()));
        let found = found.ok_or_else(gone)?;
        let properties = properties.iter().map(|name| (name.clone(), found.get(name).cloned())).collect();
        Ok(Record { id, properties, modified_at: None })
    }

    fn kind_changed_by(&self, event: &str) -> Option<String> {
        event.strip_suffix(".propertyChange").map(str::to_owned)
    }

    async fn changed_since(&self, wanted: &Wanted, place: &Place) -> Result<Listed, CrmError> {
        let mut portal = self.portal.lock();
        match portal.breaks_off {
            Some(0) => return Err(error(Class::RetryBackoff, Retry::WithBackoff, Some(503), "")),
            Some(pages) => portal.breaks_off = Some(pages - 1),
            None => {}
        }
        if portal.unlisted.as_ref().is_some_and(|value| wanted.values.contains(value)) {
            return Err(error(Class::RetryBackoff, Retry::WithBackoff, Some(503), ""));
        }
        let stands = |id: &str| {
            let value = portal.records.get(id).and_then(|record| record.get(&wanted.property));
            value.is_some_and(|value| wanted.values.contains(value))
        };
        let moves = portal.moves.iter().flatten().map(|(id, moved)| (moved.edited_at, id.clone()));
        let further = |(at, id): &(Timestamp, String)| match &place.beyond {
            Some(beyond) => (*at, id) > (place.since, beyond),
            None => *at >= place.since,
        };
        let mut found: Vec<_> = moves.filter(|one| further(one) && stands(&one.1)).collect();
        found.sort();
        let more = found.len() > portal.page;
        found.truncate(portal.page);
        let last = found.last().filter(|_| more);
        let next = last.map(|(at, id)| Place { since: *at, beyond: Some(id.clone()) });
        let newest = found.last().map(|(at, _)| *at);
        Ok(Listed { ids: found.into_iter().map(|(_, id)| id).collect(), newest, next })
    }

    async fn last_changes(&self, _: &str, property: &str, ids: &[String]) -> Result<LastChanges, CrmError> {
        let mut portal = self.portal.lock();
        let unread = std::mem::take(&mut portal.unread);
        let (failed, read): (Vec<_>, Vec<_>) = ids.iter().cloned().partition(|id| unread.contains(id));
        let last = |id: &String| {
            let Move { at: changed_at, actor, .. } = *portal.moves.as_ref()?.get(id)?;
            let value = portal.records.get(id)?.get(property)?;
            let (object_id, actor_id) = (id.clone(), String::new());
            Some(LastChange { object_id, value: Personal::new(value.clone()), changed_at, actor, actor_id })
        };
        Ok(LastChanges { found: read.iter().filter_map(last).collect(), failed })
    }

    async fn write(&self, record: &RecordRef, properties: &Fields) -> Result<(), CrmError> {
        let fault = self.portal.lock().faults.pop_front();
        let id = record.object_id.clone();
        let outcome = match &fault {
            Some(Fault::Refused(error)) => Err(error.clone()),
            Some(Fault::AnswerLost | Fault::Held) | None => self.apply(&id, properties),
        };
        let applied = outcome.is_ok();
        self.note(Call::Write { id, fields: properties.clone(), applied, at: Instant::now() });
        match fault {
            Some(Fault::AnswerLost) => Err(lost()),
            Some(Fault::Held) => {
                let mut released = self.released.subscribe();
                released.wait_for(|released| *released).await.expect("the sender lives");
                outcome
            }
            Some(Fault::Refused(_)) | None => outcome,
        }
    }
}

pub fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect()
}

/// The vendor is unwell.
pub fn unwell() -> Fault {
    Fault::Refused(error(Class::RetryBackoff, Retry::WithBackoff, Some(503), ""))
}

/// The vendor asks for a pause.
pub fn too_fast(pause: Duration) -> Fault {
    Fault::Refused(error(Class::RetryAfter, Retry::After(pause), Some(429), "RATE_LIMITS"))
}

/// The CRM does not know a property.
pub fn unknown_property() -> Fault {
    Fault::Refused(error(Class::StopConfig, Retry::Never, Some(400), "PROPERTY_DOESNT_EXIST"))
}

fn gone() -> CrmError {
    error(Class::Orphan, Retry::Never, Some(404), "")
}

fn lost() -> CrmError {
    CrmError::from(outbound::OutboundError::OutcomeUnknown)
}

fn error(class: Class, retry: Retry, http: Option<u16>, code: &str) -> CrmError {
    CrmError { class, retry, http, code: code.to_owned(), correlation_id: String::new() }
}
