//! What waits for the writer, taken a group at a time.
//!
//! Whoever is answered comes again at once, so the writer sleeps until as many wait as in the group before (or a
//! moment has passed) and is woken once for all of them, not once for each.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::request::Request;

/// Requests that may wait.
pub(super) const QUEUE_MAX: usize = 4_096;
const GROUP_REQUESTS_MAX: usize = 512;
const GROUP_BYTES_MAX: usize = 1024 * 1024;

struct Queue {
    waiting: Mutex<Waiting>,
    /// The writer sleeps here.
    enough: Condvar,
    /// Whoever found the queue full waits here.
    room: Notify,
}

#[derive(Default)]
struct Waiting {
    requests: Vec<Request>,
    /// So many wake the writer; 0 while it is awake.
    wanted: usize,
    closed: bool,
}

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("its queue is full")]
    Full,
    #[error("its writer has stopped")]
    Closed,
}

/// The callers' end; the writer stops when it is gone.
pub(super) struct Requests(Arc<Queue>);

/// The writer's end; nothing is taken any more when it is gone.
pub(super) struct Groups(Arc<Queue>);

pub(super) fn queue() -> (Requests, Groups) {
    let queue = Arc::new(Queue {
        waiting: Mutex::new(Waiting::default()),
        enough: Condvar::new(),
        room: Notify::new(),
    });
    (Requests(queue.clone()), Groups(queue))
}

impl Requests {
    /// Queues a request, if need be when there is room; the error says that it was certainly not taken.
    pub(super) async fn submit(&self, request: Request, wait_max: Duration) -> Result<(), Refused> {
        let Some(mut request) = self.try_submit(request)? else { return Ok(()) };
        let until = tokio::time::Instant::now() + wait_max;
        loop {
            let room = self.0.room.notified();
            match self.try_submit(request)? {
                None => return Ok(()),
                Some(refused) => request = refused,
            }
            tokio::time::timeout_at(until, room).await.map_err(|_| Refused::Full)?;
        }
    }

    /// Gives the request back when the queue is full.
    fn try_submit(&self, request: Request) -> Result<Option<Request>, Refused> {
        let mut waiting = self.0.waiting.lock();
        if waiting.closed {
            return Err(Refused::Closed);
        }
        if waiting.requests.len() >= QUEUE_MAX {
            return Ok(Some(request));
        }
        waiting.requests.push(request);
        if waiting.requests.len() == waiting.wanted {
            self.0.enough.notify_one();
        }
        Ok(None)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.waiting.lock().closed
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.0.waiting.lock().requests.is_empty()
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        self.0.waiting.lock().closed = true;
        self.0.enough.notify_one();
    }
}

impl Groups {
    /// Fills the empty `group`: waits for a first request, then up to `linger` until `wanted` wait. `false` when
    /// the callers are gone and nothing waits.
    pub(super) fn next(&self, group: &mut Vec<Request>, wanted: usize, linger: Duration) -> bool {
        let mut waiting = self.0.waiting.lock();
        while waiting.requests.is_empty() {
            if waiting.closed {
                return false;
            }
            waiting.wanted = 1;
            self.0.enough.wait(&mut waiting);
        }
        let until = Instant::now() + linger;
        while waiting.requests.len() < wanted && !waiting.closed {
            waiting.wanted = wanted;
            if self.0.enough.wait_until(&mut waiting, until).timed_out() {
                break;
            }
        }
        waiting.wanted = 0;
        let was_full = waiting.requests.len() >= QUEUE_MAX;
        let mut bytes = 0;
        let fitting = waiting.requests.iter().take(GROUP_REQUESTS_MAX).take_while(|request| {
            let fits = bytes < GROUP_BYTES_MAX;
            bytes += request.weight();
            fits
        });
        let count = fitting.count();
        if count == waiting.requests.len() {
            std::mem::swap(&mut waiting.requests, group);
        } else {
            group.extend(waiting.requests.drain(..count));
        }
        drop(waiting);
        if was_full {
            self.0.room.notify_waiters();
        }
        true
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        waiting.closed = true;
        // Dropped requests are answered: their reply is gone.
        waiting.requests.clear();
        drop(waiting);
        self.0.room.notify_waiters();
    }
}
