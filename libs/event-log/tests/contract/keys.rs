//! Keys, blobs and state.

use bytes::Bytes;
use event_log::{BlobError, DataKey, Revision, StateError, digest_of};

use crate::contract;
use crate::fixture::Store;

contract!(sixteen_callers_at_once_get_the_same_key_and_it_survives_a_restart, |store: Store| async move {
    let mut store = store;
    let log = store.open().await;
    let keys = log.keys();
    assert_eq!(keys.find("env_1").await.unwrap(), None);
    let made: Vec<DataKey> = futures::future::join_all((0..16).map(|_| keys.key("env_1")))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert!(made.iter().all(|key| *key == made[0]));
    assert_ne!(keys.key("env_2").await.unwrap(), made[0]);
    let many = futures::future::join_all((0..200).map(|n| {
        let keys = keys.clone();
        async move { keys.key(&format!("connection|provider {n}")).await.unwrap() }
    }))
    .await;
    drop(keys);
    let log = store.restart(log).await;
    assert_eq!(log.keys().find("env_1").await.unwrap().as_ref(), Some(&made[0]));
    assert_eq!(log.keys().key("env_1").await.unwrap(), made[0]);
    assert_eq!(log.keys().key("connection|provider 77").await.unwrap(), many[77]);
});

contract!(a_destroyed_key_is_gone_for_ever, |store: Store| async move {
    let mut store = store;
    let log = store.open().await;
    let (old, other) = (log.keys().key("env_1").await.unwrap(), log.keys().key("env_2").await.unwrap());
    log.keys().destroy("env_1").await.unwrap();
    assert_eq!(log.keys().find("env_1").await.unwrap(), None);
    log.keys().destroy("env_1").await.unwrap();
    let log = store.restart(log).await;
    assert_eq!(log.keys().find("env_1").await.unwrap(), None);
    assert_ne!(log.keys().key("env_1").await.unwrap(), old);
    assert_eq!(log.keys().find("env_2").await.unwrap(), Some(other));
});

contract!(a_key_is_not_printed, |store: Store| async move {
    let key = store.open().await.keys().key("env_1").await.unwrap();
    assert_eq!(format!("{key:?}"), "DataKey(redacted)");
});

contract!(a_blob_is_read_back_whole_and_checked, |store: Store| async move {
    let mut store = store;
    let log = store.open().await;
    let blobs = log.blobs();
    let large = Bytes::from((0..3_000_000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect::<Vec<u8>>());
    for bytes in [Bytes::new(), Bytes::from_static(b"a signed document"), large.clone()] {
        let digest = blobs.put(bytes.clone()).await.unwrap();
        assert_eq!(digest, digest_of(&bytes));
        assert_eq!(blobs.put(bytes.clone()).await.unwrap(), digest, "twice is once");
        assert_eq!(blobs.get(&digest).await.unwrap(), Some(bytes));
    }
    assert_eq!(blobs.get(&digest_of(b"never put")).await.unwrap(), None);
    let too_large = Bytes::from(vec![0; event_log::BLOB_BYTES_MAX + 1]);
    assert!(matches!(blobs.put(too_large).await, Err(BlobError::TooLarge { .. })));
    drop(blobs);
    let log = store.restart(log).await;
    assert_eq!(log.blobs().get(&digest_of(&large)).await.unwrap(), Some(large));
});

contract!(a_blob_that_was_deleted_is_gone_and_can_be_put_again, |store: Store| async move {
    let mut store = store;
    let log = store.open().await;
    let blobs = log.blobs();
    let (one, other) = (Bytes::from_static(b"sealed once"), Bytes::from(vec![7; 300_000]));
    let digests = [blobs.put(one.clone()).await.unwrap(), blobs.put(other.clone()).await.unwrap()];
    for _ in 0..2 {
        blobs.delete(&digests[1]).await.unwrap();
        assert_eq!(blobs.get(&digests[1]).await.unwrap(), None);
    }
    blobs.delete(&digest_of(b"never put")).await.unwrap();
    drop(blobs);
    let log = store.restart(log).await;
    assert_eq!(log.blobs().get(&digests[1]).await.unwrap(), None);
    assert_eq!(log.blobs().get(&digests[0]).await.unwrap(), Some(one));
    assert_eq!(log.blobs().put(other.clone()).await.unwrap(), digests[1]);
    assert_eq!(log.blobs().get(&digests[1]).await.unwrap(), Some(other));
});

contract!(state_is_changed_by_whoever_knows_it, |store: Store| async move {
    let mut store = store;
    let log = store.open().await;
    let state = log.state();
    assert_eq!(state.get("cursor/x").await.unwrap(), None);
    let first = state.put("cursor/x", None, "a".into()).await.unwrap();
    assert_eq!(state.put("cursor/x", None, "b".into()).await, Err(StateError::Conflict));
    let second = state.put("cursor/x", Some(first), "b".into()).await.unwrap();
    assert!(second > first);
    assert_eq!(state.put("cursor/x", Some(first), "c".into()).await, Err(StateError::Conflict));
    assert_eq!(state.delete("cursor/x", Some(first)).await, Err(StateError::Conflict));
    state.delete("cursor/x", Some(second)).await.unwrap();
    assert_eq!(state.get("cursor/x").await.unwrap(), None);
    drop(state);
    let log = store.restart(log).await;
    let state = log.state();
    let third = state.put("cursor/x", None, "c".into()).await.unwrap();
    assert!(third > second, "a revision never comes back");
    let entry = state.get("cursor/x").await.unwrap().unwrap();
    assert_eq!((entry.revision, entry.value), (third, "c".into()));
    for key in ["", ".a", "a.", "a b", "ä", "a..b"] {
        assert_eq!(state.put(key, None, "x".into()).await, Err(StateError::NotAllowed), "{key}");
    }
    let large = vec![0; 65 * 1024].into();
    assert_eq!(state.put("large", None, large).await, Err(StateError::NotAllowed));
});

contract!(state_lists_what_starts_with_the_prefix, |store: Store| async move {
    let state = store.open().await.state();
    let mut revisions: Vec<Revision> = Vec::new();
    for key in ["dead/a/2", "dead/a/1", "dead/ab/1", "dead/b.c/1", "other"] {
        revisions.push(state.put(key, None, key.to_owned().into()).await.unwrap());
    }
    state.delete("dead/ab/1", None).await.unwrap();
    let keys = async |prefix: &str| -> Vec<String> {
        state.list(prefix).await.unwrap().into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys("dead/a/").await, ["dead/a/1", "dead/a/2"]);
    assert_eq!(keys("dead/").await, ["dead/a/1", "dead/a/2", "dead/b.c/1"]);
    assert_eq!(keys("dead/b.").await, ["dead/b.c/1"]);
    assert_eq!(keys("nothing/").await, Vec::<String>::new());
});

contract!(of_sixteen_writers_of_one_entry_one_wins_each_time, |store: Store| async move {
    let state = store.open().await.state();
    let mut revision = None;
    for _ in 0..10 {
        let puts = (0..16).map(|n| state.put("lease/x", revision, vec![n].into()));
        let won: Vec<Revision> =
            futures::future::join_all(puts).await.into_iter().filter_map(Result::ok).collect();
        assert_eq!(won.len(), 1);
        revision = Some(won[0]);
    }
});
