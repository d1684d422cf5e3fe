//! The streams, their settings and subjects; a stream that exists with other settings is refused.

use std::error::Error as _;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{CreateObjectStoreError, CreateStreamError, CreateStreamErrorKind};
use async_nats::jetstream::object_store::{self, ObjectStore};
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType, Stream,
};

use crate::backend::Shares;
use crate::error::OpenError;
use crate::patience::patiently;
use crate::{Category, Entity};

pub(super) const LOG: &str = "ES";
pub(super) const KEYS: &str = "KEYS";
pub(super) const STATE: &str = "STATE";
const BLOBS: &str = "BLOBS";

/// The one subject of an entity.
pub(super) fn subject(entity: &Entity) -> String {
    let (tenant, category) = (entity.tenant(), entity.category());
    format!("es.{tenant}.{:02}.{category}.{}", entity.partition(), entity.id())
}

/// All subjects of a category.
pub(super) fn category_subject(category: Category) -> String {
    format!("es.*.*.{category}.*")
}

/// The subjects of some shares of a category.
pub(super) fn share_subjects(category: Category, shares: Shares) -> Vec<String> {
    if shares == Shares::ALL {
        return vec![category_subject(category)];
    }
    let wanted = |partition: &u8| shares.has(usize::from(*partition) % Shares::COUNT);
    (0..Entity::PARTITIONS)
        .filter(wanted)
        .map(|partition| format!("es.*.{partition:02}.{category}.*"))
        .collect()
}

pub(super) fn log(replicas: usize) -> Config {
    Config { allow_atomic_publish: true, ..settings(LOG, "es.>", replicas) }
}

pub(super) fn keys(replicas: usize) -> Config {
    Config { allow_atomic_publish: true, max_messages_per_subject: 1, ..settings(KEYS, "keys.*", replicas) }
}

pub(super) fn state(replicas: usize) -> Config {
    Config { max_messages_per_subject: 1, ..settings(STATE, "st.>", replicas) }
}

fn settings(name: &str, subject: &str, replicas: usize) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![subject.to_owned()],
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        num_replicas: replicas,
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        allow_direct: true,
        ..Config::default()
    }
}

/// The stream, made when it is missing, and checked: what an old server drops from the settings shows here.
pub(super) async fn stream(context: &Context, wanted: Config) -> Result<Stream, OpenError> {
    let slow = |error: &CreateStreamError| error.kind() == CreateStreamErrorKind::TimedOut;
    let stream = patiently(&wanted.name, slow, || context.get_or_create_stream(wanted.clone()))
        .await
        .map_err(|error| OpenError::NoJetStream(format!("stream {}: {error}", wanted.name)))?;
    compare(&wanted, &stream.cached_info().config)?;
    Ok(stream)
}

fn compare(wanted: &Config, found: &Config) -> Result<(), OpenError> {
    let unlimited = |limit: i64| if limit <= 0 { -1 } else { limit };
    let differs = |setting: &'static str, found: String, needed: String| {
        if found == needed {
            return Ok(());
        }
        Err(OpenError::StreamSettings { stream: wanted.name.clone(), setting, found, needed })
    };
    differs("subjects", format!("{:?}", found.subjects), format!("{:?}", wanted.subjects))?;
    differs("retention", format!("{:?}", found.retention), format!("{:?}", wanted.retention))?;
    differs("storage", format!("{:?}", found.storage), format!("{:?}", wanted.storage))?;
    differs("max_msgs", unlimited(found.max_messages).to_string(), "-1".to_owned())?;
    differs("max_bytes", unlimited(found.max_bytes).to_string(), "-1".to_owned())?;
    differs(
        "max_msgs_per_subject",
        unlimited(found.max_messages_per_subject).to_string(),
        unlimited(wanted.max_messages_per_subject).to_string(),
    )?;
    differs("max_age", format!("{:?}", found.max_age), "0ns".to_owned())?;
    differs("no_ack", found.no_ack.to_string(), "false".to_owned())?;
    differs("sealed", found.sealed.to_string(), "false".to_owned())?;
    differs("deny_delete", found.deny_delete.to_string(), "false".to_owned())?;
    differs("allow_direct", found.allow_direct.to_string(), "true".to_owned())?;
    differs("allow_atomic", found.allow_atomic_publish.to_string(), wanted.allow_atomic_publish.to_string())?;
    let asynchronous = matches!(found.persist_mode, Some(PersistenceMode::Async));
    differs("persist_mode async", asynchronous.to_string(), "false".to_owned())?;
    if found.num_replicas < wanted.num_replicas {
        differs("num_replicas", found.num_replicas.to_string(), wanted.num_replicas.to_string())?;
    }
    Ok(())
}

pub(super) async fn blobs(context: &Context, replicas: usize) -> Result<ObjectStore, OpenError> {
    let config = object_store::Config {
        bucket: BLOBS.to_owned(),
        storage: StorageType::File,
        num_replicas: replicas,
        max_bytes: -1,
        ..object_store::Config::default()
    };
    let slow = |error: &CreateObjectStoreError| {
        let cause = error.source().and_then(|cause| cause.downcast_ref::<CreateStreamError>());
        cause.is_some_and(|cause| cause.kind() == CreateStreamErrorKind::TimedOut)
    };
    let open = || async {
        match context.get_object_store(BLOBS).await {
            Ok(store) => Ok(store),
            Err(_) => context.create_object_store(config.clone()).await,
        }
    };
    patiently(BLOBS, slow, open)
        .await
        .map_err(|error| OpenError::NoJetStream(format!("object store {BLOBS}: {error}")))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stream_that_forgets_is_refused() {
        let wanted = log(1);
        assert!(compare(&wanted, &wanted).is_ok());
        let forgetful = [
            Config { max_age: Duration::from_secs(1), ..wanted.clone() },
            Config { max_messages: 10, ..wanted.clone() },
            Config { storage: StorageType::Memory, ..wanted.clone() },
            Config { allow_atomic_publish: false, ..wanted.clone() },
            Config { persist_mode: Some(PersistenceMode::Async), ..wanted.clone() },
            Config { retention: RetentionPolicy::WorkQueue, ..wanted.clone() },
            Config { num_replicas: 0, ..wanted.clone() },
        ];
        for found in forgetful {
            let refusal = compare(&wanted, &found).unwrap_err().to_string();
            assert!(refusal.starts_with("CS-LOG-013"), "{refusal}");
        }
    }

    #[test]
    fn the_subjects_of_all_shares_are_one_and_of_one_share_four() {
        assert_eq!(share_subjects(Category::Sync, Shares::ALL), ["es.*.*.sync.*"]);
        let fourth = share_subjects(Category::Sync, Shares::NONE.with(3));
        assert_eq!(fourth, ["es.*.03.sync.*", "es.*.19.sync.*", "es.*.35.sync.*", "es.*.51.sync.*"]);
    }
}
