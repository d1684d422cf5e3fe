//! A scripted provider: remembers envelopes and keys like the real ones, fails as told, journals every call.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use domain::envelope::Detection;
use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::intake::Claim;
use domain::parties::Parties;
use domain::personal::Personal;
use domain::retry::Retry;
use domain::time::Timestamp;
use parking_lot::Mutex;
use providers::{
    Capabilities, Changed, Class, CreateOrder, Created, CreditTerms, ENVELOPE_ID_KEY, FieldEdit, Page,
    Provider, ProviderError, Snapshot, Source,
};
use tokio::sync::watch;

use super::drafts::snapshot;
pub use super::drafts::{Draft, draft, error};

/// How the next call of a kind ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Refused with this class; nothing happened.
    Refuse(Class),
    /// Refused because somebody has it open, for so long; nothing happened.
    Lock(Duration),
    /// It happened, but the answer is lost.
    LoseAnswer,
    /// It happened, but the answer comes only once the gate is opened.
    Gate,
}

/// Entries of a page of changes.
const PAGE: usize = 3;

#[derive(Default)]
struct State {
    drafts: BTreeMap<String, Draft>,
    keys: HashMap<String, String>,
    faults: HashMap<&'static str, VecDeque<Fault>>,
    journal: Vec<String>,
    credits: Option<u32>,
    detection: Option<Detection>,
    loses_gated: bool,
    lists: bool,
    refuses_edits: bool,
    broken: BTreeSet<String>,
    search_lag: Duration,
    way: Option<&'static str>,
    made: HashMap<String, Instant>,
}

/// A cheap handle to the scripted provider.
#[derive(Clone)]
pub struct Scripted {
    state: Arc<Mutex<State>>,
    changes: watch::Sender<usize>,
    gate: watch::Sender<bool>,
    keys: bool,
}

impl Scripted {
    pub fn new(keys: bool) -> Self {
        Self { state: Arc::default(), changes: watch::Sender::new(0), gate: watch::Sender::new(false), keys }
    }

    /// Lets the next calls of `call` end like this.
    pub fn fail(&self, call: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.state.lock().faults.entry(call).or_default().extend(faults);
    }

    /// How many sends are left; `None` for no end.
    pub fn credits(&self, credits: Option<u32>) {
        self.state.lock().credits = credits;
    }

    /// What detection of new drafts ends with at once.
    pub fn detects(&self, detection: Detection) {
        self.state.lock().detection = Some(detection);
    }

    /// From now on it lists what changed, and reopens.
    pub fn lists(&self) {
        self.state.lock().lists = true;
    }

    /// From now on it cannot edit fields.
    pub fn refuses_edits(&self) {
        self.state.lock().refuses_edits = true;
    }

    /// This one cannot be read, however often it is asked for.
    pub fn breaks(&self, id: &str) {
        self.state.lock().broken.insert(id.to_owned());
    }

    /// From now on its search finds nothing that is younger than this.
    pub fn finds_after(&self, lag: Duration) {
        self.state.lock().search_lag = lag;
    }

    /// From now on uploads travel in this way, and every way has keys of its own.
    pub fn uploads_by(&self, way: &'static str) {
        self.state.lock().way = Some(way);
    }

    /// The window of the keys is over.
    pub fn forget_keys(&self) {
        self.state.lock().keys.clear();
    }

    /// The script is over: what comes goes well.
    pub fn mend(&self) {
        let mut state = self.state.lock();
        state.faults.clear();
        state.broken.clear();
    }

    pub fn open_gate(&self) {
        self.gate.send_replace(true);
    }

    /// What waited at the gate is answered by nobody.
    pub fn lose_gated(&self) {
        self.state.lock().loses_gated = true;
    }

    /// Every call so far: its name and key.
    pub fn journal(&self) -> Vec<String> {
        self.state.lock().journal.clone()
    }

    /// How many calls begin like this.
    pub fn calls(&self, beginning: &str) -> usize {
        self.state.lock().journal.iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// The envelopes at the provider.
    pub fn drafts(&self) -> BTreeMap<String, Draft> {
        self.state.lock().drafts.clone()
    }

    /// What people do at the provider.
    pub fn change(&self, id: &str, change: impl FnOnce(&mut Draft)) {
        change(self.state.lock().drafts.get_mut(id).expect("the test names a known draft"));
    }

    /// A document that sales made at the provider.
    pub fn add(&self, id: &str, draft: Draft) {
        self.state.lock().drafts.insert(id.to_owned(), draft);
    }

    /// Waits until the journal fits.
    pub async fn until(&self, fits: impl Fn(&Scripted) -> bool) {
        let mut changes = self.changes.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            while !fits(self) {
                changes.changed().await.expect("the provider lives as long as the test");
            }
        });
        assert!(waited.await.is_ok(), "the provider saw only {:#?}", self.journal());
    }

    fn enter(&self, call: &'static str, line: String) -> Option<Fault> {
        let mut state = self.state.lock();
        state.journal.push(line);
        let fault = state.faults.get_mut(call).and_then(VecDeque::pop_front);
        drop(state);
        self.changes.send_modify(|calls| *calls += 1);
        fault
    }

    async fn leave(&self, fault: Option<Fault>) -> Result<(), ProviderError> {
        match fault {
            Some(Fault::LoseAnswer) => Err(error(Class::OutcomeUnknown)),
            Some(Fault::Gate) => {
                let opened = self.gate.subscribe().wait_for(|open| *open).await.is_ok();
                assert!(opened, "the gate is opened before the test ends");
                if self.state.lock().loses_gated { Err(error(Class::OutcomeUnknown)) } else { Ok(()) }
            }
            Some(Fault::Refuse(_) | Fault::Lock(_)) | None => Ok(()),
        }
    }

    fn known(&self, id: &ProviderEnvelopeId) -> Result<Draft, ProviderError> {
        self.state.lock().drafts.get(id.as_str()).cloned().ok_or_else(|| error(Class::NotFound))
    }
}

#[async_trait]
impl Provider for Scripted {
    fn capabilities(&self) -> Capabilities {
        let lists = self.state.lock().lists;
        let edits_fields = !self.state.lock().refuses_edits;
        Capabilities {
            idempotency_keys: self.keys,
            key_window: if self.keys { Duration::from_secs(86_400) } else { Duration::ZERO },
            search_lag: self.state.lock().search_lag,
            reopens: lists,
            strictly_sequential: true,
            auto_send: true,
            detects_fields: true,
            edits_fields,
            review_link: true,
            templates: true,
            document_urls: true,
            uploads: true,
            docx_uploads: true,
            upload_bytes_max: 25 * 1024 * 1024,
            lists_changes: lists,
            replays_deliveries: false,
            subscriptions: false,
        }
    }

    fn credits(&self) -> Option<CreditTerms> {
        Some(CreditTerms { refunded_if_untouched: true, known: Some((10, Timestamp(1_800_000_000_000))) })
    }

    fn upload_way(&self) -> Option<&'static str> {
        self.state.lock().way
    }

    async fn create(&self, order: &CreateOrder, key: &str) -> Result<Created, ProviderError> {
        let fault = self.enter("create", format!("create {key}"));
        if let Some(Fault::Refuse(class)) = fault {
            return Err(error(class));
        }
        let id = {
            let mut state = self.state.lock();
            let upload = matches!(order.source, Source::Upload { .. });
            let way = order.way.clone().or(state.way.map(str::to_owned)).filter(|_| upload);
            let key = format!("{key}{}", way.unwrap_or_default());
            let remembered = state.keys.get(&key).filter(|_| self.keys).cloned();
            match remembered {
                Some(id) => id,
                None => {
                    let id = format!("p-{}", state.drafts.len() + 1);
                    let mut made = draft(
                        if order.auto_send { Claim::Sent } else { Claim::Draft },
                        order.parties.total(),
                    );
                    made.detection = state.detection.unwrap_or(Detection::Ready);
                    made.correlation.clone_from(&order.correlation);
                    state.drafts.insert(id.clone(), made);
                    state.made.insert(id.clone(), Instant::now());
                    state.keys.insert(key, id.clone());
                    id
                }
            }
        };
        self.leave(fault).await?;
        Ok(Created {
            provider_id: id.parse().expect("a short id"),
            review_link: Some(Personal::new(format!("https://provider.test/review/{id}?rt=secret"))),
            sent: order.auto_send,
        })
    }

    async fn find(&self, envelope_id: &EnvelopeId, _: &str) -> Result<Option<Snapshot>, ProviderError> {
        self.enter("find", format!("find {envelope_id}"));
        let wanted = envelope_id.to_string();
        let drafts = self.drafts();
        let state = self.state.lock();
        let young = |id: &str| state.made.get(id).is_some_and(|made| made.elapsed() < state.search_lag);
        let ours = |draft: &Draft| draft.correlation.get(ENVELOPE_ID_KEY) == Some(&wanted);
        let found = drafts.iter().find(|(id, draft)| ours(draft) && !young(id));
        Ok(found.map(|(id, draft)| snapshot(id, draft)))
    }

    async fn snapshot(&self, id: &ProviderEnvelopeId) -> Result<Snapshot, ProviderError> {
        if let Some(Fault::Refuse(class)) = self.enter("snapshot", format!("snapshot {id}")) {
            return Err(error(class));
        }
        if self.state.lock().broken.contains(id.as_str()) {
            return Err(error(Class::Transient));
        }
        Ok(snapshot(id.as_str(), &self.known(id)?))
    }

    async fn send(
        &self,
        id: &ProviderEnvelopeId,
        _: &Parties,
        fields_version: Option<u64>,
        key: &str,
    ) -> Result<(), ProviderError> {
        let fault = self.enter("send", format!("send {id} {key}"));
        if let Some(Fault::Refuse(class)) = fault {
            return Err(error(class));
        }
        if let Some(Fault::Lock(ends)) = fault {
            return Err(ProviderError { retry: Retry::After(ends), ..error(Class::Locked) });
        }
        let known = self.known(id)?;
        if !self.state.lock().keys.contains_key(key) {
            let draft = known.claim == Claim::Draft;
            if !draft || known.detection == Detection::Pending || fields_version != Some(known.fields_version)
            {
                return Err(error(Class::Conflict));
            }
            let mut state = self.state.lock();
            match &mut state.credits {
                Some(0) => return Err(error(Class::QuotaExhausted)),
                Some(credits) => *credits -= 1,
                None => {}
            }
            state.keys.insert(key.to_owned(), id.to_string());
            state.drafts.get_mut(id.as_str()).expect("known above").claim = Claim::Sent;
            state.journal.push(format!("sent {id}"));
        }
        self.changes.send_modify(|calls| *calls += 1);
        self.leave(fault).await
    }

    async fn edit_fields(
        &self,
        id: &ProviderEnvelopeId,
        fields_version: u64,
        edits: &[FieldEdit],
    ) -> Result<u64, ProviderError> {
        let fault = self.enter("edit", format!("edit {id} {fields_version} {}", edits.len()));
        if let Some(Fault::Refuse(class)) = fault {
            return Err(error(class));
        }
        if self.known(id)?.fields_version != fields_version {
            return Err(error(Class::Conflict));
        }
        self.change(id.as_str(), |draft| draft.fields_version += 1);
        self.leave(fault).await?;
        Ok(fields_version + 1)
    }

    async fn reopen(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        let fault = self.enter("reopen", format!("reopen {id}"));
        if let Some(Fault::Refuse(class)) = fault {
            return Err(error(class));
        }
        self.known(id)?;
        self.change(id.as_str(), |draft| {
            (draft.claim, draft.signed) = (Claim::Draft, 0);
            draft.revision = Some(draft.revision.unwrap_or(0) + 1);
        });
        self.leave(fault).await
    }

    async fn remind(&self, id: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        match self.enter("remind", format!("remind {id}")) {
            Some(Fault::Refuse(class)) => Err(error(class)),
            fault => self.leave(fault).await,
        }
    }

    async fn void(&self, id: &ProviderEnvelopeId, _: &str) -> Result<(), ProviderError> {
        let fault = self.enter("void", format!("void {id}"));
        if matches!(self.known(id)?.claim, Claim::Completed | Claim::Voided | Claim::Declined { .. }) {
            return Err(error(Class::Conflict));
        }
        self.change(id.as_str(), |draft| draft.claim = Claim::Voided);
        self.leave(fault).await
    }

    async fn download(&self, id: &ProviderEnvelopeId) -> Result<Bytes, ProviderError> {
        if let Some(Fault::Refuse(class)) = self.enter("download", format!("download {id}")) {
            return Err(error(class));
        }
        Ok(Bytes::from(format!("%PDF-1.7 signed {id}")))
    }

    async fn changed_since(&self, since: Timestamp, page: u32) -> Result<Page<Changed>, ProviderError> {
        if let Some(Fault::Refuse(class)) = self.enter("changed", format!("changed {} {page}", since.0)) {
            return Err(error(class));
        }
        let mut changed: Vec<Changed> = self
            .drafts()
            .iter()
            .filter(|(_, draft)| draft.revision.is_some_and(|at| at >= since.0))
            .map(|(id, draft)| Changed {
                provider_id: id.parse().expect("a short id"),
                claim: draft.claim.clone(),
                revision: draft.revision,
            })
            .collect();
        changed.sort_by_key(|item| item.revision);
        let first = PAGE * (page as usize - 1);
        let items: Vec<Changed> = changed.into_iter().skip(first).take(PAGE).collect();
        Ok(Page { more: items.len() == PAGE, items, unread: Vec::new() })
    }
}
