//! A vendor whose deliveries did not arrive. It can be asked for them, and for its subscription; nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use domain::parties::Parties;
use domain::retry::Retry;
use domain::time::Timestamp;
use parking_lot::Mutex;
use providers::{
    Capabilities, Class, CreateOrder, Created, MissedDelivery, Page, Provider, ProviderError, Snapshot,
    Subscription, SubscriptionStanding,
};

use super::vendors;

/// Deliveries of a page.
const PAGE: usize = 2;

#[derive(Default)]
struct State {
    missed: Vec<MissedDelivery>,
    standing: Option<SubscriptionStanding>,
    activated: usize,
    listed: usize,
    down: bool,
    unreadable: BTreeSet<String>,
}

/// A cheap handle to the vendor.
#[derive(Clone, Default)]
pub struct Absentee(Arc<Mutex<State>>);

impl Absentee {
    /// A vendor whose subscription stands like this; `None` is no subscription.
    pub fn new(standing: Option<SubscriptionStanding>) -> Absentee {
        Absentee(Arc::new(Mutex::new(State { standing, ..State::default() })))
    }

    /// Could not deliver this body, signed as the vendor signs.
    pub fn misses(&self, id: &str, made_at: Timestamp, body: &[u8]) {
        let signed = vendors::pandadoc(body).path_and_query;
        let query = signed.split_once('?').expect("the signature stands in the query").1.to_owned();
        self.misses_as(id, made_at, body, query);
    }

    /// Could not deliver this body, with this query.
    pub fn misses_as(&self, id: &str, made_at: Timestamp, body: &[u8], query: String) {
        let body = Bytes::copy_from_slice(body);
        // It is known by its name in the list, which need not be the one it had.
        let headers = vec![("x-pandadoc-webhook-event-id".to_owned(), id.as_bytes().to_vec())];
        let missed = MissedDelivery { id: id.to_owned(), made_at, query, headers, body };
        self.0.lock().missed.push(missed);
    }

    pub fn standing(&self) -> Option<SubscriptionStanding> {
        self.0.lock().standing
    }

    /// How often its subscription was turned on.
    pub fn activated(&self) -> usize {
        self.0.lock().activated
    }

    /// Answers nothing, or answers again.
    pub fn is_down(&self, down: bool) {
        self.0.lock().down = down;
    }

    /// Lists this delivery before all others.
    pub fn moves_to_front(&self, id: &str) {
        self.0.lock().missed.sort_by_key(|missed| missed.id != id);
    }

    /// Lists this delivery, but shows it not; or shows it again.
    pub fn shows(&self, id: &str, shown: bool) {
        let mut state = self.0.lock();
        if shown {
            state.unreadable.remove(id);
        } else {
            state.unreadable.insert(id.to_owned());
        }
    }

    fn answers(&self) -> Result<(), ProviderError> {
        if self.0.lock().down { Err(error(Class::Transient)) } else { Ok(()) }
    }
}

fn error(class: Class) -> ProviderError {
    ProviderError { class, retry: Retry::WithBackoff, http: None, code: "scripted".to_owned(), detail: None }
}

#[async_trait]
impl Provider for Absentee {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            idempotency_keys: false,
            key_window: Duration::ZERO,
            search_lag: Duration::ZERO,
            reopens: true,
            strictly_sequential: true,
            auto_send: false,
            detects_fields: false,
            edits_fields: false,
            review_link: false,
            templates: false,
            document_urls: false,
            uploads: false,
            docx_uploads: false,
            upload_bytes_max: 0,
            lists_changes: false,
            replays_deliveries: true,
            subscriptions: true,
        }
    }

    async fn create(&self, _: &CreateOrder, _: &str) -> Result<Created, ProviderError> {
        Err(error(Class::Forbidden))
    }

    async fn find(&self, _: &EnvelopeId, _: &str) -> Result<Option<Snapshot>, ProviderError> {
        Err(error(Class::Forbidden))
    }

    async fn snapshot(&self, _: &ProviderEnvelopeId) -> Result<Snapshot, ProviderError> {
        Err(error(Class::Forbidden))
    }

    async fn send(
        &self,
        _: &ProviderEnvelopeId,
        _: &Parties,
        _: Option<u64>,
        _: &str,
    ) -> Result<(), ProviderError> {
        Err(error(Class::Forbidden))
    }

    async fn remind(&self, _: &ProviderEnvelopeId) -> Result<(), ProviderError> {
        Err(error(Class::Forbidden))
    }

    async fn void(&self, _: &ProviderEnvelopeId, _: &str) -> Result<(), ProviderError> {
        Err(error(Class::Forbidden))
    }

    async fn download(&self, _: &ProviderEnvelopeId) -> Result<Bytes, ProviderError> {
        Err(error(Class::Forbidden))
    }

    async fn missed_deliveries(
        &self,
        since: Timestamp,
        page: u32,
    ) -> Result<Page<MissedDelivery>, ProviderError> {
        self.answers()?;
        let mut state = self.0.lock();
        state.listed += 1;
        let state = &*state;
        let all = state.missed.iter().filter(|missed| missed.made_at >= since);
        let page: Vec<_> = all.skip(PAGE * (page as usize - 1)).take(PAGE).cloned().collect();
        let more = page.len() == PAGE;
        let unreadable = |missed: &MissedDelivery| state.unreadable.contains(&missed.id);
        let (unread, items): (Vec<_>, Vec<_>) = page.into_iter().partition(unreadable);
        if items.is_empty() && !unread.is_empty() {
            return Err(error(Class::Transient));
        }
        Ok(Page { more, items, unread: unread.iter().map(|missed| missed.made_at).collect() })
    }

    async fn subscription(&self) -> Result<Option<Subscription>, ProviderError> {
        self.answers()?;
        Ok(self.standing().map(|standing| Subscription { id: "sub-1".to_owned(), standing }))
    }

    async fn activate_subscription(&self, id: &str) -> Result<(), ProviderError> {
        assert_eq!(id, "sub-1");
        let mut state = self.0.lock();
        state.activated += 1;
        state.standing = Some(SubscriptionStanding::Active);
        Ok(())
    }
}
