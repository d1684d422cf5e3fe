//! What a follower does beside handing out: checkpoint, leases, dead letters' second chance, farewell.

use std::time::Duration;

use tokio::time::timeout;

use super::lanes::Item;
use super::worker::Worker;
use super::{cursor, dead_letters};
use crate::backend::Shares;
use crate::error::ReadError;

const DRAIN_MAX: Duration = Duration::from_secs(10);

impl Worker {
    /// Stores what is finished; on failure the next tick tries again.
    pub(super) async fn checkpoint(&mut self) {
        let finished: cursor::Positions =
            std::array::from_fn(|share| self.stored[share].max(self.progress.finished(share)));
        metrics::gauge!("event_log_paused_entities", "consumer" => self.consumer.name.clone())
            .set(self.lanes.paused() as f64);
        let reached = finished.iter().min().copied().unwrap_or_default();
        metrics::gauge!("event_log_consumer_position", "consumer" => self.consumer.name.clone())
            .set(reached as f64);
        if finished == self.stored {
            return;
        }
        match cursor::merge(self.backend.as_ref(), &self.consumer.name, &finished).await {
            Ok(_) => self.stored = finished,
            Err(error) => tracing::warn!(consumer = self.consumer.name, %error, "the checkpoint waits"),
        }
    }

    /// Renews the leases and follows what has changed: lost shares are dropped, won ones read from their
    /// checkpoint.
    pub(super) async fn renew(&mut self) -> Result<(), ReadError> {
        let Some(leases) = &mut self.leases else {
            if self.tail.is_none() {
                self.switch(Shares::ALL);
            }
            return Ok(());
        };
        let leaving = leases.excess();
        let idle = leaving.iter().filter(|share| self.running[*share] == 0).fold(Shares::NONE, Shares::with);
        if idle != Shares::NONE {
            self.checkpoint().await;
        }
        let Some(leases) = &mut self.leases else { return Ok(()) };
        match leases.renew(idle).await {
            Ok(()) => {}
            Err(ReadError::Unavailable(reason)) => tracing::warn!(reason, "the leases were not renewed"),
            Err(error) => return Err(error),
        }
        let excess = leases.excess();
        let active = excess.iter().fold(leases.owned(), Shares::without);
        if active == self.active {
            return Ok(());
        }
        let stored = match cursor::load(self.backend.as_ref(), &self.consumer).await {
            Ok(stored) => stored,
            // The next renewal tries again; what is owned and not worked on is only late.
            Err(ReadError::Unavailable(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        for share in active.iter().filter(|share| !self.active.has(*share)) {
            self.progress.reset(share, stored[share]);
        }
        tracing::info!(
            consumer = self.consumer.name,
            shares = active.count(),
            "the division of shares changed"
        );
        self.switch(active);
        Ok(())
    }

    fn switch(&mut self, active: Shares) {
        self.active = active;
        self.lanes.retain(|entity| active.has(Shares::of(entity)));
        let from = crate::Position(self.progress.resume(active));
        self.tail = (active != Shares::NONE).then(|| self.backend.tail(self.consumer.category, from, active));
    }

    /// Takes up dead letters that somebody wants tried again.
    pub(super) async fn answer_bell(&mut self) {
        let name = &self.consumer.name;
        let rung = match dead_letters::bell(self.backend.as_ref(), name).await {
            Ok(rung) if rung == self.bell => return,
            Ok(rung) => rung,
            Err(_) => return,
        };
        let Ok(letters) = dead_letters::list(self.backend.as_ref(), name).await else { return };
        for letter in letters.into_iter().filter(|letter| letter.retrying) {
            let held = self.lanes.holds_dead_letter(&letter.entity, letter.position.0);
            if held || !self.active.has(Shares::of(&letter.entity)) {
                continue;
            }
            match self.backend.at(self.consumer.category, letter.position).await {
                Ok(Some(recorded)) => self.lanes.push(Item::new(recorded, true)),
                Ok(None) => tracing::warn!(position = letter.position.0, "a dead letter's commit is gone"),
                Err(_) => return,
            }
        }
        self.bell = rung;
    }

    /// Lets what runs finish, stores the checkpoint, gives the shares back.
    pub(super) async fn drain(&mut self) {
        self.tail = None;
        let all_collected = async {
            while let Some(tried) = self.tries.join_next().await {
                self.collect(tried.expect("tries catch panics and are not aborted")).await;
            }
        };
        if timeout(DRAIN_MAX, all_collected).await.is_err() {
            tracing::warn!(
                consumer = self.consumer.name,
                "a handler did not finish in time; its work is repeated"
            );
        }
        self.checkpoint().await;
        if let Some(leases) = &mut self.leases
            && let Err(error) = leases.leave().await
        {
            tracing::warn!(consumer = self.consumer.name, %error, "the shares were not given back");
        }
    }
}
