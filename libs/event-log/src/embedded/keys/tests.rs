//! What happens to destroyed keys on the disk, and who waits for it.

use futures::future::join_all;

use super::*;

const NEVER: Duration = Duration::from_secs(86_400);
const SOON: Duration = Duration::from_millis(20);

fn settings(dir: &tempfile::TempDir) -> EmbeddedSettings {
    EmbeddedSettings::in_dir(dir.path())
}

/// Opened before, so that the keys lie in files of a table and not in memory alone.
async fn with_keys(dir: &tempfile::TempDir, count: usize) -> Vec<DataKey> {
    let store = KeyStore::open_with(&settings(dir), NEVER).unwrap();
    let groups: Vec<String> = (0..count).map(group).collect();
    let made = join_all(groups.iter().map(|group| store.get_or_create(group))).await;
    store.keyspace.rotate_memtable_and_wait().unwrap();
    made.into_iter().map(Result::unwrap).collect()
}

fn group(number: usize) -> String {
    format!("env_{number}")
}

/// Whether a file of the table holds the key. The journal is not looked at.
fn in_table(dir: &tempfile::TempDir, key: &DataKey) -> bool {
    let mut folders = vec![dir.path().join("keys/keyspaces")];
    let mut found = false;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                found |= bytes.windows(32).any(|window| window == key.as_bytes());
            }
        }
    }
    found
}

async fn until_clean(store: &KeyStore) {
    while !store.erasing.outcome().1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_thousand_destroyed_keys_are_answered_without_one_rewriting_and_new_keys_do_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    with_keys(&dir, 1_000).await;
    let store = KeyStore::open_with(&settings(&dir), NEVER).unwrap();
    let groups: Vec<String> = (0..1_000).map(group).collect();
    let destroyed = join_all(groups.iter().map(|group| store.destroy(group)));
    let (destroyed, made) = tokio::join!(destroyed, store.get_or_create("new"));
    assert!(destroyed.iter().all(Result::is_ok) && made.is_ok());
    for group in &groups {
        assert_eq!(store.find(group).await.unwrap(), None, "unreadable at once");
    }
    assert_eq!(store.erasing.outcome(), (0, false));
}

#[tokio::test]
async fn the_bytes_of_a_destroyed_key_leave_the_table_and_the_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let keys = with_keys(&dir, 3).await;
    assert!(keys.iter().all(|key| in_table(&dir, key)));
    let store = KeyStore::open_with(&settings(&dir), SOON).unwrap();
    store.destroy(&group(1)).await.unwrap();
    until_clean(&store).await;
    assert!(!in_table(&dir, &keys[1]));
    assert_eq!(store.find(&group(0)).await.unwrap().as_ref(), Some(&keys[0]));
    assert_eq!(store.find(&group(2)).await.unwrap().as_ref(), Some(&keys[2]));
    assert_eq!(store.erasing.outcome(), (1, true));
}

#[tokio::test]
async fn what_was_destroyed_shortly_before_the_end_leaves_the_table_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let keys = with_keys(&dir, 2).await;
    let store = KeyStore::open_with(&settings(&dir), NEVER).unwrap();
    store.destroy(&group(0)).await.unwrap();
    drop(store);
    // The one before holds the directory until it is done.
    let store = loop {
        match KeyStore::open_with(&settings(&dir), NEVER) {
            Ok(store) => break store,
            Err(OpenError::InUse { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert!(!in_table(&dir, &keys[0]));
    assert_eq!(store.find(&group(1)).await.unwrap().as_ref(), Some(&keys[1]));
    assert!(store.erasing.outcome().1);
}

#[tokio::test]
async fn what_a_crash_left_in_the_table_is_rewritten_after_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    with_keys(&dir, 2).await;
    std::fs::write(dir.path().join(REWRITE_MARK), "").unwrap();
    let store = KeyStore::open_with(&settings(&dir), SOON).unwrap();
    until_clean(&store).await;
    assert_eq!(store.erasing.outcome(), (1, true));
    assert!(!dir.path().join(REWRITE_MARK).exists());
}
