//! Reads that include every acknowledged write: the head comes from the leader, what lies before it may come
//! from any replica, as long as it reaches that head.

use std::time::Duration;

use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::{HeaderMap, StatusCode};
use bytes::Bytes;
use domain::ids::CommandId;
use futures::StreamExt as _;
use tokio::time::timeout;

use super::{JetStream, REQUEST_MAX, topology, unavailable};
use crate::error::ReadError;
use crate::heads::COMMANDS_MAX;
use crate::{COMMITS_PER_ENTITY_MAX, Category, Entity, Position, Recorded, Version, record};

const PAGE: usize = 1_000;
const PAGE_WAIT_MAX: Duration = Duration::from_secs(5);

/// A stored message.
pub(super) struct Stored {
    pub(super) subject: String,
    pub(super) sequence: u64,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// The position of the category's last commit, from the leader.
pub(super) async fn head(stream: &Stream, category: Category) -> Result<Position, ReadError> {
    let last = last(stream, &topology::category_subject(category)).await?;
    Ok(Position(last.map_or(0, |message| message.sequence)))
}

/// The commit at a sequence, from the leader.
pub(super) async fn at(stream: &Stream, sequence: u64) -> Result<Option<Recorded>, ReadError> {
    match stream.get_raw_message(sequence).await {
        Ok(message) => decode(message.sequence, message.payload).map(Some),
        Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
        Err(error) => Err(unavailable(error)),
    }
}

/// Whether a subject (wildcards allowed) has a message after a sequence, from the leader.
pub(super) async fn any_after(stream: &Stream, subject: String, after: u64) -> Result<bool, ReadError> {
    match stream.get_first_raw_message_by_subject(subject, after + 1).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(false),
        Err(error) => Err(unavailable(error)),
    }
}

/// The last message of a subject, from the leader.
pub(super) async fn last(stream: &Stream, subject: &str) -> Result<Option<Stored>, ReadError> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(Stored {
            subject: message.subject.to_string(),
            sequence: message.sequence,
            headers: message.headers,
            payload: message.payload,
        })),
        Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
        Err(error) => Err(unavailable(error)),
    }
}

/// The entity's commits after a version, oldest first.
pub(super) async fn read(
    log: &JetStream,
    entity: &Entity,
    after: Version,
) -> Result<Vec<Recorded>, ReadError> {
    let commits = commits(log, entity, after).await?;
    if commits.len() > COMMITS_PER_ENTITY_MAX {
        return Err(ReadError::TooLong { commits_max: COMMITS_PER_ENTITY_MAX });
    }
    Ok(commits)
}

/// The entity's last commits, oldest first: enough to know its end and its last commands.
pub(super) async fn recent(log: &JetStream, entity: &Entity) -> Result<Vec<Recorded>, ReadError> {
    let mut commits = commits(log, entity, Version::NONE).await?;
    Ok(commits.split_off(commits.len().saturating_sub(COMMANDS_MAX)))
}

/// Where a command is among all of the entity's commits.
pub(super) async fn position_of(
    log: &JetStream,
    entity: &Entity,
    command: CommandId,
) -> Result<Option<Position>, ReadError> {
    let commits = commits(log, entity, Version::NONE).await?;
    Ok(commits.into_iter().find(|commit| commit.command_id == command).map(|commit| commit.position))
}

async fn commits(log: &JetStream, entity: &Entity, after: Version) -> Result<Vec<Recorded>, ReadError> {
    let subject = topology::subject(entity);
    let Some(head) = last(&log.log, &subject).await?.filter(|head| head.sequence > after.0) else {
        return Ok(Vec::new());
    };
    let head = decode(head.sequence, head.payload)?;
    let mut commits: Vec<Recorded> = Vec::new();
    if head.previous_version > after {
        let before = |message: &Stored| message.sequence < head.position.0;
        for message in list(log, topology::LOG, &subject, after.0 + 1).await?.into_iter().filter(before) {
            commits.push(decode(message.sequence, message.payload)?);
        }
    }
    // A replica may lag: what it lacks is fetched from the leader, backwards from the head.
    let mut lacking = vec![head];
    let reached = commits.last().map_or(after, |commit| commit.version);
    while let Some(previous) = lacking.last().map(|commit| commit.previous_version).filter(|to| *to > reached)
    {
        let missing = || ReadError::Corrupt(format!("commit {previous} of {entity} is missing"));
        lacking.push(at(&log.log, previous.0).await?.ok_or_else(missing)?);
    }
    commits.extend(lacking.into_iter().rev());
    let continues = |pair: &[Recorded]| pair[1].previous_version == pair[0].version;
    if !commits.windows(2).all(continues) || commits.iter().any(|commit| commit.entity != *entity) {
        return Err(ReadError::Corrupt(format!("the commits of {entity} do not continue one another")));
    }
    Ok(commits)
}

/// The messages of a subject (wildcards allowed) from a sequence on, in order, from any replica.
pub(super) async fn list(
    log: &JetStream,
    stream: &str,
    subject: &str,
    from: u64,
) -> Result<Vec<Stored>, ReadError> {
    let client = log.context.client();
    let mut messages: Vec<Stored> = Vec::new();
    let mut next = from;
    while messages.len() <= COMMITS_PER_ENTITY_MAX {
        let inbox = client.new_inbox();
        let mut answers = client.subscribe(inbox.clone()).await.map_err(unavailable)?;
        let request = serde_json::json!({"seq": next, "batch": PAGE, "next_by_subj": subject}).to_string();
        client
            .publish_with_reply(format!("$JS.API.DIRECT.GET.{stream}"), inbox, request.into())
            .await
            .map_err(unavailable)?;
        let got = messages.len();
        let page = timeout(PAGE_WAIT_MAX, async {
            while let Some(answer) = answers.next().await {
                match answer.status {
                    Some(StatusCode::NO_RESPONDERS) => return Err(unavailable("no replica answers")),
                    // 204 ends a page, 404 says that there is nothing.
                    Some(status) if status != StatusCode::OK => return Ok(()),
                    Some(_) | None => messages.push(stored(answer)?),
                }
            }
            Err(unavailable("the connection is closed"))
        });
        page.await.map_err(unavailable)??;
        if messages.len() - got < PAGE {
            return Ok(messages);
        }
        next = messages.last().map_or(next, |last| last.sequence + 1);
    }
    Ok(messages)
}

fn stored(answer: async_nats::Message) -> Result<Stored, ReadError> {
    let headers = answer.headers.unwrap_or_default();
    let text = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    let wrong = || ReadError::Unavailable("a replica's answer lacks its headers".to_owned());
    Ok(Stored {
        subject: text("Nats-Subject").ok_or_else(wrong)?,
        sequence: text("Nats-Sequence").and_then(|text| text.parse().ok()).ok_or_else(wrong)?,
        payload: answer.payload,
        headers,
    })
}

pub(super) fn decode(sequence: u64, payload: Bytes) -> Result<Recorded, ReadError> {
    record::decode(sequence, payload).map_err(ReadError::Corrupt)
}

/// Bounds what async-nats does not bound itself.
pub(super) async fn bounded<T, E: std::fmt::Display>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, ReadError> {
    timeout(REQUEST_MAX, work).await.map_err(unavailable)?.map_err(unavailable)
}
