//! Whatever happens to the folder, the rows come back with the same bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use event_log::{EventLog, Position};
use support::{SOON, append, log, start};

const COMMITS: u64 = 700;

/// A log with commits, the folder of a projection that was stopped, and the digest of its rows.
struct Story {
    dir: tempfile::TempDir,
    log: EventLog,
    head: Position,
    digest: [u8; 32],
}

impl Story {
    async fn told() -> Story {
        let dir = tempfile::tempdir().unwrap();
        let log = log(&dir.path().join("log")).await;
        let head = append(&log, 0..COMMITS).await;
        let running = start(&dir.path().join("views"), &log, 1).await;
        running.projection.wait_for(head, SOON).await.unwrap();
        let digest = running.projection.digest().unwrap();
        running.stop().await;
        Story { dir, log, head, digest }
    }

    fn views(&self) -> PathBuf {
        self.dir.path().join("views")
    }

    fn folder(&self) -> PathBuf {
        self.views().join("counting")
    }

    /// Starts it again and compares; returns how many commits were applied for it.
    async fn comes_back(&self) -> u64 {
        let running = start(&self.views(), &self.log, 1).await;
        running.projection.wait_for(self.head, SOON).await.unwrap();
        assert_eq!(hex::encode(running.projection.digest().unwrap()), hex::encode(self.digest));
        let applied = running.applied();
        running.stop().await;
        applied
    }
}

fn damage(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

fn flip_every(step: usize) -> impl FnOnce(&mut Vec<u8>) {
    move |bytes| bytes.iter_mut().step_by(step).for_each(|byte| *byte ^= 0x5a)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_goes_on_from_the_checkpoint() {
    let story = Story::told().await;
    assert_eq!(story.comes_back().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_folder_is_rebuilt_to_the_same_bytes() {
    let story = Story::told().await;
    fs::remove_dir_all(story.folder()).unwrap();
    assert_eq!(story.comes_back().await, COMMITS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_folder_is_rebuilt_to_the_same_bytes() {
    for keep_percent in [0, 1, 30, 99] {
        let story = Story::told().await;
        damage(&story.folder().join("db"), |bytes| bytes.truncate(bytes.len() * keep_percent / 100));
        story.comes_back().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flipped_bytes_are_found_and_the_rows_rebuilt_to_the_same_bytes() {
    for step in [1, 509, 65_537] {
        let story = Story::told().await;
        damage(&story.folder().join("db"), flip_every(step));
        assert_eq!(story.comes_back().await, COMMITS, "every {step} bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_configuration_or_snapshot_does_not_stop_it() {
    let story = Story::told().await;
    for entry in fs::read_dir(story.folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name == "conf" || name.starts_with("snap.") {
            damage(&path, flip_every(1));
        }
    }
    story.comes_back().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_folder_is_kept_for_a_look_but_only_one() {
    let story = Story::told().await;
    for _ in 0..2 {
        // Nothing can be opened where the rows should be.
        fs::remove_file(story.folder().join("db")).unwrap();
        fs::create_dir(story.folder().join("db")).unwrap();
        assert_eq!(story.comes_back().await, COMMITS);
    }
    let mut names: Vec<_> = fs::read_dir(story.views())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["counting", "counting.damaged"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_of_the_view_starts_anew() {
    let story = Story::told().await;
    let running = start(&story.views(), &story.log, 2).await;
    running.projection.wait_for(story.head, SOON).await.unwrap();
    assert_eq!(running.applied(), COMMITS);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_another_log_are_not_believed() {
    let story = Story::told().await;
    let other = log(&story.dir.path().join("other")).await;
    let head = append(&other, 0..COMMITS + 10).await;
    let running = start(&story.views(), &other, 1).await;
    running.projection.wait_for(head, SOON).await.unwrap();
    assert_eq!(running.applied(), COMMITS + 10);
    running.stop().await;
}
