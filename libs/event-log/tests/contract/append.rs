//! Appending: expected versions, repeated commands, one winner, nothing lost over a restart.

use event_log::{AppendError, Category, Expected, Version, verify_chain};
use futures::future::BoxFuture;

use crate::contract;
use crate::fixture::{Store, commit, commit_of, entity, entity_of, text};

contract!(an_append_is_read_back_with_all_it_carries, |store: Store| async move {
    let log = store.open().await;
    let one = entity("one");
    let mut first = commit_of(7_000_001, &["a", "b"]);
    first.causation_id = Some(first.events[0].id);
    first.trace.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    let appended = log.append(&one, Expected::Absent, first.clone()).await.unwrap();
    let second = log.append(&one, Expected::Exactly(appended.version), commit("c")).await.unwrap();

    let history = log.read(&one, Version::NONE).await.unwrap();
    assert_eq!(history.len(), 2);
    let stored = &history[0];
    assert_eq!((stored.position, stored.version), (appended.position, appended.version));
    assert_eq!((&stored.entity, stored.command_id), (&one, first.command_id));
    assert_eq!((&stored.correlation_id, stored.causation_id), (&first.correlation_id, first.causation_id));
    assert_eq!(stored.trace, first.trace);
    assert!(stored.recorded_at.0 > 0);
    for (event, sent) in stored.events.iter().zip(&first.events) {
        assert_eq!((event.id, &event.kind, event.schema), (sent.id, &sent.kind, sent.schema));
        assert_eq!((event.occurred_at, &event.payload), (sent.occurred_at, &sent.payload));
    }
    let numbers: Vec<u64> =
        history.iter().flat_map(|commit| &commit.events).map(|event| event.number).collect();
    assert_eq!(numbers, [1, 2, 3]);
    verify_chain(&history).unwrap();

    let later = log.read(&one, appended.version).await.unwrap();
    assert_eq!(later, history[1..]);
    assert_eq!(log.read(&one, second.version).await.unwrap(), []);
    assert_eq!(log.read(&entity("nobody"), Version::NONE).await.unwrap(), []);
    assert_eq!(log.head(Category::Envelopes).await.unwrap(), second.position);
});

contract!(a_changed_event_breaks_the_chain, |store: Store| async move {
    let log = store.open().await;
    let one = entity("one");
    for text in ["a", "b", "c"] {
        log.append(&one, Expected::Any, commit(text)).await.unwrap();
    }
    let mut history = log.read(&one, Version::NONE).await.unwrap();
    verify_chain(&history).unwrap();
    history[1].events[0].payload = "B".into();
    assert_eq!(verify_chain(&history).unwrap_err().position, history[2].position);
});

contract!(a_stale_version_is_a_conflict_that_names_the_actual_one, |store: Store| async move {
    let log = store.open().await;
    let one = entity("one");
    let first = log.append(&one, Expected::Absent, commit("a")).await.unwrap();
    let second = log.append(&one, Expected::Exactly(first.version), commit("b")).await.unwrap();
    let conflict = Err(AppendError::Conflict { actual: second.version });
    assert_eq!(log.append(&one, Expected::Absent, commit("x")).await, conflict);
    assert_eq!(log.append(&one, Expected::Exactly(first.version), commit("x")).await, conflict);
    let none = Err(AppendError::Conflict { actual: Version::NONE });
    assert_eq!(log.append(&entity("two"), Expected::Exactly(first.version), commit("x")).await, none);
    assert_eq!(log.read(&one, Version::NONE).await.unwrap().len(), 2);
});

contract!(
    the_same_command_twice_is_one_append_even_when_stale_and_after_a_restart,
    |store: Store| async move {
        let mut store = store;
        let log = store.open().await;
        let one = entity("one");
        let command = commit("a");
        let first = log.append(&one, Expected::Absent, command.clone()).await.unwrap();
        assert!(!first.duplicate);
        for text in ["b", "c"] {
            log.append(&one, Expected::Any, commit(text)).await.unwrap();
        }
        let again = log.append(&one, Expected::Absent, command.clone()).await.unwrap();
        assert_eq!((again.position, again.duplicate), (first.position, true));
        let any = log.append(&one, Expected::Any, command.clone()).await.unwrap();
        assert_eq!((any.position, any.duplicate), (first.position, true));

        let log = store.restart(log).await;
        let again = log.append(&one, Expected::Absent, command.clone()).await.unwrap();
        assert_eq!((again.position, again.duplicate), (first.position, true));
        assert_eq!(log.read(&one, Version::NONE).await.unwrap().len(), 3);
        let elsewhere = log.append(&entity("two"), Expected::Absent, command).await.unwrap();
        assert!(!elsewhere.duplicate, "another entity, another append");
    }
);

contract!(the_same_command_sixteen_times_at_once_is_one_append, |store: Store| async move {
    let log = store.open().await;
    let command = commit("a");
    let one = entity("one");
    let appends = (0..16).map(|_| log.append(&one, Expected::Absent, command.clone()));
    let answers: Vec<_> = futures::future::join_all(appends).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    assert!(answers.iter().all(|answer| answer.position == answers[0].position));
    assert_eq!(log.read(&one, Version::NONE).await.unwrap().len(), 1);
});

contract!(of_sixteen_writers_exactly_one_wins_each_version, |store: Store| async move {
    let log = store.open().await;
    let one = entity("contended");
    let mut version = Version::NONE;
    for round in 0..20 {
        let expected = if round == 0 { Expected::Absent } else { Expected::Exactly(version) };
        let writers = (0..16).map(|writer| {
            let (log, one) = (log.clone(), one.clone());
            let commit = commit(&format!("{round}/{writer}"));
            async move { log.append(&one, expected, commit).await }
        });
        let outcomes = futures::future::join_all(writers).await;
        let winners: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        version = winners[0].version;
        for outcome in &outcomes {
            assert!(matches!(outcome, Ok(_) | Err(AppendError::Conflict { .. })), "{outcome:?}");
        }
    }
    let history = log.read(&one, Version::NONE).await.unwrap();
    assert_eq!(history.len(), 20);
    verify_chain(&history).unwrap();
});

contract!(blind_appends_beside_expecting_ones_lose_nothing, |store: Store| async move {
    let log = store.open().await;
    let one = entity("mixed");
    let blind = (0..4).map(|writer| {
        let (log, one) = (log.clone(), one.clone());
        Box::pin(async move {
            for n in 0..25 {
                log.append(&one, Expected::Any, commit(&format!("blind {writer}/{n}"))).await.unwrap();
            }
            25_usize
        }) as BoxFuture<'static, usize>
    });
    let expecting = (0..4).map(|writer| {
        let (log, one) = (log.clone(), one.clone());
        Box::pin(async move {
            let mut won = 0_usize;
            for n in 0..25 {
                let version =
                    log.read(&one, Version::NONE).await.unwrap().last().map(|commit| commit.version);
                let expected = version.map_or(Expected::Absent, Expected::Exactly);
                match log.append(&one, expected, commit(&format!("cas {writer}/{n}"))).await {
                    Ok(_) => won += 1,
                    Err(AppendError::Conflict { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            won
        }) as BoxFuture<'static, usize>
    });
    let accepted: usize = futures::future::join_all(blind.chain(expecting)).await.into_iter().sum();
    let history = log.read(&one, Version::NONE).await.unwrap();
    assert_eq!(history.len(), accepted);
    verify_chain(&history).unwrap();
});

contract!(a_restart_keeps_everything_acknowledged, |store: Store| async move {
    let mut store = store;
    let log = store.open().await;
    let appends =
        (0..200).map(|n| {
            let log = log.clone();
            async move {
                log.append(&entity(&format!("e{}", n % 40)), Expected::Any, commit(&n.to_string())).await
            }
        });
    for outcome in futures::future::join_all(appends).await {
        outcome.unwrap();
    }
    let head = log.head(Category::Envelopes).await.unwrap();
    let log = store.restart(log).await;
    assert_eq!(log.head(Category::Envelopes).await.unwrap(), head);
    let mut texts = Vec::new();
    for n in 0..40 {
        let history = log.read(&entity(&format!("e{n}")), Version::NONE).await.unwrap();
        verify_chain(&history).unwrap();
        texts.extend(history.iter().map(text));
    }
    texts.sort_by_key(|text| text.parse::<u32>().unwrap());
    assert_eq!(texts, (0..200).map(|n| n.to_string()).collect::<Vec<_>>());
    let next = log.append(&entity("e0"), Expected::Any, commit("after")).await.unwrap();
    assert!(next.position > head);
});

contract!(categories_and_tenants_do_not_see_one_another, |store: Store| async move {
    let log = store.open().await;
    log.append(&entity_of(Category::Intake, "same"), Expected::Absent, commit("intake")).await.unwrap();
    log.append(&entity_of(Category::Sync, "same"), Expected::Absent, commit("sync")).await.unwrap();
    let other = event_log::Entity::new(Category::Sync, &"globex".parse().unwrap(), "same").unwrap();
    assert_eq!(log.read(&other, Version::NONE).await.unwrap(), []);
    assert_eq!(log.head(Category::Delivery).await.unwrap(), event_log::Position::ZERO);
    let intake = log.read(&entity_of(Category::Intake, "same"), Version::NONE).await.unwrap();
    assert_eq!(text(&intake[0]), "intake");
});

contract!(what_can_never_be_stored_is_refused, |store: Store| async move {
    let log = store.open().await;
    let one = entity("one");
    let large = commit(&"x".repeat(600 * 1024));
    assert!(matches!(log.append(&one, Expected::Any, large).await, Err(AppendError::TooLarge { .. })));
    let mut empty = commit("x");
    empty.events.clear();
    assert!(matches!(log.append(&one, Expected::Any, empty).await, Err(AppendError::Corrupt(_))));
    let largest = commit(&"x".repeat(500 * 1024));
    log.append(&one, Expected::Any, largest).await.unwrap();
});
