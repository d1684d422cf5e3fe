//! What only a server can do wrong: settings, versions, dying and coming back.

use std::collections::{HashMap, HashSet};

use async_nats::jetstream;
use event_log::{
    AppendError, Category, Durability, EventLog, Expected, JetStreamSettings, OpenError, Position, Risk,
    Settings, Tailed, Version,
};
use futures::StreamExt as _;
use futures::future::join_all;
use testkit::nats::{NatsOptions, NatsServer};

use crate::fixture::{Store, commit, entity, in_time, jetstream_settings, text};

async fn open(settings: JetStreamSettings) -> Result<EventLog, OpenError> {
    EventLog::open(Settings::JetStream(settings)).await
}

async fn server(sync_interval: &str) -> NatsServer {
    let options = NatsOptions { sync_interval: sync_interval.to_owned(), ..NatsOptions::default() };
    NatsServer::start(options).await.unwrap()
}

#[tokio::test]
async fn a_server_that_syncs_before_it_acknowledges_is_durable() {
    let server = server("always").await;
    let log = open(jetstream_settings(&server)).await.unwrap();
    assert_eq!(log.durability().await, Durability::PowerLoss);
    log.ping().await.unwrap();
}

#[tokio::test]
async fn a_server_that_syncs_later_is_refused_unless_the_risk_is_accepted() {
    let server = server("\"2m\"").await;
    let settings = jetstream_settings(&server);
    let refused = open(settings.clone()).await.err().unwrap();
    assert!(matches!(&refused, OpenError::LazySync { .. }), "{refused}");
    assert!(refused.to_string().starts_with("CS-LOG-014"));
    let accepted = JetStreamSettings { accept_risks: vec![Risk::LazySync], ..settings };
    assert_eq!(open(accepted).await.unwrap().durability().await, Durability::ProcessOnly);
}

#[tokio::test]
async fn a_sync_that_cannot_be_checked_is_refused_unless_the_risk_is_accepted() {
    let server = server("always").await;
    let silent = "http://127.0.0.1:1".to_owned();
    for monitoring_url in [None, Some(silent), Some("ftp://x".to_owned())] {
        let settings = JetStreamSettings { monitoring_url, ..jetstream_settings(&server) };
        let refused = open(settings.clone()).await.err().unwrap();
        assert!(matches!(&refused, OpenError::UncheckedSync { .. }), "{refused}");
        let accepted = JetStreamSettings { accept_risks: vec![Risk::UncheckedSync], ..settings };
        assert_eq!(open(accepted).await.unwrap().durability().await, Durability::Unchecked);
    }
}

#[tokio::test]
async fn a_server_without_jetstream_is_refused() {
    let options = NatsOptions { jetstream: false, ..NatsOptions::default() };
    let server = NatsServer::start(options).await.unwrap();
    let refused = open(jetstream_settings(&server)).await.err().unwrap();
    assert!(matches!(&refused, OpenError::NoJetStream(_)), "{refused}");
}

#[tokio::test]
async fn an_address_where_nobody_answers_is_refused_without_its_password() {
    let url = "nats://user:secret@127.0.0.1:1".to_owned();
    let refused = open(JetStreamSettings { url, ..JetStreamSettings::default() }).await.err().unwrap();
    assert!(matches!(&refused, OpenError::Unreachable { .. }), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("secret"));
}

#[tokio::test]
async fn a_stream_that_forgets_is_refused_with_the_setting_by_name() {
    let server = server("always").await;
    let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let config = jetstream::stream::Config {
        name: "ES".to_owned(),
        subjects: vec!["es.>".to_owned()],
        max_age: std::time::Duration::from_secs(3_600),
        ..jetstream::stream::Config::default()
    };
    context.create_stream(config).await.unwrap();
    let refused = open(jetstream_settings(&server)).await.err().unwrap();
    assert!(matches!(&refused, OpenError::StreamSettings { setting: "max_age", .. }), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_and_an_append_outlive_the_servers_death() {
    in_time(async {
        let mut server = server("always").await;
        let log = open(jetstream_settings(&server)).await.unwrap();
        let mut tail = log.tail(Category::Envelopes, Position::ZERO);
        let one = entity("one");
        log.append(&one, Expected::Any, commit("0")).await.unwrap();
        for round in 1..4 {
            server.kill();
            let waiting =
                async { log.append(&one, Expected::Any, commit(&round.to_string())).await.unwrap() };
            let coming_back = async { server.restart().await.unwrap() };
            let (appended, ()) = tokio::join!(waiting, coming_back);
            assert!(!appended.duplicate);
        }
        let mut seen = Vec::new();
        while seen.len() < 4 {
            if let Tailed::Commit(recorded) = tail.next().await.unwrap().unwrap() {
                seen.push(text(&recorded));
            }
        }
        assert_eq!(seen, ["0", "1", "2", "3"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replicas_write_is_noticed_before_a_conflict_is_reported() {
    let store = Store::jetstream().await;
    let (here, there) = (store.open().await, store.open().await);
    let one = entity("one");
    let first = here.append(&one, Expected::Absent, commit("a")).await.unwrap();
    let second = there.append(&one, Expected::Exactly(first.version), commit("b")).await.unwrap();
    let third = here.append(&one, Expected::Exactly(second.version), commit("c")).await.unwrap();
    let repeated = commit("d");
    let fourth = there.append(&one, Expected::Exactly(third.version), repeated.clone()).await.unwrap();
    let again = here.append(&one, Expected::Any, repeated).await.unwrap();
    assert_eq!((again.position, again.duplicate), (fourth.position, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_appends_at_once_each_has_its_own_answer_whatever_its_group() {
    in_time(async {
        let server = server("always").await;
        let open = async || open(jetstream_settings(&server)).await.unwrap();
        let (here, there) = (open().await, open().await);
        let wanted: Vec<_> = (0..2_000).map(|i| (entity(&format!("e{i}")), commit(&i.to_string()))).collect();
        // In the middle another replica took each entity, with the same command or another one.
        let mut taken = HashMap::new();
        for (i, (one, mine)) in wanted.iter().enumerate().take(1_000).skip(900) {
            let theirs = if i % 2 == 0 { mine.clone() } else { commit("theirs") };
            taken.insert(i, there.append(one, Expected::Absent, theirs).await.unwrap());
        }
        let first = wanted.iter().map(|(one, mine)| here.append(one, Expected::Absent, mine.clone()));
        // Near the end some get a second command at the same time: one group has no place for both.
        let twice = wanted[1_900..].iter().step_by(10);
        let second = twice.map(|(one, _)| here.append(one, Expected::Any, commit("second")));
        let (first, second) = tokio::join!(join_all(first), join_all(second));

        let mut positions: HashSet<Position> =
            second.into_iter().map(|appended| appended.unwrap().position).collect();
        for (i, (outcome, (one, mine))) in first.into_iter().zip(&wanted).enumerate() {
            let other = match (outcome, taken.get(&i)) {
                (Ok(appended), theirs) => {
                    assert_eq!(appended.duplicate, theirs.is_some(), "e{i}");
                    assert!(theirs.is_none_or(|theirs| theirs.position == appended.position), "e{i}");
                    assert!(positions.insert(appended.position), "e{i}");
                    let stored = there.read(one, Version::NONE).await.unwrap();
                    let at = stored.iter().find(|commit| commit.position == appended.position).unwrap();
                    assert_eq!(at.command_id, mine.command_id, "e{i}");
                    stored.len() - 1
                }
                (Err(AppendError::Conflict { actual }), Some(theirs)) => {
                    assert_eq!((i % 2, actual), (1, theirs.version), "e{i}");
                    0
                }
                // The second command was faster.
                (Err(AppendError::Conflict { .. }), None) => 1,
                (Err(error), _) => panic!("e{i}: {error}"),
            };
            assert_eq!(other, usize::from(i >= 1_900 && i % 10 == 0), "e{i}");
        }
        // How many depends on where the groups begin; the first nine hundred hold at least one without a conflict.
        assert!(written_in_batches(&server, &positions).await >= 8);
    })
    .await;
}

async fn written_in_batches(server: &NatsServer, positions: &HashSet<Position>) -> usize {
    let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let stream = context.get_stream("ES").await.unwrap();
    let mut count = 0;
    for position in positions {
        let message = stream.get_raw_message(position.0).await.unwrap();
        count += usize::from(message.headers.get("Nats-Batch-Id").is_some());
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_slow_to_greet_is_waited_for() {
    in_time(async {
        let server = server("always").await;
        server.pause().unwrap();
        let greets_again = async {
            // Begun after the log's own first try, and given up after it.
            let longer = std::time::Duration::from_secs(6);
            let options = async_nats::ConnectOptions::new().connection_timeout(longer);
            assert!(options.connect(server.url()).await.is_err(), "a paused server greets nobody");
            server.resume().unwrap();
        };
        let (log, ()) = tokio::join!(open(jetstream_settings(&server)), greets_again);
        log.unwrap().ping().await.unwrap();
    })
    .await;
}
