//! Who works on which of the 16 shares: one small table per consumer, changed by compare-and-set.
//!
//! Every replica raises its own beat in the table each third of the TTL. Whose beat has not moved for a whole
//! TTL, by the observer's own monotonic clock, is taken out; no two machines' clocks are compared. A share's
//! epoch grows with every change of its owner: the fencing token. Whoever could not renew for two thirds of
//! the TTL stops starting work before anybody else may take over.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::backend::{Backend, Shares};
use crate::error::{ReadError, StateError};

const TRIES_MAX: usize = 16;

/// The table as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Table {
    /// Live replicas and their beats.
    members: BTreeMap<String, u64>,
    /// Owner per share.
    owners: [Option<String>; Shares::COUNT],
    /// Changes of owner per share.
    epochs: [u64; Shares::COUNT],
}

impl Table {
    /// The table after `me` has taken out the dead, given back `released`, raised its beat and taken what is
    /// free within its part.
    pub(super) fn step(&self, me: &str, dead: &[String], released: Shares) -> Table {
        let mut next = self.clone();
        next.members.retain(|member, _| !dead.contains(member));
        *next.members.entry(me.to_owned()).or_default() += 1;
        for share in 0..Shares::COUNT {
            let given_back = released.has(share) && next.owners[share].as_deref() == Some(me);
            let orphaned = next.owners[share].as_ref().is_some_and(|owner| !next.members.contains_key(owner));
            if given_back || orphaned {
                next.owners[share] = None;
            }
        }
        let part = next.part();
        let mut mine = next.owned(me).count();
        for share in (0..Shares::COUNT).filter(|share| !released.has(*share)) {
            if mine < part && next.owners[share].is_none() {
                next.owners[share] = Some(me.to_owned());
                next.epochs[share] += 1;
                mine += 1;
            }
        }
        next
    }

    /// The table without `me`.
    pub(super) fn without(&self, me: &str) -> Table {
        let mut next = self.clone();
        next.members.remove(me);
        for owner in &mut next.owners {
            owner.take_if(|owner| owner == me);
        }
        next
    }

    pub(super) fn owned(&self, me: &str) -> Shares {
        let mine = |share: &usize| self.owners[*share].as_deref() == Some(me);
        (0..Shares::COUNT).filter(mine).fold(Shares::NONE, Shares::with)
    }

    /// How many shares each replica may hold.
    pub(super) fn part(&self) -> usize {
        Shares::COUNT.div_ceil(self.members.len().max(1))
    }
}

/// This replica's leases of one consumer.
pub(super) struct Leases {
    backend: Arc<dyn Backend>,
    key: String,
    me: String,
    ttl: Duration,
    beats: HashMap<String, (u64, Instant)>,
    renewed: Option<Instant>,
    owned: Shares,
    part: usize,
}

impl Leases {
    pub(super) fn new(backend: Arc<dyn Backend>, consumer: &str, ttl: Duration) -> Self {
        let me = uuid::Uuid::new_v4().simple().to_string();
        let key = format!("shares/{consumer}");
        Self { backend, key, me, ttl, beats: HashMap::new(), renewed: None, owned: Shares::NONE, part: 0 }
    }

    pub(super) fn period(&self) -> Duration {
        self.ttl / 3
    }

    /// What this replica may work on now.
    pub(super) fn owned(&self) -> Shares {
        let fresh = self.renewed.is_some_and(|renewed| renewed.elapsed() < self.ttl * 2 / 3);
        if fresh { self.owned } else { Shares::NONE }
    }

    /// What this replica holds beyond its part and should give back once it is idle there.
    pub(super) fn excess(&self) -> Shares {
        let owned = self.owned();
        owned.iter().skip(self.part).fold(Shares::NONE, Shares::with)
    }

    /// Renews; gives back `released`; takes what is free.
    pub(super) async fn renew(&mut self, released: Shares) -> Result<(), ReadError> {
        for _ in 0..TRIES_MAX {
            let started = Instant::now();
            let (table, revision) = self.load().await?;
            let dead = self.dead(&table, started);
            let next = table.step(&self.me, &dead, released);
            match self.backend.state_put(&self.key, revision, encode(&next)).await {
                Ok(_) => {
                    self.owned = next.owned(&self.me);
                    self.part = next.part();
                    self.renewed = Some(started);
                    return Ok(());
                }
                Err(StateError::Conflict) => {}
                Err(error) => return Err(store_error(error)),
            }
        }
        Err(ReadError::Unavailable("the table of shares is too contended".to_owned()))
    }

    /// Gives everything back, so that others need not wait for the TTL.
    pub(super) async fn leave(&mut self) -> Result<(), ReadError> {
        for _ in 0..TRIES_MAX {
            let (table, revision) = self.load().await?;
            match self.backend.state_put(&self.key, revision, encode(&table.without(&self.me))).await {
                Ok(_) => return Ok(()),
                Err(StateError::Conflict) => {}
                Err(error) => return Err(store_error(error)),
            }
        }
        Err(ReadError::Unavailable("the table of shares is too contended".to_owned()))
    }

    async fn load(&self) -> Result<(Table, Option<crate::Revision>), ReadError> {
        let Some(entry) = self.backend.state_get(&self.key).await? else {
            return Ok((Table::default(), None));
        };
        let wrong = |_| ReadError::Corrupt("the table of shares does not decode".to_owned());
        Ok((serde_json::from_slice(&entry.value).map_err(wrong)?, Some(entry.revision)))
    }

    /// Members whose beat this replica has watched standing still for a whole TTL.
    fn dead(&mut self, table: &Table, now: Instant) -> Vec<String> {
        self.beats.retain(|member, _| table.members.contains_key(member));
        for (member, beat) in &table.members {
            let seen = self.beats.entry(member.clone()).or_insert((*beat, now));
            if seen.0 != *beat {
                *seen = (*beat, now);
            }
        }
        let still = |(member, (_, since)): (&String, &(u64, Instant))| {
            (*member != self.me && now.duration_since(*since) >= self.ttl).then(|| member.clone())
        };
        self.beats.iter().filter_map(still).collect()
    }
}

fn encode(table: &Table) -> bytes::Bytes {
    serde_json::to_vec(table).expect("strings and numbers are JSON").into()
}

fn store_error(error: StateError) -> ReadError {
    match error {
        StateError::Conflict => ReadError::Unavailable("somebody else was faster".to_owned()),
        StateError::NotAllowed => ReadError::Corrupt("the table of shares was refused".to_owned()),
        StateError::Store(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_replica_takes_every_share_at_once() {
        assert_eq!(Table::default().step("a", &[], Shares::NONE).owned("a"), Shares::ALL);
    }

    #[test]
    fn two_replicas_end_with_half_each_and_no_share_has_two_owners() {
        let alone = Table::default().step("a", &[], Shares::NONE);
        let joined = alone.step("b", &[], Shares::NONE);
        assert_eq!(joined.owned("b").count(), 0, "nothing is taken from a live owner");
        let excess = joined.owned("a").iter().skip(joined.part()).fold(Shares::NONE, Shares::with);
        let divided = joined.step("a", &[], excess).step("b", &[], Shares::NONE);
        assert_eq!((divided.owned("a").count(), divided.owned("b").count()), (8, 8));
    }

    #[test]
    fn a_dead_replicas_shares_go_to_the_living_with_a_new_epoch() {
        let alone = Table::default().step("a", &[], Shares::NONE);
        let after = alone.step("b", &["a".to_owned()], Shares::NONE);
        assert_eq!(after.owned("b"), Shares::ALL);
        assert!(after.epochs.iter().all(|epoch| *epoch == 2));
        assert_eq!(after.owned("a"), Shares::NONE);
    }
}
