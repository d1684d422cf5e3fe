//! Death without warning: what was acknowledged is there, and what cannot be read stops a follower.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use event_log::{
    AppendError, Category, EmbeddedSettings, EventLog, Expected, Outcome, ReadError, Settings, Version,
};
use parking_lot::Mutex;

use crate::contract;
use crate::fixture::{Store, commit, entity, in_time, text};
use crate::follow::{Following, Recorder, consumer};

/// The program that appends until it is killed, and says what was acknowledged (`examples/`).
fn writer() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let built = this.ancestors().nth(2).unwrap().join("examples/append_until_killed");
    assert!(built.exists(), "{} is missing: build the examples", built.display());
    built
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_loses_nothing_it_acknowledged() {
    in_time(async {
        let dir = tempfile::tempdir().unwrap();
        let mut acknowledged: BTreeSet<(String, String)> = BTreeSet::new();
        for round in 0..10 {
            let mut process = Command::new(writer())
                .arg(dir.path())
                .arg(round.to_string())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
            for line in lines.by_ref().take(100 + round * 37) {
                let line = line.unwrap();
                let (one, text) = line.split_once(' ').unwrap();
                acknowledged.insert((one.to_owned(), text.to_owned()));
            }
            process.kill().unwrap();
            process.wait().unwrap();
            // What it wrote into the pipe before it died was acknowledged too; the last line may be cut.
            let rest: Vec<String> = lines.map_while(Result::ok).collect();
            let whole = rest.len().saturating_sub(1);
            for line in &rest[..whole] {
                let (one, text) = line.split_once(' ').unwrap();
                acknowledged.insert((one.to_owned(), text.to_owned()));
            }
        }
        let settings = EmbeddedSettings { free_bytes_min: 1, ..EmbeddedSettings::in_dir(dir.path()) };
        let log = EventLog::open(Settings::Embedded(settings)).await.unwrap();
        let mut stored: BTreeSet<(String, String)> = BTreeSet::new();
        for one in acknowledged.iter().map(|(one, _)| one.clone()).collect::<BTreeSet<_>>() {
            let history = log.read(&entity(&one), Version::NONE).await.unwrap();
            event_log::verify_chain(&history).unwrap();
            for recorded in &history {
                assert!(stored.insert((one.clone(), text(recorded))), "{} is stored twice", text(recorded));
            }
        }
        let lost: Vec<_> = acknowledged.difference(&stored).collect();
        assert!(acknowledged.len() > 1_000 && lost.is_empty(), "lost {lost:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_loses_nothing_it_acknowledged() {
    in_time(async {
        let mut store = Store::jetstream().await;
        let log = store.open().await;
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..32).map(|writer| {
            let (log, acknowledged, stop) = (log.clone(), acknowledged.clone(), stop.clone());
            async move {
                let mut n = 0;
                while !stop.load(Ordering::SeqCst) {
                    let (one, text) = (format!("w{writer}"), format!("{writer}/{n}"));
                    let command = commit(&text);
                    // Unknown is not failed: the same command is asked about until there is an answer.
                    loop {
                        match log.append(&entity(&one), Expected::Any, command.clone()).await {
                            Ok(_) => break,
                            Err(AppendError::Unknown | AppendError::Unavailable(_)) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    acknowledged.lock().insert((one, text));
                    n += 1;
                }
            }
        });
        let killer = async {
            let Store::JetStream { server } = &mut store else { unreachable!("this case runs on a server") };
            for _ in 0..4 {
                let before = acknowledged.lock().len();
                while acknowledged.lock().len() < before + 300 {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                server.kill();
                server.restart().await.unwrap();
            }
            stop.store(true, Ordering::SeqCst);
        };
        tokio::join!(futures::future::join_all(writers), killer);
        let mut stored = BTreeSet::new();
        for writer in 0..32 {
            let one = format!("w{writer}");
            let history = log.read(&entity(&one), Version::NONE).await.unwrap();
            event_log::verify_chain(&history).unwrap();
            for recorded in &history {
                assert!(stored.insert((one.clone(), text(recorded))), "{} is stored twice", text(recorded));
            }
        }
        assert_eq!(*acknowledged.lock(), stored);
    })
    .await;
}

/// Puts bytes that are no record at the end of the category, past the log's own writer.
async fn spoil(store: &Store) {
    match store {
        Store::Embedded { dir } => {
            let database = fjall::Database::builder(dir.path().join("log")).open().unwrap();
            let envelopes = database.keyspace("envelopes", fjall::KeyspaceCreateOptions::default).unwrap();
            envelopes.insert(1_000_000_u64.to_be_bytes(), b"no record").unwrap();
            database.persist(fjall::PersistMode::SyncAll).unwrap();
        }
        Store::JetStream { server } => {
            let context = async_nats::jetstream::new(async_nats::connect(server.url()).await.unwrap());
            let subject = format!("es.acme.{:02}.envelopes.spoiled", entity("spoiled").partition());
            context.publish(subject, "no record".into()).await.unwrap().await.unwrap();
        }
    }
}

contract!(an_undecodable_record_stops_the_follower_loudly, |store: Store| async move {
    let log = store.open().await;
    log.append(&entity("one"), Expected::Absent, commit("good")).await.unwrap();
    drop(log);
    spoil(&store).await;
    let log = store.open().await;
    let handler = Recorder::new(|_| Outcome::Done);
    let error = Following::start(&log, consumer("stopped"), handler.clone()).end().await.unwrap_err();
    assert!(matches!(&error, ReadError::Corrupt(_)), "{error}");
    assert_eq!(handler.texts(), ["good"], "what came before it was handled");
    assert!(log.consumed("stopped").await.unwrap() < log.head(Category::Envelopes).await.unwrap());
});
