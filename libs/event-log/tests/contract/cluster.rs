//! Three servers, three copies: a leader dies under load, and replicas that lag are not believed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use event_log::{
    AppendError, Category, Durability, EventLog, Expected, JetStreamSettings, Outcome, Position, Settings,
    Tailed, Version, verify_chain,
};
use futures::StreamExt as _;
use parking_lot::Mutex;
use testkit::nats::NatsCluster;

use crate::fixture::{commit, entity, eventually, in_time, text};
use crate::follow::{Following, Recorder, consumer, reached};

async fn open(cluster: &NatsCluster) -> EventLog {
    let settings = JetStreamSettings {
        url: cluster.url(),
        monitoring_url: Some(cluster.monitoring_url()),
        replicas: 3,
        append_deadline: Duration::from_secs(20),
        ..JetStreamSettings::default()
    };
    EventLog::open(Settings::JetStream(settings)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_right_after_an_append_includes_it_on_every_handle() {
    in_time(async {
        let cluster = NatsCluster::start().await.unwrap();
        let logs = [open(&cluster).await, open(&cluster).await, open(&cluster).await];
        assert_eq!(logs[0].durability().await, Durability::PowerLoss);
        let one = entity("one");
        for n in 0..100 {
            let appended = logs[n % 3].append(&one, Expected::Any, commit(&n.to_string())).await.unwrap();
            let history = logs[(n + 1) % 3].read(&one, Version::NONE).await.unwrap();
            assert_eq!((history.len(), history[n].version), (n + 1, appended.version));
        }
        verify_chain(&logs[0].read(&one, Version::NONE).await.unwrap()).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_die_in_turn_lose_nothing_and_double_nothing() {
    in_time(async {
        let mut cluster = NatsCluster::start().await.unwrap();
        let log = open(&cluster).await;
        let (acknowledged, stop) = (Arc::new(Mutex::new(BTreeSet::new())), Arc::new(AtomicBool::new(false)));
        let writers = (0..24).map(|writer| {
            let (log, acknowledged, stop) = (log.clone(), acknowledged.clone(), stop.clone());
            async move {
                let mut n = 0;
                while !stop.load(Ordering::SeqCst) {
                    let (one, text) = (format!("w{writer}"), format!("{writer}/{n}"));
                    let command = commit(&text);
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
            // One of the three leads the stream; each dies once, so the leader does.
            for index in 0..3 {
                let before = acknowledged.lock().len();
                while acknowledged.lock().len() < before + 200 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                cluster.server(index).kill();
                let after = acknowledged.lock().len();
                while acknowledged.lock().len() < after + 50 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                cluster.server(index).restart().await.unwrap();
            }
            stop.store(true, Ordering::SeqCst);
        };
        let mut tail = log.tail(Category::Envelopes, Position::ZERO);
        tokio::join!(futures::future::join_all(writers), killer);
        let acknowledged = acknowledged.lock().clone();
        let mut tailed = BTreeSet::new();
        while tailed.len() < acknowledged.len() {
            if let Tailed::Commit(recorded) = tail.next().await.unwrap().unwrap() {
                let seen = (recorded.entity.id().to_owned(), text(&recorded));
                assert!(tailed.insert(seen), "{} is there twice", text(&recorded));
            }
        }
        assert_eq!(tailed, acknowledged);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_shares_are_silent_comes_along_and_then_misses_nothing() {
    in_time(async {
        let cluster = NatsCluster::start().await.unwrap();
        let logs = [open(&cluster).await, open(&cluster).await];
        let seen = Arc::new(Mutex::new(BTreeSet::new()));
        let recorder = |replica: usize| {
            let seen = seen.clone();
            Recorder::new(move |delivery| {
                seen.lock().insert((replica, text(&delivery.recorded)));
                Outcome::Done
            })
        };
        let one = Following::start(&logs[0], consumer("pair"), recorder(0));
        let two = Following::start(&logs[1], consumer("pair"), recorder(1));
        // Until both replicas have shares.
        let mut n = 0;
        let by = |replica| seen.lock().iter().filter(|(by, _)| *by == replica).count();
        while by(0) == 0 || by(1) == 0 {
            for name in 0..16 {
                logs[0]
                    .append(&entity(&format!("e{name}")), Expected::Any, commit(&n.to_string()))
                    .await
                    .unwrap();
                n += 1;
            }
        }
        for _ in 0..20 {
            let last = logs[0].append(&entity("e0"), Expected::Any, commit(&n.to_string())).await.unwrap();
            n += 1;
            // The checkpoint is the slowest share's: the silent ones have to be told of the head.
            reached(&logs[0], "pair", last.position).await;
        }
        for name in 0..16 {
            logs[0]
                .append(&entity(&format!("e{name}")), Expected::Any, commit(&n.to_string()))
                .await
                .unwrap();
            n += 1;
        }
        eventually("everything is handled", || async {
            let seen: BTreeSet<String> = seen.lock().iter().map(|(_, text)| text.clone()).collect();
            seen.len() == n
        })
        .await;
        one.stop().await.unwrap();
        two.stop().await.unwrap();
    })
    .await;
}
