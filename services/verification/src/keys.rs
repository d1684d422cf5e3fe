//! Which key verified what, and when last: so that an operator knows when an old key is safe to remove.

use std::collections::HashMap;
use std::sync::Arc;

use contracts::wire::verification::KeyStatus;
use domain::ids::ConnectionId;
use domain::time::Timestamp;
use parking_lot::Mutex;

use crate::connections::{Connections, Known};

/// How a key was used since this process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// When it last verified a delivery.
    pub last_used_at: Timestamp,
    /// How many signals it verified.
    pub verified: u64,
}

/// Use of every key. Bounded by the configuration, which names the keys.
#[derive(Default)]
pub struct KeyUsage {
    by_key: Mutex<HashMap<(ConnectionId, String), Usage>>,
}

impl KeyUsage {
    /// Counts the signals of one verified delivery.
    pub fn used(&self, connection: &ConnectionId, key_id: &str, at: Timestamp, signals: u64) {
        let mut by_key = self.by_key.lock();
        let usage = by_key.entry((connection.clone(), key_id.to_owned())).or_default();
        usage.last_used_at = usage.last_used_at.max(at);
        usage.verified += signals;
    }

    /// How a key was used; zero if it never was.
    pub fn of(&self, connection: &ConnectionId, key_id: &str) -> Usage {
        self.by_key.lock().get(&(connection.clone(), key_id.to_owned())).copied().unwrap_or_default()
    }
}

/// Every key that verifies, of one connection or (`only` is empty) of all.
pub fn status(connections: &Connections, usage: &KeyUsage, now: Timestamp, only: &str) -> Vec<KeyStatus> {
    let connections = connections.current();
    let mut wanted: Vec<(&ConnectionId, &Arc<Known>)> =
        connections.iter().filter(|(id, _)| only.is_empty() || id.as_str() == only).collect();
    wanted.sort_by_key(|(id, _)| *id);
    let keys = wanted.into_iter().flat_map(|(id, known)| known.keys.keys().iter().map(move |key| (id, key)));
    keys.map(|(id, key)| {
        let usage = usage.of(id, &key.id);
        KeyStatus {
            connection: id.to_string(),
            key_id: key.id.clone(),
            in_force: key.is_in_force(now),
            not_before_ms: key.not_before.unwrap_or_default().0,
            not_after_ms: key.not_after.unwrap_or_default().0,
            last_used_at_ms: usage.last_used_at.0,
            verified: usage.verified,
            ..KeyStatus::default()
        }
    })
    .collect()
}
