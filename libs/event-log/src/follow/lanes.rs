//! Who may be handled next: one lane per entity, in order, one at a time, paused lanes aside.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Entity, Recorded};

/// A commit on its way to the handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) recorded: Recorded,
    /// Tries so far.
    pub(super) attempts: u32,
    /// Tries that panicked.
    pub(super) panics: u32,
    /// A dead letter's extra try: not part of the checkpoint.
    pub(super) dead_letter: bool,
}

impl Item {
    pub(super) fn new(recorded: Recorded, dead_letter: bool) -> Self {
        Self { recorded, attempts: 0, panics: 0, dead_letter }
    }
}

enum Standing {
    Ready,
    Running,
    Paused,
}

struct Lane {
    queue: VecDeque<Item>,
    standing: Standing,
    /// Tells a lane from an earlier one of the same entity, whose handler may still run.
    number: u64,
}

/// Pure bookkeeping of one follower.
#[derive(Default)]
pub(super) struct Lanes {
    lanes: HashMap<Entity, Lane>,
    ready: VecDeque<(Entity, u64)>,
    paused: BTreeMap<(Instant, u64), Entity>,
    held: usize,
    opened: u64,
}

impl Lanes {
    /// Commits held: waiting, running or paused.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn push(&mut self, item: Item) {
        self.held += 1;
        let entity = item.recorded.entity.clone();
        if let Some(lane) = self.lanes.get_mut(&entity) {
            lane.queue.push_back(item);
            return;
        }
        self.opened += 1;
        let lane = Lane { queue: VecDeque::from([item]), standing: Standing::Ready, number: self.opened };
        self.ready.push_back((entity.clone(), lane.number));
        self.lanes.insert(entity, lane);
    }

    /// The next item to hand out, with its lane's number; its lane is busy until one of the calls below.
    pub(super) fn start(&mut self) -> Option<(Item, u64)> {
        while let Some((entity, number)) = self.ready.pop_front() {
            let Some(lane) = self.lanes.get_mut(&entity).filter(|lane| lane.number == number) else {
                continue;
            };
            let Some(item) = lane.queue.front() else { continue };
            lane.standing = Standing::Running;
            return Some((item.clone(), number));
        }
        None
    }

    /// The item is finished, one way or the other; `false` when its lane was dropped meanwhile.
    pub(super) fn finish(&mut self, entity: &Entity, number: u64) -> bool {
        let Some(lane) = self.lanes.get_mut(entity).filter(|lane| lane.number == number) else {
            return false;
        };
        lane.queue.pop_front();
        self.held -= 1;
        if lane.queue.is_empty() {
            self.lanes.remove(entity);
        } else {
            lane.standing = Standing::Ready;
            self.ready.push_back((entity.clone(), number));
        }
        true
    }

    /// The item is tried again after the pause; `false` when its lane was dropped meanwhile.
    pub(super) fn pause(&mut self, item: Item, number: u64, now: Instant, pause: Duration) -> bool {
        let entity = item.recorded.entity.clone();
        let Some(lane) = self.lanes.get_mut(&entity).filter(|lane| lane.number == number) else {
            return false;
        };
        if let Some(first) = lane.queue.front_mut() {
            *first = item;
        }
        lane.standing = Standing::Paused;
        self.paused.insert((now + pause, number), entity);
        true
    }

    /// When the next pause ends.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.paused.first_key_value().map(|((at, _), _)| *at)
    }

    /// Makes lanes ready whose pause is over.
    pub(super) fn wake(&mut self, now: Instant) {
        while self.wake_at().is_some_and(|at| at <= now) {
            let Some(((_, number), entity)) = self.paused.pop_first() else { return };
            let Some(lane) = self.lanes.get_mut(&entity).filter(|lane| lane.number == number) else {
                continue;
            };
            lane.standing = Standing::Ready;
            self.ready.push_back((entity, number));
        }
    }

    /// Forgets lanes whose entity does not pass; a handler that runs is not stopped, its result is ignored.
    pub(super) fn retain(&mut self, keep: impl Fn(&Entity) -> bool) {
        self.lanes.retain(|entity, _| keep(entity));
        self.held = self.lanes.values().map(|lane| lane.queue.len()).sum();
    }

    /// Whether this dead letter's extra try is under way.
    pub(super) fn holds_dead_letter(&self, entity: &Entity, position: u64) -> bool {
        let same = |item: &Item| item.dead_letter && item.recorded.position.0 == position;
        self.lanes.get(entity).is_some_and(|lane| lane.queue.iter().any(same))
    }

    /// Entities that wait for the end of a pause.
    pub(super) fn paused(&self) -> usize {
        self.lanes.values().filter(|lane| matches!(lane.standing, Standing::Paused)).count()
    }
}
