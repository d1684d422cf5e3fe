//! One workspace as all handlers see it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use domain::time::Timestamp;
use http::{HeaderMap, StatusCode, header};
use parking_lot::{Mutex, MutexGuard};
use secrecy::ExposeSecret;
use simulation::{Kit, clock};

use super::oauth::Access;
use super::state::{Document, Recipient, Told};
use super::subscriptions::Subscription;
use super::webhooks::{Batches, Deliveries};
use super::words::{Event, Refusal, Status};
use super::{Settings, Switches};

const DOCUMENTS_MAX: usize = 500_000;

/// What a call counts as in the rate limits (contract §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    CreateFromPdf,
    CreateFromTemplate,
    Send,
    Details,
    Other,
    Download,
    DownloadProtected,
}

impl Action {
    const fn per_minute(self) -> usize {
        match self {
            Self::CreateFromPdf | Self::Download => 50,
            Self::CreateFromTemplate | Self::Details | Self::DownloadProtected => 300,
            Self::Send => 200,
            Self::Other => 2_000,
        }
    }
}

pub(super) struct Workspace {
    pub documents: HashMap<String, Document>,
    /// Document ids in order of creation.
    pub order: Vec<String>,
    pub subscriptions: Vec<Arc<Mutex<Subscription>>>,
    pub switches: Switches,
    pub deliveries: Deliveries,
    pub batches: Batches,
    pub access: Access,
    calls: HashMap<Action, VecDeque<Timestamp>>,
    /// Grows with every reset, so that delayed work knows it is out of date.
    pub epoch: u64,
}

#[derive(Clone)]
pub(super) struct Account(Arc<Inner>);

struct Inner {
    kit: Kit,
    workspace: Mutex<Workspace>,
    keys: HashSet<String>,
    public_url: String,
}

impl Account {
    pub(super) fn new(kit: Kit, settings: Settings, addr: SocketAddr) -> Self {
        let subscription = settings.subscription.clone();
        let switches = settings.switches;
        let app = settings.oauth.clone();
        let fresh = move |kit: &Kit, epoch: u64| Workspace {
            documents: HashMap::new(),
            order: vec![],
            subscriptions: subscription
                .iter()
                .map(|(url, key)| {
                    Subscription::new(kit.ids().uuid(), "pre-made", url.clone(), key.expose_secret())
                })
                .map(|subscription| Arc::new(Mutex::new(subscription)))
                .collect(),
            switches,
            deliveries: Deliveries::default(),
            batches: Batches::default(),
            access: Access::new(app.clone()),
            calls: HashMap::new(),
            epoch,
        };
        let account = Self(Arc::new(Inner {
            workspace: Mutex::new(fresh(&kit, 0)),
            keys: settings.api_keys.iter().map(|key| key.expose_secret().to_owned()).collect(),
            public_url: settings.public_url.unwrap_or_else(|| format!("http://{addr}")),
            kit: kit.clone(),
        }));
        let reset = Arc::downgrade(&account.0);
        kit.on_reset(move |_seed| {
            if let Some(inner) = reset.upgrade() {
                let mut workspace = inner.workspace.lock();
                *workspace = fresh(&inner.kit, workspace.epoch + 1);
            }
        });
        account
    }

    pub(super) fn kit(&self) -> &Kit {
        &self.0.kit
    }

    pub(super) fn workspace(&self) -> MutexGuard<'_, Workspace> {
        self.0.workspace.lock()
    }

    pub(super) fn document_link(&self, id: &str) -> String {
        format!("{}/documents/{id}", self.0.public_url)
    }

    pub(super) fn shared_link(&self, document: &Document, recipient: &Recipient) -> String {
        let out = matches!(document.status, Status::Draft | Status::Uploaded | Status::Error);
        if out {
            String::new()
        } else {
            format!("{}/documents/{}?recipient={}", self.0.public_url, document.id, recipient.id)
        }
    }

    /// Lets a call in: a known key, and a place within the limits.
    pub(super) fn enter(&self, headers: &HeaderMap, action: Action) -> Result<(), Refusal> {
        let credential =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut workspace = self.workspace();
        let (now, minute) = (clock::now(), self.0.kit.scaled(Duration::from_secs(60)));
        let bearer = credential.strip_prefix("Bearer ");
        let by_token = bearer.is_some_and(|token| workspace.access.lets_in(token.trim(), now));
        let key = credential.strip_prefix("API-Key ").or(bearer);
        if !by_token && !key.is_some_and(|key| self.0.keys.contains(key.trim())) {
            return Err(Refusal::new(
                401,
                "authentication_error",
                "Authentication credentials were not provided.",
            ));
        }
        if !workspace.switches.rate_limit && !workspace.switches.sandbox {
            return Ok(());
        }
        let limit = if workspace.switches.sandbox { 10 } else { action.per_minute() };
        let calls = workspace.calls.entry(action).or_default();
        while calls.front().is_some_and(|first| now.since(*first) >= minute) {
            calls.pop_front();
        }
        if calls.len() >= limit {
            let free = calls.front().map_or(minute, |first| minute.saturating_sub(now.since(*first)));
            let refusal = Refusal::new(429, "throttled", "Request was throttled.");
            return Err(Refusal { retry_after: Some(free), ..refusal });
        }
        calls.push_back(now);
        Ok(())
    }

    /// Runs a transition and tells the subscribers what came of it.
    pub(super) fn change<T>(
        &self,
        workspace: &mut Workspace,
        id: &str,
        transition: impl FnOnce(&mut Document) -> Result<Told, Refusal>,
        answer: impl FnOnce(&Document) -> T,
    ) -> Result<T, Refusal> {
        let document = workspace.documents.get_mut(id).ok_or_else(Refusal::not_found)?;
        let was = document.status;
        let told = transition(document)?;
        let (status, answer) = (document.status, answer(document));
        self.tell(workspace, id, &told);
        if status.is_finished() && was != status {
            self.seal_later(workspace, id);
        }
        let life_ms = workspace.switches.expires_after_ms;
        if status == Status::Sent && was != status && life_ms > 0 {
            self.expire_later(workspace, id, Duration::from_millis(life_ms));
        }
        Ok(answer)
    }

    /// Its time runs out, unless it is done by then or was sent anew.
    fn expire_later(&self, workspace: &mut Workspace, id: &str, life: Duration) {
        let (due, epoch) = (clock::now().after(life), workspace.epoch);
        if let Some(document) = workspace.documents.get_mut(id) {
            document.expires_at = Some(due);
        }
        let (account, id) = (self.clone(), id.to_owned());
        self.kit().spawn(async move {
            tokio::time::sleep(life).await;
            let workspace = &mut *account.workspace();
            let still = |document: &Document| document.status.is_out() && document.expires_at == Some(due);
            if workspace.epoch == epoch && workspace.documents.get(&id).is_some_and(still) {
                // it is out, so it may expire
                let _ = account.change(workspace, &id, |document| document.expire(clock::now()), |_| ());
            }
        });
    }

    /// The sealed PDF appears a little after completion, with an event of its own.
    fn seal_later(&self, workspace: &Workspace, id: &str) {
        let (pause, epoch) = (Duration::from_millis(workspace.switches.pdf_delay_ms), workspace.epoch);
        let (account, id) = (self.clone(), id.to_owned());
        self.kit().spawn(async move {
            tokio::time::sleep(pause).await;
            let workspace = &mut *account.workspace();
            let done = |document: &Document| document.status.is_finished();
            if workspace.epoch == epoch && workspace.documents.get(&id).is_some_and(done) {
                account.tell(workspace, &id, &[(Event::PdfReady, None)]);
            }
        });
    }

    /// Takes a new document in and, after the delay, lets it become what it becomes.
    pub(super) fn take_in(&self, workspace: &mut Workspace, document: Document) -> Result<(), Refusal> {
        if workspace.documents.len() >= DOCUMENTS_MAX {
            return Err(Refusal::new(503, "request_error", "the simulator is full"));
        }
        let (id, due, epoch) = (document.id.clone(), document.creation.1, workspace.epoch);
        let pause = due.since(document.created_at);
        workspace.order.push(id.clone());
        workspace.documents.insert(id.clone(), document);
        let account = self.clone();
        self.kit().spawn(async move {
            tokio::time::sleep(pause).await;
            let workspace = &mut *account.workspace();
            if workspace.epoch == epoch {
                // The document may be gone by now.
                let _ = account.change(workspace, &id, |document| Ok(document.created(clock::now())), |_| ());
            }
        });
        Ok(())
    }
}

impl Workspace {
    /// The document, once it can be found.
    pub(super) fn found(&self, id: &str) -> Result<&Document, Refusal> {
        let hidden = Duration::from_millis(self.switches.not_found_first_ms);
        let document =
            self.documents.get(id).filter(|document| clock::now().since(document.created_at) >= hidden);
        document.ok_or_else(Refusal::not_found)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body)).into_response();
        if let Some(pause) = self.retry_after {
            let seconds = pause.as_millis().div_ceil(1_000).to_string();
            if let Ok(value) = seconds.parse() {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        response
    }
}
