//! What a writer remembers of the entities it wrote lately: where each ends and its last commands.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use domain::ids::CommandId;
use lru::LruCache;

use crate::entity::EntityKey;
use crate::record::{self, ChainEnd};
use crate::{Expected, Recorded, Version};

/// Entities remembered. Must exceed the largest group, so that nothing unwritten is ever forgotten.
const ENTITIES_MAX: NonZeroUsize = NonZeroUsize::new(16_384).expect("16 384 is not zero");
/// Commands remembered per entity: how far back a repeated command is recognised.
pub(crate) const COMMANDS_MAX: usize = 32;

/// Whether a commit may be appended, and to what.
pub(crate) enum Admission {
    Continue(ChainEnd),
    Duplicate(u64),
    Conflict(Version),
}

#[derive(Default)]
struct Head {
    end: ChainEnd,
    /// By itself: most entities have one commit, and need no list.
    last: Option<(CommandId, u64)>,
    /// Before the last, oldest first.
    earlier: VecDeque<(CommandId, u64)>,
}

impl Head {
    fn push(&mut self, command: CommandId, position: u64) {
        if let Some(before) = self.last.replace((command, position)) {
            if self.earlier.len() + 1 == COMMANDS_MAX {
                self.earlier.pop_front();
            }
            self.earlier.push_back(before);
        }
    }

    fn position_of(&self, command: &CommandId) -> Option<u64> {
        let latest_first = self.last.iter().chain(self.earlier.iter().rev());
        latest_first.into_iter().find(|(known, _)| known == command).map(|(_, position)| *position)
    }
}

pub(crate) struct HeadCache(LruCache<EntityKey, Head>);

impl Default for HeadCache {
    fn default() -> Self {
        Self(LruCache::new(ENTITIES_MAX))
    }
}

impl HeadCache {
    pub(crate) fn knows(&mut self, key: &EntityKey) -> bool {
        self.0.get(key).is_some()
    }

    /// Learns an entity from its most recent commits, oldest first; none of them: it is new.
    pub(crate) fn learn(&mut self, key: &EntityKey, recent: &[Recorded]) {
        let mut head =
            Head { end: recent.last().map(record::chain_end).unwrap_or_default(), ..Head::default() };
        for commit in recent {
            head.push(commit.command_id, commit.position.0);
        }
        self.0.put(*key, head);
    }

    /// Decides about a commit; an unknown entity counts as new.
    pub(crate) fn admit(&mut self, key: &EntityKey, expected: Expected, command: &CommandId) -> Admission {
        let Some(head) = self.0.get(key) else {
            return Admission::Continue(ChainEnd::default());
        };
        if let Some(position) = head.position_of(command) {
            return Admission::Duplicate(position);
        }
        let actual = head.end.version;
        let fits = match expected {
            Expected::Absent => actual == Version::NONE,
            Expected::Exactly(version) => actual == version,
            Expected::Any => true,
        };
        if fits { Admission::Continue(head.end) } else { Admission::Conflict(actual) }
    }

    /// The entity now ends at `end`, after it ended at `from`. Whoever remembers another end knows nothing.
    pub(crate) fn advance(&mut self, key: &EntityKey, from: Version, end: ChainEnd, command: CommandId) {
        let Some(head) = self.0.get_mut(key).filter(|head| head.end.version == from) else {
            self.forget(key);
            return;
        };
        head.push(command, end.version.0);
        head.end = end;
    }

    /// Forgets an entity that is remembered to end at `version`, which proved wrong. Where another append of this
    /// process has moved the end meanwhile, what it learnt is kept: reading it again would cost each loser a look.
    pub(crate) fn forget_end(&mut self, key: &EntityKey, version: Version) {
        if self.0.peek(key).is_some_and(|head| head.end.version == version) {
            self.forget(key);
        }
    }

    /// Forgets an entity: its head must be read again.
    pub(crate) fn forget(&mut self, key: &EntityKey) {
        self.0.pop(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Category, Entity};

    #[test]
    fn what_another_append_has_learnt_is_kept_by_those_that_it_overtook() {
        let key = Entity::new(Category::Envelopes, &"acme".parse().unwrap(), "one").unwrap().key();
        let (mut heads, command) = (HeadCache::default(), CommandId::from_bytes([7; 16]));
        heads.learn(&key, &[]);
        heads.advance(&key, Version::NONE, ChainEnd { version: Version(5), ..ChainEnd::default() }, command);
        heads.forget_end(&key, Version::NONE);
        assert!(matches!(heads.admit(&key, Expected::Any, &command), Admission::Duplicate(5)));
        heads.forget_end(&key, Version(5));
        assert!(!heads.knows(&key), "what proved wrong is read again");
    }
}
