//! One append: publish with the expected sequence until there is a definite answer.

use async_nats::HeaderMap;
use tokio::time::{Duration, Instant, sleep};

use super::message::{Outgoing, Published};
use super::{JetStream, read, topology};
use crate::entity::EntityKey;
use crate::error::{AppendError, ReadError};
use crate::heads::Admission;
use crate::record::{self, ChainEnd};
use crate::{Appended, Commit, Entity, Expected, Version, clock};

const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn append(
    log: &JetStream,
    entity: &Entity,
    expected: Expected,
    commit: &Commit,
) -> Result<Appended, AppendError> {
    let deadline = Instant::now() + log.append_deadline;
    let key = entity.key();
    // Whether an earlier try of this very append may be the one that is stored.
    let mut uncertain = false;
    // A new entity is believed to be new until the server objects.
    let mut believe = expected == Expected::Absent;
    let mut reason = "no answer".to_owned();
    while Instant::now() < deadline {
        let fresh = match learn(log, entity, &key, believe).await {
            Ok(fresh) => fresh,
            Err(ReadError::Unavailable(why)) => {
                reason = why;
                sleep(PAUSE).await;
                continue;
            }
            Err(ReadError::Corrupt(why)) => return Err(AppendError::Corrupt(why)),
            Err(ReadError::TooLong { commits_max }) => {
                return Err(AppendError::Corrupt(format!("{entity} has more than {commits_max} commits")));
            }
        };
        if uncertain {
            // Since then others may have written more than is remembered: the earlier try is looked for in all of it.
            match read::position_of(log, entity, commit.command_id).await {
                Ok(None) => {}
                Ok(Some(position)) => return Ok(Appended::at(position.0, false)),
                Err(ReadError::Unavailable(why)) => {
                    reason = why;
                    sleep(PAUSE).await;
                    continue;
                }
                Err(error) => return Err(AppendError::Corrupt(error.to_string())),
            }
        }
        let admission = log.heads.lock().admit(&key, expected, &commit.command_id);
        let end = match admission {
            Admission::Continue(end) => end,
            Admission::Duplicate(position) => return Ok(Appended::at(position, !uncertain)),
            Admission::Conflict(actual) if fresh => return Err(AppendError::Conflict { actual }),
            Admission::Conflict(_) => {
                // Another replica may have moved the entity since: only the leader can refuse.
                believe = false;
                log.heads.lock().forget(&key);
                continue;
            }
        };
        let (bytes, next) = record::encode(entity, end, clock::now(), commit);
        let message = Outgoing {
            subject: topology::subject(entity).into(),
            expected: end.version.0,
            headers: trace_headers(commit),
            payload: bytes.into(),
        };
        let published = log.log_writer.publish(message, deadline).await;
        believe = false;
        match published {
            Published::At(sequence) => {
                let next = ChainEnd { version: Version(sequence), ..next };
                log.heads.lock().advance(&key, end.version, next, commit.command_id);
                return Ok(Appended::at(sequence, false));
            }
            // Somebody was faster, or an earlier try of this command is stored: the leader knows, unless it was
            // an append of this process, which remembered it.
            Published::WrongSequence => {
                log.heads.lock().forget_end(&key, end.version);
                if uncertain {
                    // A cluster refuses as long as the earlier try is on its way.
                    sleep(PAUSE).await;
                }
            }
            Published::Unknown => {
                uncertain = true;
                log.heads.lock().forget(&key);
            }
            Published::Refused(why) => {
                reason = why;
                log.heads.lock().forget(&key);
                sleep(PAUSE).await;
            }
        }
    }
    if uncertain { Err(AppendError::Unknown) } else { Err(AppendError::Unavailable(reason)) }
}

/// Makes sure that the cache knows the entity; `true` when it was read just now.
async fn learn(
    log: &JetStream,
    entity: &Entity,
    key: &EntityKey,
    believe_new: bool,
) -> Result<bool, ReadError> {
    if log.heads.lock().knows(key) {
        return Ok(false);
    }
    let history = if believe_new { Vec::new() } else { read::recent(log, entity).await? };
    log.heads.lock().learn(key, &history);
    Ok(!believe_new)
}

/// The trace in headers too, for tools that look at the stream.
fn trace_headers(commit: &Commit) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(traceparent) = &commit.trace.traceparent {
        headers.insert("traceparent", traceparent.as_str());
    }
    if let Some(tracestate) = &commit.trace.tracestate {
        headers.insert("tracestate", tracestate.as_str());
    }
    headers
}
