//! Where tokens of OAuth are kept: sealed, in the state beside the log, shared by all replicas.

use async_trait::async_trait;
use contracts::seal::{Opener, Sealer};
use domain::ids::{ConnectionId, EventId};
use event_log::{EventLog, Revision, StateError};
use providers::{Kept, TokenStore, TokenStoreError, Tokens};
use runtime::clock::Clock;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// The tokens of one connection.
pub struct TokensBesideLog {
    log: EventLog,
    clock: Clock,
    /// The place in the state, and the name of the key it is sealed with.
    name: String,
    /// What the sealed text is bound to.
    bound_to: EventId,
}

/// What stands in the state, sealed.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Record {
    /// Milliseconds since 1970 up to which a refresh is claimed.
    claimed_until: Option<i64>,
    tokens: Option<Pair>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Pair {
    access: String,
    refresh: String,
    consent: String,
}

impl TokensBesideLog {
    /// The tokens of this connection.
    pub fn new(log: EventLog, clock: Clock, connection: &ConnectionId) -> Self {
        let name = format!("oauth/{connection}");
        let digest: [u8; 32] = Sha256::digest(&name).into();
        let [id @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = digest;
        Self { log, clock, name, bound_to: EventId::from_bytes(id) }
    }

    async fn read(&self) -> Result<(u64, Record), TokenStoreError> {
        let Some(entry) = self.log.state().get(&self.name).await.map_err(|error| refused(&error))? else {
            return Ok((0, Record::default()));
        };
        let key = self.log.keys().find(&self.name).await.map_err(|_| TokenStoreError::Unavailable)?;
        let opener = Opener::new(key.as_ref().map(event_log::DataKey::as_bytes));
        let opened = opener.open_blob(&self.bound_to, &entry.value);
        // what cannot be opened any more was erased: access begins anew with the configured token
        let record = opened.ok().flatten().and_then(|text| serde_json::from_slice(&text).ok());
        Ok((entry.revision.0, record.unwrap_or_default()))
    }

    async fn write(&self, seen: u64, record: &Record) -> Result<u64, TokenStoreError> {
        let key = self.log.keys().key(&self.name).await.map_err(|_| TokenStoreError::Unavailable)?;
        let text = serde_json::to_vec(record).expect("invariant: the record is plain text and numbers");
        let sealed = Sealer::new(key.as_bytes()).seal_blob(&self.bound_to, &text);
        let expected = (seen > 0).then_some(Revision(seen));
        let put = self.log.state().put(&self.name, expected, sealed.into()).await;
        put.map(|revision| revision.0).map_err(|error| refused(&error))
    }
}

#[async_trait]
impl TokenStore for TokensBesideLog {
    async fn load(&self) -> Result<Kept, TokenStoreError> {
        let (revision, record) = self.read().await?;
        let tokens = record.tokens.map(|pair| Tokens {
            access: SecretString::from(pair.access),
            refresh: SecretString::from(pair.refresh),
            consent: pair.consent,
        });
        Ok(Kept { revision, tokens })
    }

    async fn claim(&self, seen: u64, at_most: Duration) -> Result<u64, TokenStoreError> {
        let (revision, record) = self.read().await?;
        let now = self.clock.now();
        let claimed = record.claimed_until.is_some_and(|until| now.0 < until);
        if revision != seen || claimed {
            return Err(TokenStoreError::Busy);
        }
        let record = Record { claimed_until: Some(now.after(at_most).0), ..record };
        self.write(revision, &record).await
    }

    async fn keep(&self, claimed: u64, tokens: &Tokens) -> Result<(), TokenStoreError> {
        let pair = Pair {
            access: tokens.access.expose_secret().to_owned(),
            refresh: tokens.refresh.expose_secret().to_owned(),
            consent: tokens.consent.clone(),
        };
        self.write(claimed, &Record { claimed_until: None, tokens: Some(pair) }).await.map(drop)
    }

    async fn give_back(&self, claimed: u64) {
        if let Ok((revision, record)) = self.read().await
            && revision == claimed
        {
            // a claim that stays ends by itself
            let _ = self.write(claimed, &Record { claimed_until: None, ..record }).await;
        }
    }
}

fn refused(error: &StateError) -> TokenStoreError {
    match error {
        StateError::Conflict => TokenStoreError::Busy,
        StateError::NotAllowed | StateError::Store(_) => TokenStoreError::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use event_log::{EmbeddedSettings, Settings};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn tokens(number: u32) -> Tokens {
        let secret = |kind: &str| SecretString::from(format!("{kind}-{number}"));
        Tokens { access: secret("access"), refresh: secret("refresh"), consent: "c".to_owned() }
    }

    async fn log(directory: &std::path::Path) -> EventLog {
        EventLog::open(Settings::Embedded(EmbeddedSettings::in_dir(directory))).await.unwrap()
    }

    fn store(log: &EventLog) -> TokensBesideLog {
        TokensBesideLog::new(log.clone(), Clock::system(), &"office-main".parse().unwrap())
    }

    #[tokio::test]
    async fn of_two_replicas_one_refreshes_and_the_other_finds_its_tokens() {
        let directory = tempfile::tempdir().unwrap();
        let log = log(directory.path()).await;
        let (one, other) = (store(&log), store(&log));
        let seen = one.load().await.unwrap().revision;
        let claimed = one.claim(seen, PATIENCE).await.unwrap();
        assert_eq!(other.claim(seen, PATIENCE).await.unwrap_err(), TokenStoreError::Busy);
        let meanwhile = other.load().await.unwrap().revision;
        assert_eq!(other.claim(meanwhile, PATIENCE).await.unwrap_err(), TokenStoreError::Busy);
        one.keep(claimed, &tokens(1)).await.unwrap();
        let found = other.load().await.unwrap();
        assert_eq!(found.tokens.unwrap().access.expose_secret(), "access-1");
        assert!(other.claim(found.revision, PATIENCE).await.is_ok());
    }

    #[tokio::test]
    async fn a_claim_given_back_or_run_out_leaves_the_tokens_and_can_be_taken() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(&log(directory.path()).await);
        let claimed = store.claim(0, PATIENCE).await.unwrap();
        store.keep(claimed, &tokens(1)).await.unwrap();
        let dead = store.claim(store.load().await.unwrap().revision, Duration::ZERO).await.unwrap();
        let claimed = store.claim(dead, PATIENCE).await.unwrap();
        assert_eq!(
            store.keep(dead, &tokens(2)).await.unwrap_err(),
            TokenStoreError::Busy,
            "it came too late"
        );
        store.give_back(claimed).await;
        let kept = store.load().await.unwrap();
        assert_eq!(kept.tokens.unwrap().refresh.expose_secret(), "refresh-1");
        assert!(store.claim(kept.revision, PATIENCE).await.is_ok());
    }

    #[tokio::test]
    async fn tokens_lie_sealed_and_survive_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        {
            let log = log(directory.path()).await;
            let store = store(&log);
            let claimed = store.claim(0, PATIENCE).await.unwrap();
            store.keep(claimed, &tokens(7)).await.unwrap();
            let lying = log.state().get("oauth/office-main").await.unwrap().unwrap().value;
            assert!(!String::from_utf8_lossy(&lying).contains("refresh-7"));
        }
        let store = store(&log(directory.path()).await);
        assert_eq!(store.load().await.unwrap().tokens.unwrap().refresh.expose_secret(), "refresh-7");
    }
}
