//! One batch: commits in, rows and checkpoint out.

use event_log::{Position, Recorded};

use crate::store::{Damaged, Store, caught};
use crate::{ProjectionError, Rows, View, ViewError};

/// Most commits, and most rows, of one batch.
pub(crate) const BATCH_MAX: usize = 500;

/// Why a batch was not written.
pub(crate) enum Failure {
    /// The folder has to be rebuilt.
    Damaged(Damaged),
    /// Nothing helps but a person.
    Fatal(ProjectionError),
}

impl From<Damaged> for Failure {
    fn from(damaged: Damaged) -> Self {
        Failure::Damaged(damaged)
    }
}

/// Applies the commits after the checkpoint, in batches whose rows are bounded, and returns the position.
pub(crate) fn project(view: &dyn View, store: &mut Store, commits: &[Recorded]) -> Result<Position, Failure> {
    let mut rest = commits;
    while !rest.is_empty() {
        let checkpoint = store.position();
        let mut rows = Rows::new(store.tree());
        let mut applied = 0;
        let mut reached = checkpoint;
        while let Some(recorded) = rest.get(applied)
            && rows.changed() < BATCH_MAX
        {
            if recorded.position > checkpoint {
                apply(view, recorded, &mut rows)?;
                reached = recorded.position;
            }
            applied += 1;
        }
        let changes = rows.into_changes();
        if reached > checkpoint {
            caught(|| store.write(changes, reached))??;
        }
        rest = &rest[applied..];
    }
    Ok(store.position())
}

fn apply(view: &dyn View, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), Failure> {
    caught(|| view.apply(recorded, rows))?.map_err(|source| match source {
        ViewError::Unreadable(reason) => Failure::Damaged(Damaged(reason)),
        ViewError::Undecodable(_) | ViewError::TooLarge { .. } => {
            Failure::Fatal(ProjectionError::View { view: view.name(), position: recorded.position, source })
        }
    })
}
