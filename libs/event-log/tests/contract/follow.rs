//! Following: order per entity, redelivery, dead letters, the checkpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use event_log::{
    Category, Consumer, Delivery, EventLog, Expected, Handler, Outcome, Position, ReadError, Start,
};
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::contract;
use crate::fixture::{Store, commit, entity, eventually, text};

type Decide = dyn Fn(&Delivery) -> Outcome + Send + Sync;

/// Remembers what it handled, and decides as it is told.
pub struct Recorder {
    pub seen: Mutex<Vec<(String, String, u32)>>,
    decide: Box<Decide>,
}

impl Recorder {
    pub fn new(decide: impl Fn(&Delivery) -> Outcome + Send + Sync + 'static) -> Arc<Recorder> {
        Arc::new(Recorder { seen: Mutex::default(), decide: Box::new(decide) })
    }

    pub fn texts(&self) -> Vec<String> {
        self.seen.lock().iter().map(|(_, text, _)| text.clone()).collect()
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let seen = (delivery.recorded.entity.id().to_owned(), text(&delivery.recorded), delivery.attempt);
        self.seen.lock().push(seen);
        tokio::task::yield_now().await;
        (self.decide)(delivery)
    }
}

/// A follower that runs until told to stop.
pub struct Following {
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), ReadError>>,
}

impl Following {
    pub fn start(log: &EventLog, consumer: Consumer, handler: Arc<Recorder>) -> Following {
        let (shutdown, log) = (CancellationToken::new(), log.clone());
        let stop = shutdown.clone();
        let task = async move { log.follow(consumer, handler, stop).await };
        Following { shutdown, task: tokio::runtime::Handle::current().spawn(task) }
    }

    pub async fn stop(self) -> Result<(), ReadError> {
        self.shutdown.cancel();
        self.task.await.unwrap()
    }

    /// As if the process died: no checkpoint, no farewell.
    pub fn kill(self) {
        self.task.abort();
    }

    pub async fn end(self) -> Result<(), ReadError> {
        self.task.await.unwrap()
    }
}

pub fn consumer(name: &str) -> Consumer {
    Consumer::new(name, Category::Envelopes)
}

pub async fn reached(log: &EventLog, consumer: &str, position: Position) {
    eventually("the consumer reaches the position", || async {
        log.consumed(consumer).await.unwrap() >= position
    })
    .await;
}

async fn fill(log: &EventLog, entities: usize, commits: usize) -> Position {
    let appends = (0..entities).map(|one| async move {
        for n in 0..commits {
            log.append(&entity(&format!("e{one}")), Expected::Any, commit(&n.to_string())).await.unwrap();
        }
    });
    futures::future::join_all(appends).await;
    log.head(Category::Envelopes).await.unwrap()
}

contract!(every_commit_is_handled_in_the_order_of_its_entity, |store: Store| async move {
    let log = store.open().await;
    let handler = Recorder::new(|_| Outcome::Done);
    let following = Following::start(&log, consumer("order"), handler.clone());
    let head = fill(&log, 20, 10).await;
    reached(&log, "order", head).await;
    following.stop().await.unwrap();
    let mut by_entity: HashMap<String, Vec<u32>> = HashMap::new();
    for (one, text, attempt) in handler.seen.lock().iter() {
        by_entity.entry(one.clone()).or_default().push(text.parse().unwrap());
        assert_eq!(*attempt, 1);
    }
    assert_eq!(by_entity.len(), 20);
    assert!(by_entity.values().all(|numbers| *numbers == (0..10).collect::<Vec<_>>()));
});

contract!(a_follower_goes_on_where_it_stopped, |store: Store| async move {
    let mut store = store;
    let log = store.open().await;
    let head = fill(&log, 5, 4).await;
    let first = Recorder::new(|_| Outcome::Done);
    let following = Following::start(&log, consumer("resume"), first.clone());
    reached(&log, "resume", head).await;
    following.stop().await.unwrap();
    assert_eq!(first.texts().len(), 20);

    let log = store.restart(log).await;
    let second = Recorder::new(|_| Outcome::Done);
    let following = Following::start(&log, consumer("resume"), second.clone());
    let next = log.append(&entity("new"), Expected::Absent, commit("new")).await.unwrap();
    reached(&log, "resume", next.position).await;
    following.stop().await.unwrap();
    assert_eq!(second.texts(), ["new"]);
});

contract!(a_consumer_may_start_now, |store: Store| async move {
    let log = store.open().await;
    fill(&log, 3, 3).await;
    let handler = Recorder::new(|_| Outcome::Done);
    let following =
        Following::start(&log, Consumer { start: Start::Now, ..consumer("now") }, handler.clone());
    eventually("the checkpoint exists", || async { log.consumed("now").await.unwrap() > Position::ZERO })
        .await;
    let next = log.append(&entity("new"), Expected::Absent, commit("new")).await.unwrap();
    reached(&log, "now", next.position).await;
    following.stop().await.unwrap();
    assert_eq!(handler.texts(), ["new"]);
});

contract!(a_retry_pauses_its_entity_and_no_other, |store: Store| async move {
    let log = store.open().await;
    let handler = Recorder::new(|delivery| {
        if text(&delivery.recorded) == "stubborn" && delivery.attempt < 3 {
            return Outcome::Retry { pause: Duration::from_millis(300), reason: "not yet".to_owned() };
        }
        Outcome::Done
    });
    log.append(&entity("one"), Expected::Absent, commit("stubborn")).await.unwrap();
    log.append(&entity("one"), Expected::Any, commit("behind")).await.unwrap();
    let last = log.append(&entity("two"), Expected::Absent, commit("free")).await.unwrap();
    let started = tokio::time::Instant::now();
    let following = Following::start(&log, consumer("retry"), handler.clone());
    reached(&log, "retry", last.position).await;
    assert!(started.elapsed() >= Duration::from_millis(600), "two pauses lie between three tries");
    following.stop().await.unwrap();
    let seen = handler.seen.lock().clone();
    let attempts: Vec<u32> =
        seen.iter().filter(|(_, text, _)| text == "stubborn").map(|seen| seen.2).collect();
    assert_eq!(attempts, [1, 2, 3]);
    let place = |text: &str, attempt: u32| {
        seen.iter().position(|(_, seen, tried)| seen == text && *tried == attempt).unwrap()
    };
    assert!(place("free", 1) < place("stubborn", 2), "another entity does not wait");
    assert!(place("behind", 1) > place("stubborn", 3), "the entity's next commit does");
});

contract!(what_is_given_up_is_a_dead_letter_that_can_be_retried_or_discarded, |store: Store| async move {
    let log = store.open().await;
    let mended = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let switch = mended.clone();
    let handler = Recorder::new(move |delivery| {
        let bad = text(&delivery.recorded).starts_with("bad");
        if bad && !switch.load(std::sync::atomic::Ordering::SeqCst) {
            return Outcome::GiveUp { reason: "cannot be".to_owned() };
        }
        Outcome::Done
    });
    let following = Following::start(&log, consumer("dead"), handler.clone());
    let bad = log.append(&entity("one"), Expected::Absent, commit("bad")).await.unwrap();
    let worse = log.append(&entity("two"), Expected::Absent, commit("bad too")).await.unwrap();
    let good = log.append(&entity("one"), Expected::Any, commit("good")).await.unwrap();
    reached(&log, "dead", good.position).await;
    assert!(handler.texts().contains(&"good".to_owned()), "the entity goes on");
    let letters = log.dead_letters("dead").await.unwrap();
    assert_eq!(
        letters.iter().map(|letter| letter.position).collect::<Vec<_>>(),
        [bad.position, worse.position]
    );
    assert_eq!((&letters[0].entity, letters[0].reason.as_str()), (&entity("one"), "cannot be"));
    assert_eq!(log.dead_letters("somebody-else").await.unwrap(), []);

    assert!(log.discard_dead_letter("dead", worse.position).await.unwrap());
    assert!(!log.discard_dead_letter("dead", worse.position).await.unwrap());
    mended.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(log.retry_dead_letter("dead", bad.position).await.unwrap());
    assert!(!log.retry_dead_letter("dead", worse.position).await.unwrap());
    eventually("the dead letter is handled", || async { log.dead_letters("dead").await.unwrap().is_empty() })
        .await;
    assert_eq!(handler.texts().iter().filter(|text| *text == "bad").count(), 2);
    following.stop().await.unwrap();
});

contract!(a_panic_is_retried_and_given_up_the_fifth_time, |store: Store| async move {
    let log = store.open().await;
    let handler = Recorder::new(|delivery| {
        assert_ne!(text(&delivery.recorded), "poison", "this handler panics on purpose");
        Outcome::Done
    });
    let following = Following::start(&log, consumer("panic"), handler.clone());
    log.append(&entity("one"), Expected::Absent, commit("poison")).await.unwrap();
    let last = log.append(&entity("one"), Expected::Any, commit("after")).await.unwrap();
    reached(&log, "panic", last.position).await;
    following.stop().await.unwrap();
    let texts = handler.texts();
    assert_eq!(texts.iter().filter(|text| *text == "poison").count(), 5);
    assert_eq!(texts.last().map(String::as_str), Some("after"));
    assert_eq!(log.dead_letters("panic").await.unwrap()[0].attempts, 5);
});

contract!(a_killed_follower_repeats_and_loses_nothing, |store: Store| async move {
    let log = store.open().await;
    let first = Recorder::new(|_| Outcome::Done);
    let following = Following::start(&log, consumer("killed"), first.clone());
    let appended = fill(&log, 10, 10);
    let some_seen = eventually("some commits are handled", || async { first.seen.lock().len() > 10 });
    let (head, ()) = tokio::join!(appended, some_seen);
    following.kill();
    let second = Recorder::new(|_| Outcome::Done);
    let following = Following::start(&log, consumer("killed"), second.clone());
    reached(&log, "killed", head).await;
    following.stop().await.unwrap();
    let mut all: Vec<_> = first
        .seen
        .lock()
        .iter()
        .chain(second.seen.lock().iter())
        .map(|seen| (seen.0.clone(), seen.1.clone()))
        .collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 100);
});

contract!(a_small_window_and_one_hand_still_finish, |store: Store| async move {
    let log = store.open().await;
    let head = fill(&log, 10, 10).await;
    let handler = Recorder::new(|_| Outcome::Done);
    let narrow = Consumer { concurrency: 1, window_max: 1, ..consumer("narrow") };
    let following = Following::start(&log, narrow, handler.clone());
    reached(&log, "narrow", head).await;
    following.stop().await.unwrap();
    assert_eq!(handler.texts().len(), 100);
});
