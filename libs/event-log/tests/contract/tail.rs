//! Tailing: everything once, in order, live, from anywhere.

use event_log::{Category, EventLog, Expected, Position, Recorded, Tailed};
use futures::StreamExt as _;

use crate::contract;
use crate::fixture::{Store, commit, entity, entity_of, text};

/// Reads until the tail has caught up with at least `count` commits.
async fn collect(log: &EventLog, after: Position, count: usize) -> Vec<Recorded> {
    let mut tail = log.tail(Category::Envelopes, after);
    let mut commits = Vec::new();
    while commits.len() < count {
        match tail.next().await.expect("a tail does not end").unwrap() {
            Tailed::Commit(recorded) => commits.push(recorded),
            Tailed::CaughtUp(_) => {}
        }
    }
    commits
}

async fn fill(log: &EventLog, from: usize, to: usize) {
    let appends =
        (from..to).map(|n| {
            let log = log.clone();
            async move {
                log.append(&entity(&format!("e{}", n % 41)), Expected::Any, commit(&n.to_string())).await
            }
        });
    for outcome in futures::future::join_all(appends).await {
        outcome.unwrap();
    }
}

contract!(a_tail_yields_every_commit_once_in_order_and_resumes_anywhere, |store: Store| async move {
    let log = store.open().await;
    fill(&log, 0, 60).await;
    log.append(&entity_of(Category::Sync, "other"), Expected::Absent, commit("not here")).await.unwrap();
    let all = collect(&log, Position::ZERO, 60).await;
    assert!(all.windows(2).all(|pair| pair[0].position < pair[1].position));
    let mut texts: Vec<u32> = all.iter().map(|commit| text(commit).parse().unwrap()).collect();
    texts.sort_unstable();
    assert_eq!(texts, (0..60).collect::<Vec<_>>());
    for skipped in [0, 1, 30, 59] {
        assert_eq!(collect(&log, all[skipped].position, 59 - skipped).await, all[skipped + 1..]);
    }
});

contract!(a_tail_is_live_and_says_when_it_has_caught_up, |store: Store| async move {
    let log = store.open().await;
    let mut tail = log.tail(Category::Envelopes, Position::ZERO);
    assert_eq!(tail.next().await.unwrap().unwrap(), Tailed::CaughtUp(Position::ZERO));
    for n in 0..20 {
        let appended = log.append(&entity("one"), Expected::Any, commit(&n.to_string())).await.unwrap();
        loop {
            match tail.next().await.unwrap().unwrap() {
                Tailed::Commit(recorded) => {
                    assert_eq!((recorded.position, text(&recorded)), (appended.position, n.to_string()));
                }
                Tailed::CaughtUp(position) if position == appended.position => break,
                Tailed::CaughtUp(position) => assert!(position < appended.position),
            }
        }
    }
});

contract!(ten_tails_beside_writers_see_the_same, |store: Store| async move {
    let log = store.open().await;
    let readers = (0..10).map(|_| collect(&log, Position::ZERO, 300));
    let (seen, ()) = tokio::join!(futures::future::join_all(readers), fill(&log, 0, 300));
    assert!(seen.iter().all(|commits| *commits == seen[0]));
});

contract!(a_position_after_a_restart_means_the_same, |store: Store| async move {
    let mut store = store;
    let log = store.open().await;
    fill(&log, 0, 40).await;
    let all = collect(&log, Position::ZERO, 40).await;
    let log = store.restart(log).await;
    fill(&log, 40, 50).await;
    let later = collect(&log, all[19].position, 30).await;
    assert_eq!(later[..20], all[20..]);
});
