//! What can go wrong with a call.

use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::vendors::Call;

/// What happens to the next calls.
pub struct Trouble {
    /// In words.
    pub name: &'static str,
    /// The order for the simulator.
    pub action: Value,
    /// How many calls it happens to.
    pub times: usize,
    /// Whether the vendor carries the spoiled call out, and only its answer is lost.
    pub applied: bool,
    /// Whether nobody can tell from the answer if it was carried out.
    pub unknown: bool,
    /// Whether only vendors with locks know it.
    pub lock: bool,
}

impl Trouble {
    fn new(name: &'static str, action: Value, times: usize) -> Self {
        Self { name, action, times, applied: false, unknown: false, lock: false }
    }

    fn unknown(self) -> Self {
        Self { unknown: true, ..self }
    }

    fn applied(self) -> Self {
        Self { applied: true, ..self.unknown() }
    }

    /// How many calls it takes: every spoiled one and a good one. Where the spoiled one was carried out, a look may
    /// have shown it, so that no other was made. A reminder that may have gone out is never repeated.
    pub fn attempts(&self, call: Call) -> RangeInclusive<usize> {
        match call {
            Call::Remind if self.unknown => 1..=1,
            Call::Create | Call::Send | Call::Remind | Call::Void if self.applied => {
                self.times..=self.times + 1
            }
            Call::Create | Call::Send | Call::Remind | Call::Void => self.times + 1..=self.times + 1,
        }
    }

    /// How often it happens: once. A reminder of unknown outcome happens once or not at all, as the vendor has it.
    pub fn effects(&self, call: Call) -> usize {
        if call == Call::Remind && self.unknown { usize::from(self.applied) } else { 1 }
    }
}

/// All of them.
pub fn troubles() -> Vec<Trouble> {
    let lock = json!({"type": "document_locked", "detail": "somebody edits it", "lock_type": "wopi_editing"});
    vec![
        Trouble::new("429 with Retry-After", json!({"status": 429, "headers": {"retry-after": "1"}}), 2),
        Trouble::new("429 without Retry-After", json!({"status": 429}), 1),
        Trouble { lock: true, ..Trouble::new("423", json!({"status": 423, "body": lock}), 2) },
        Trouble::new("401, then the key is good", json!({"status": 401}), 1),
        Trouble::new("503", json!({"status": 503}), 3).unknown(),
        Trouble::new("a proxy's 502", json!("html_502"), 1).unknown(),
        Trouble::new("the line breaks", json!("drop_connection"), 1).unknown(),
        Trouble::new("no answer, and nothing was done", json!("timeout_before_apply"), 1).unknown(),
        Trouble::new("no answer, and it was done", json!("timeout_after_apply"), 1).applied(),
        Trouble::new("503, and it was done", json!({"status": 503, "after_apply": true}), 1).applied(),
        Trouble::new("the answer breaks off", json!("truncate_body"), 1).applied(),
    ]
}
