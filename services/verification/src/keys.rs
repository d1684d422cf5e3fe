//! Which key verified what, and when last: so that an operator knows when an old key is safe to remove.

use std::collections::HashMap;

use domain::ids::ConnectionId;
use domain::time::Timestamp;
use parking_lot::Mutex;

/// How a key was used since this process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// When it last verified a delivery.
    pub last_used_at: Timestamp,
    /// How many deliveries it verified.
    pub verified: u64,
}

/// Use of every key. Bounded by the configuration, which names the keys.
#[derive(Default)]
pub struct KeyUsage {
    by_key: Mutex<HashMap<(ConnectionId, String), Usage>>,
}

impl KeyUsage {
    /// Counts one verified delivery.
    pub fn used(&self, connection: &ConnectionId, key_id: &str, at: Timestamp) {
        let mut by_key = self.by_key.lock();
        let usage = by_key.entry((connection.clone(), key_id.to_owned())).or_default();
        usage.last_used_at = usage.last_used_at.max(at);
        usage.verified += 1;
    }

    /// How a key was used; zero if it never was.
    pub fn of(&self, connection: &ConnectionId, key_id: &str) -> Usage {
        self.by_key.lock().get(&(connection.clone(), key_id.to_owned())).copied().unwrap_or_default()
    }
}
