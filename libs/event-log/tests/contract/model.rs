//! Ten thousand entities against a model that fits in the head: a map of what was accepted.

use std::collections::BTreeMap;

use event_log::{
    AppendError, Appended, Category, Commit, Entity, EventLog, Expected, Position, Tailed, Version,
};
use futures::StreamExt as _;

use crate::contract;
use crate::fixture::{Store, commit, entity};

const ENTITIES: u64 = 10_000;
const WAVE: u64 = 250;
const WAVES: u64 = 80;

/// Repeatable randomness (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

#[derive(Default)]
struct Model {
    entities: BTreeMap<u64, Vec<(Commit, Position)>>,
}

impl Model {
    fn version(&self, one: u64) -> Version {
        let last = self.entities.get(&one).and_then(|commits| commits.last());
        last.map_or(Version::NONE, |(_, position)| Version(position.0))
    }

    fn expected(&self, one: u64) -> Expected {
        let version = self.version(one);
        if version == Version::NONE { Expected::Absent } else { Expected::Exactly(version) }
    }

    fn accept(&mut self, one: u64, commit: Commit, position: Position) {
        self.entities.entry(one).or_default().push((commit, position));
    }

    fn positions(&self) -> BTreeMap<Position, &Commit> {
        self.entities.values().flatten().map(|(commit, position)| (*position, commit)).collect()
    }
}

enum Move {
    /// Must be accepted.
    Accepted(Expected, Commit),
    /// Must be refused: the version is stale.
    Refused(Expected, Commit),
    /// Must be answered with the first append's position.
    Repeated(Expected, Commit, Position),
}

fn next_move(dice: &mut Dice, model: &Model, one: u64) -> Move {
    let fresh = commit(&format!("{one}"));
    let stale = Expected::Exactly(Version(u64::MAX - 1));
    let Some(history) = model.entities.get(&one) else {
        return match dice.roll(4) {
            0 => Move::Accepted(Expected::Any, fresh),
            1 => Move::Refused(stale, fresh),
            _ => Move::Accepted(Expected::Absent, fresh),
        };
    };
    let (old, position) = history[usize::try_from(dice.roll(history.len() as u64)).unwrap()].clone();
    match dice.roll(6) {
        0 => Move::Refused(Expected::Absent, fresh),
        1 => Move::Refused(stale, fresh),
        2 => Move::Repeated(Expected::Absent, old, position),
        3 => Move::Repeated(model.expected(one), old, position),
        4 => Move::Accepted(Expected::Any, fresh),
        _ => Move::Accepted(model.expected(one), fresh),
    }
}

fn name(one: u64) -> Entity {
    entity(&format!("m{one}"))
}

async fn wave(log: &EventLog, dice: &mut Dice, model: &mut Model) {
    let first = dice.roll(ENTITIES);
    // Neighbours at a stride: distinct within the wave, so that the model knows the outcome of each.
    let moves: Vec<(u64, Move)> = (0..WAVE)
        .map(|n| (first + n * 37) % ENTITIES)
        .map(|one| (one, next_move(dice, model, one)))
        .collect();
    let appends = moves.iter().map(|(one, play)| {
        let (expected, commit) = match play {
            Move::Accepted(expected, commit) | Move::Refused(expected, commit) => (*expected, commit.clone()),
            Move::Repeated(expected, commit, _) => (*expected, commit.clone()),
        };
        let one = name(*one);
        async move { log.append(&one, expected, commit).await }
    });
    let outcomes = futures::future::join_all(appends).await;
    for ((one, play), outcome) in moves.into_iter().zip(outcomes) {
        match play {
            Move::Accepted(_, commit) => {
                let Appended { position, duplicate, .. } = outcome.unwrap();
                assert!(!duplicate);
                model.accept(one, commit, position);
            }
            Move::Refused(..) => {
                assert_eq!(outcome, Err(AppendError::Conflict { actual: model.version(one) }));
            }
            Move::Repeated(_, _, position) => {
                let answer = outcome.unwrap();
                assert_eq!((answer.position, answer.duplicate), (position, true));
            }
        }
    }
}

async fn compare_reads(log: &EventLog, model: &Model) {
    let reads = futures::stream::iter(0..ENTITIES)
        .map(|one| async move { (one, log.read(&name(one), Version::NONE).await.unwrap()) });
    let mut reads = reads.buffer_unordered(32);
    while let Some((one, history)) = reads.next().await {
        let stored: Vec<_> =
            history.iter().map(|recorded| (recorded.command_id, recorded.position)).collect();
        let accepted = model.entities.get(&one).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(stored, accepted.iter().map(|(commit, at)| (commit.command_id, *at)).collect::<Vec<_>>());
    }
}

async fn compare_tail(log: &EventLog, model: &Model, after: Position) {
    let all = model.positions();
    let mut tail = log.tail(Category::Envelopes, after);
    for (position, commit) in all.range(Position(after.0 + 1)..) {
        let recorded = loop {
            match tail.next().await.unwrap().unwrap() {
                Tailed::Commit(recorded) => break recorded,
                Tailed::CaughtUp(_) => {}
            }
        };
        assert_eq!((recorded.position, recorded.command_id), (*position, commit.command_id));
    }
}

contract!(ten_thousand_entities_behave_like_the_model, |store: Store| async move {
    let mut store = store;
    let log = store.open().await;
    let (mut dice, mut model) = (Dice(20_261_122), Model::default());
    for _ in 0..WAVES {
        wave(&log, &mut dice, &mut model).await;
    }
    compare_reads(&log, &model).await;
    let log = store.restart(log).await;
    for _ in 0..4 {
        wave(&log, &mut dice, &mut model).await;
    }
    let last = model.positions().last_key_value().map(|(position, _)| *position).unwrap();
    assert_eq!(log.head(Category::Envelopes).await.unwrap(), last);
    compare_tail(&log, &model, Position::ZERO).await;
    compare_tail(&log, &model, Position(dice.roll(last.0))).await;
});
