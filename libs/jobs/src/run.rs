//! One run, as the work sees it.

use std::sync::Arc;

use domain::time::Timestamp;

use crate::Failure;
use crate::hold::Hold;

/// Longest cursor, in bytes.
const CURSOR_BYTES_MAX: usize = 32 * 1024;

/// One run of a job.
pub struct Run {
    /// When it began.
    pub started_at: Timestamp,
    /// Where the work stood when it last kept its place; `None` before it ever did.
    pub cursor: Option<String>,
    /// When a run last ended well.
    pub succeeded_at: Option<Timestamp>,
    pub(crate) hold: Arc<Hold>,
}

impl Run {
    /// Keeps the place, durably: a run that is cut off later goes on from here. At most 32 KiB.
    ///
    /// # Errors
    /// When another replica has taken the job over, or the store does not answer.
    pub async fn keep(&self, cursor: &str) -> Result<(), Failure> {
        if cursor.len() > CURSOR_BYTES_MAX {
            return Err(Failure::new("the place of the job is too long to be kept"));
        }
        self.hold.change(|record| record.cursor = Some(cursor.to_owned())).await.map_err(Failure::new)
    }
}
