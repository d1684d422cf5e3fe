//! Who we are to PandaDoc: a key, or access by OAuth (pandadoc.md §1).
//!
//! An access token that the vendor refuses is refreshed once, by one caller of one replica, while the others of
//! this process wait and those of other replicas are told to come back. The new pair is kept before it is used:
//! the old refresh token is spent by then, and one that only a crashed process knew would end our access. A refresh
//! therefore outlives whoever asked for it, and a pair that could not be kept is held on to: it is kept before
//! anything else is done, and tried again until it is, or somebody has kept a newer one.

use std::sync::Arc;
use std::time::Duration;

use domain::retry::Retry;
use outbound::Request;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use signatures::sha256_hex;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::Instrument as _;
use url::Url;

use crate::calls::{Calls, json_or_null};
use crate::error::Call;
use crate::{Class, CurrentKey, Kept, OAuth, ProviderError, TokenStoreError, Tokens, reading};

/// What we ask to be allowed.
const SCOPE: &str = "read+write";
/// A claim ends after so long, if whoever made it has died: longer than a refresh may take.
const CLAIM: Duration = Duration::from_secs(60);
/// Pause while another replica refreshes.
const ELSEWHERE_PAUSE: Duration = Duration::from_millis(500);

/// Pause between tries to keep what could not be kept, and how many there are: an hour of a store that is away.
const KEEP_PAUSE: Duration = Duration::from_secs(2);
const KEEP_TRIES: u32 = 1_800;
/// Nothing is refreshed for so long after what a refresh gave was refused, unless a call is let in before.
const HOPELESS: Duration = Duration::from_secs(5 * 60);

/// Who we are.
pub(super) enum Credential {
    Key(CurrentKey),
    OAuth(Arc<Access>),
}

/// Access by OAuth.
pub(super) struct Access {
    oauth: OAuth,
    token_url: Url,
    /// Of the configured refresh token.
    consent: String,
    /// Shared with a refresh under way.
    state: Arc<Mutex<State>>,
    /// Since when what our own refresh gave is refused: another refresh would not help for now.
    hopeless: parking_lot::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct State {
    access: Option<SecretString>,
    /// Kept nowhere yet.
    unsaved: Option<Unsaved>,
    /// Our own refresh gave it.
    fresh: Option<SecretString>,
}

/// What a refresh gave, before it is kept.
struct Unsaved {
    tokens: Tokens,
    /// The claim it was made under.
    claimed: u64,
    /// What was kept then: while that stands in the store, nobody has anything newer than we.
    before: Option<Tokens>,
}

impl Credential {
    pub(super) fn new(oauth: Option<OAuth>, key: CurrentKey, calls: &Calls) -> Self {
        let Some(oauth) = oauth else { return Self::Key(key) };
        let token_url = oauth
            .token_url
            .clone()
            .unwrap_or_else(|| calls.beside(&["public", "v1"], &["oauth2", "access_token"]));
        let consent = sha256_hex(oauth.refresh_token.expose_secret().as_bytes());
        Self::OAuth(Arc::new(Access {
            oauth,
            token_url,
            consent,
            state: Arc::default(),
            hopeless: parking_lot::Mutex::default(),
        }))
    }

    /// What to say with a call now; it may take a refresh to know.
    pub(super) async fn now(&self, calls: &Arc<Calls>) -> Result<SecretString, ProviderError> {
        match self {
            Self::Key(key) => Ok(SecretString::from(format!("API-Key {}", key().expose_secret()))),
            Self::OAuth(access) => access.now(calls).await.map(|token| bearer(&token)),
        }
    }

    /// What to say instead of what was refused with 401; `None` if there is nothing else to say.
    pub(super) async fn instead_of(
        &self,
        refused: &SecretString,
        calls: &Arc<Calls>,
    ) -> Result<Option<SecretString>, ProviderError> {
        match self {
            Self::Key(_) => Ok(None),
            Self::OAuth(access) => {
                let token = access.instead_of(refused, calls).await?;
                Ok(token.map(|token| bearer(&token)))
            }
        }
    }

    /// What was said instead was refused too, which tells something only of what we refreshed ourselves: what another
    /// replica kept may have expired since.
    pub(super) async fn refused_again(&self, refused: &SecretString) {
        if let Self::OAuth(access) = self
            && access.state.lock().await.fresh.as_ref().is_some_and(|fresh| is_bearer(refused, fresh))
        {
            *access.hopeless.lock() = Some(Instant::now());
        }
    }

    /// The vendor let a call in.
    pub(super) fn accepted(&self) {
        if let Self::OAuth(access) = self {
            *access.hopeless.lock() = None;
        }
    }
}

impl Access {
    async fn now(self: &Arc<Self>, calls: &Arc<Calls>) -> Result<SecretString, ProviderError> {
        let mut state = self.state.clone().lock_owned().await;
        self.save(&mut state).await?;
        if let Some(access) = &state.access {
            return Ok(access.clone());
        }
        let kept = self.oauth.tokens.load().await.map_err(store_error)?;
        match self.of_our_consent(&kept) {
            Some(tokens) => Ok(state.access.insert(tokens.access.clone()).clone()),
            None => self.refresh(state, kept, calls).await,
        }
    }

    async fn instead_of(
        self: &Arc<Self>,
        refused: &SecretString,
        calls: &Arc<Calls>,
    ) -> Result<Option<SecretString>, ProviderError> {
        let mut state = self.state.clone().lock_owned().await;
        if let Some(access) = &state.access
            && !is_bearer(refused, access)
        {
            // another task was faster
            return Ok(Some(access.clone()));
        }
        self.save(&mut state).await?;
        let kept = self.oauth.tokens.load().await.map_err(store_error)?;
        if let Some(tokens) = self.of_our_consent(&kept)
            && !is_bearer(refused, &tokens.access)
        {
            // another replica was faster
            return Ok(Some(state.access.insert(tokens.access.clone()).clone()));
        }
        if self.hopeless.lock().is_some_and(|since| since.elapsed() < HOPELESS) {
            return Ok(None);
        }
        self.refresh(state, kept, calls).await.map(Some)
    }

    /// Makes the store hold what only we know.
    async fn save(&self, state: &mut State) -> Result<(), ProviderError> {
        let Some(unsaved) = &mut state.unsaved else { return Ok(()) };
        let mut kept = self.oauth.tokens.keep(unsaved.claimed, &unsaved.tokens).await;
        if kept == Err(TokenStoreError::Busy) {
            // Our claim has ended, and somebody had one since; with the spent token it brought nothing.
            let now = self.oauth.tokens.load().await.map_err(store_error)?;
            if !same_pair(now.tokens.as_ref(), unsaved.before.as_ref()) {
                // newer than ours: the next look at the store brings it
                (state.access, state.unsaved) = (None, None);
                return Ok(());
            }
            unsaved.claimed = self.oauth.tokens.claim(now.revision, CLAIM).await.map_err(store_error)?;
            kept = self.oauth.tokens.keep(unsaved.claimed, &unsaved.tokens).await;
        }
        kept.map_err(store_error)?;
        state.access = Some(unsaved.tokens.access.clone());
        state.fresh = state.access.clone();
        state.unsaved = None;
        Ok(())
    }

    /// Refreshes, whatever becomes of the caller meanwhile: what the vendor answers must not be lost.
    async fn refresh(
        self: &Arc<Self>,
        mut state: OwnedMutexGuard<State>,
        kept: Kept,
        calls: &Arc<Calls>,
    ) -> Result<SecretString, ProviderError> {
        let (access, calls) = (self.clone(), calls.clone());
        let work = outlasting(async move {
            let answer = access.refreshed(&mut state, kept, &calls).await;
            if state.unsaved.is_some() {
                outlasting(access.clone().hold_on());
            }
            answer
        });
        let ended = |_| Err(ProviderError::ours(Class::Transient, Retry::WithBackoff, "token_refresh_ended"));
        work.await.unwrap_or_else(ended)
    }

    async fn refreshed(
        &self,
        state: &mut State,
        kept: Kept,
        calls: &Calls,
    ) -> Result<SecretString, ProviderError> {
        let refresh = self.of_our_consent(&kept).map_or(&self.oauth.refresh_token, |tokens| &tokens.refresh);
        let claimed = self.oauth.tokens.claim(kept.revision, CLAIM).await.map_err(store_error)?;
        let tokens = match self.ask(refresh, calls).await {
            Ok(tokens) => tokens,
            Err(error) => {
                // Whether the vendor has heard us or not: the next try begins with what is kept then.
                self.oauth.tokens.give_back(claimed).await;
                return Err(error);
            }
        };
        state.unsaved = Some(Unsaved { tokens, claimed, before: kept.tokens });
        self.save(state).await?;
        let elsewhere = || store_error(TokenStoreError::Busy);
        state.access.clone().ok_or_else(elsewhere)
    }

    /// Keeps what could not be kept as soon as the store lets us, also if nobody calls any more: the connection may
    /// have been configured anew.
    async fn hold_on(self: Arc<Self>) {
        for _ in 0..KEEP_TRIES {
            tokio::time::sleep(KEEP_PAUSE).await;
            let mut state = self.state.lock().await;
            if self.save(&mut state).await.is_ok() {
                return;
            }
        }
        tracing::error!("refreshed access could not be kept; the next call tries again");
    }

    async fn ask(&self, refresh: &SecretString, calls: &Calls) -> Result<Tokens, ProviderError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &self.oauth.client_id),
            ("client_secret", self.oauth.client_secret.expose_secret()),
            ("refresh_token", refresh.expose_secret()),
            ("scope", SCOPE),
        ];
        let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let request = Request::post_form(self.token_url.clone(), "refresh_token", form);
        // The call it is for has not been made: a refresh that fails is never an unknown outcome of that call.
        let answer = calls.send(request, Call::Read).await?;
        let body = json_or_null(&answer);
        if !answer.is_success() {
            let code = reading::text(&body, &["/error", "/type"]).unwrap_or_default();
            let error = ProviderError::answered(Call::Read, answer.status, code, answer.retry_after());
            return Err(match error.class {
                // a refresh token that is dead is a consent that is gone: a person must give it again
                Class::InvalidRequest | Class::Forbidden | Class::NotFound => {
                    ProviderError { class: Class::Unauthorized, retry: Retry::Never, ..error }
                }
                Class::Unauthorized
                | Class::QuotaExhausted
                | Class::NotReady
                | Class::Conflict
                | Class::Locked
                | Class::TooLarge
                | Class::RateLimited
                | Class::OutcomeUnknown
                | Class::Transient => error,
            });
        }
        self.read(&body, refresh).ok_or_else(|| ProviderError::unreadable(Call::Read, answer.status))
    }

    fn read(&self, body: &Value, spent: &SecretString) -> Option<Tokens> {
        let secret =
            |pointer| reading::text(body, &[pointer]).map(|text| SecretString::from(text.to_owned()));
        Some(Tokens {
            access: secret("/access_token")?,
            // a vendor that does not rotate lets the old one live
            refresh: secret("/refresh_token").unwrap_or_else(|| spent.clone()),
            consent: self.consent.clone(),
        })
    }

    /// What is kept, if it began with the consent that is configured now.
    fn of_our_consent<'a>(&self, kept: &'a Kept) -> Option<&'a Tokens> {
        kept.tokens.as_ref().filter(|tokens| tokens.consent == self.consent)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it outlives the call that began it, which alone waits for it; it is bounded, and ends with the process"
)]
fn outlasting<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(work.in_current_span())
}

fn same_pair(one: Option<&Tokens>, other: Option<&Tokens>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same(&one.access, &other.access) && same(&one.refresh, &other.refresh),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn bearer(token: &SecretString) -> SecretString {
    SecretString::from(format!("Bearer {}", token.expose_secret()))
}

fn is_bearer(value: &SecretString, token: &SecretString) -> bool {
    same(value, &bearer(token))
}

fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

/// The call was not made: once more in a moment.
fn store_error(error: TokenStoreError) -> ProviderError {
    match error {
        TokenStoreError::Busy => {
            ProviderError::ours(Class::Transient, Retry::After(ELSEWHERE_PAUSE), "token_refresh_elsewhere")
        }
        TokenStoreError::Unavailable => {
            ProviderError::ours(Class::Transient, Retry::WithBackoff, "token_store_unavailable")
        }
    }
}
