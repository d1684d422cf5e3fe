//! Access by OAuth 2.0, where a vendor offers it: what is kept of it, and where.
//!
//! A refresh spends the refresh token it is made with and yields another, so two refreshes of one connection at
//! the same time would end its access for good. Whoever refreshes therefore claims it first in the store, which
//! all tasks and all replicas share, and keeps the new tokens there before anybody uses them.

use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use secrecy::SecretString;
use std::sync::Arc;
use url::Url;

/// How a connection gets its access.
#[derive(Clone)]
pub struct OAuth {
    /// The application's id at the vendor.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretString,
    /// The refresh token that a person's consent gave; later ones are in the store. Another one here, given by a
    /// new consent, takes the place of whatever the store holds.
    pub refresh_token: SecretString,
    /// Where tokens are refreshed; the vendor's usual place below the API's address if absent.
    pub token_url: Option<Url>,
    /// Where tokens are kept.
    pub tokens: Arc<dyn TokenStore>,
}

/// A pair of tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Calls are made with it, until it expires.
    pub access: SecretString,
    /// Gives the next pair, once.
    pub refresh: SecretString,
    /// SHA-256, in hex, of the configured refresh token that all this began with.
    pub consent: String,
}

/// What the store holds.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Grows with every change; 0 if nothing was ever kept.
    pub revision: u64,
    /// The newest tokens, if there were any yet.
    pub tokens: Option<Tokens>,
}

/// Where the tokens of one connection are kept, durably and sealed. All tasks and replicas share it.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// What is kept now.
    async fn load(&self) -> Result<Kept, TokenStoreError>;

    /// Makes the caller the only one who may refresh, for at most this long, and yields the revision to keep the new
    /// tokens with. [`TokenStoreError::Busy`] if what is kept is not of revision `seen` any more, or somebody else
    /// holds a claim that has not ended.
    async fn claim(&self, seen: u64, at_most: Duration) -> Result<u64, TokenStoreError>;

    /// Keeps new tokens under a claim and ends it; durable when it returns.
    async fn keep(&self, claimed: u64, tokens: &Tokens) -> Result<(), TokenStoreError>;

    /// Gives a claim back without new tokens; errors do not matter, since claims end by themselves.
    async fn give_back(&self, claimed: u64);
}

/// Why the store does not do what it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenStoreError {
    /// Somebody else is at it, or was faster.
    #[error("somebody else is refreshing the access")]
    Busy,
    /// The store does not answer, or what it holds cannot be read.
    #[error("the store of tokens does not answer")]
    Unavailable,
}

/// Tokens in memory: for tests, and where nothing is called.
#[derive(Debug, Default)]
pub struct TokensInMemory(Mutex<(u64, Option<Tokens>, bool)>);

#[async_trait]
impl TokenStore for TokensInMemory {
    async fn load(&self) -> Result<Kept, TokenStoreError> {
        let (revision, tokens, _) = &*self.0.lock();
        Ok(Kept { revision: *revision, tokens: tokens.clone() })
    }

    async fn claim(&self, seen: u64, _at_most: Duration) -> Result<u64, TokenStoreError> {
        let (revision, _, claimed) = &mut *self.0.lock();
        if *revision != seen || *claimed {
            return Err(TokenStoreError::Busy);
        }
        (*revision, *claimed) = (*revision + 1, true);
        Ok(*revision)
    }

    async fn keep(&self, claimed_at: u64, tokens: &Tokens) -> Result<(), TokenStoreError> {
        let (revision, kept, claimed) = &mut *self.0.lock();
        if *revision != claimed_at {
            return Err(TokenStoreError::Busy);
        }
        (*revision, *kept, *claimed) = (*revision + 1, Some(tokens.clone()), false);
        Ok(())
    }

    async fn give_back(&self, claimed_at: u64) {
        let (revision, _, claimed) = &mut *self.0.lock();
        *claimed = *claimed && *revision != claimed_at;
    }
}
