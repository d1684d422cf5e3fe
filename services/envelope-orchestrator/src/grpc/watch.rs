//! Telling of every change, in the order of the log, from a resume token on.

use contracts::wire::envelope as wire;
use contracts::wire::envelope::watch_envelopes_response::Update;
use event_log::{Category, Position, ReadError, Recorded, Tailed};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tonic::Status;

use super::Grpc;
use super::read::{fits, shown};
use super::refuse::{bad_request, refused, unavailable, violation};
use crate::store::Subject;

/// How a resume token begins: the form may change, the position behind it stays.
const TOKEN: &str = "v1-";

struct Watch {
    grpc: Grpc,
    filter: wire::EnvelopeFilter,
    tail: BoxStream<'static, Result<Tailed, ReadError>>,
    heartbeat: Interval,
    position: Position,
}

impl Grpc {
    pub(super) async fn watch(
        &self,
        request: wire::WatchEnvelopesRequest,
    ) -> Result<BoxStream<'static, Result<wire::WatchEnvelopesResponse, Status>>, Status> {
        let position = match (request.resume_token.as_str(), request.from_beginning) {
            ("", true) => Position::ZERO,
            ("", false) => self.store.log().head(Category::Envelopes).await.map_err(unavailable)?,
            (token, _) => {
                token.strip_prefix(TOKEN).and_then(|digits| digits.parse().ok()).map(Position).ok_or_else(
                    || bad_request(vec![violation("resume_token", "is not a token of this service")]),
                )?
            }
        };
        let pause = self.tuning.heartbeat;
        let mut heartbeat = interval_at(Instant::now() + pause, pause);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let watch = Watch {
            grpc: self.clone(),
            filter: request.filter.unwrap_or_default(),
            tail: self.store.log().tail(Category::Envelopes, position),
            heartbeat,
            position,
        };
        Ok(futures::stream::unfold(Some(watch), |watch| async {
            let mut watch = watch?;
            match watch.next().await {
                Some(Ok(response)) => Some((Ok(response), Some(watch))),
                Some(Err(status)) => Some((Err(status), None)),
                None => None,
            }
        })
        .boxed())
    }
}

impl Watch {
    /// The next update; `None` once the service stops.
    async fn next(&mut self) -> Option<Result<wire::WatchEnvelopesResponse, Status>> {
        let shutdown = self.grpc.shutdown.clone();
        loop {
            let item = tokio::select! {
                () = shutdown.cancelled() => return None,
                _ = self.heartbeat.tick() => {
                    let beat = wire::Heartbeat { position: self.position.0 };
                    return Some(Ok(self.update(Update::Heartbeat(beat))));
                }
                item = self.tail.next() => item?,
            };
            let recorded = match item {
                Ok(Tailed::Commit(recorded)) => recorded,
                Ok(Tailed::CaughtUp(position)) => {
                    self.position = self.position.max(position);
                    continue;
                }
                Err(error) => return Some(Err(unavailable(error))),
            };
            self.position = recorded.position;
            match self.change(&recorded).await {
                Ok(Some(change)) => return Some(Ok(self.update(Update::Change(change)))),
                Ok(None) => {}
                Err(status) => return Some(Err(status)),
            }
        }
    }

    async fn change(&mut self, recorded: &Recorded) -> Result<Option<wire::EnvelopeChange>, Status> {
        let Some(subject) = Subject::of(&recorded.entity) else { return Ok(None) };
        let loaded = self.grpc.store.load_until(&subject, recorded.version).await;
        let loaded = loaded.map_err(|error| refused(&subject, error))?;
        let envelope = shown(&subject, &loaded);
        Ok(fits(&envelope, &self.filter).then(|| wire::EnvelopeChange {
            envelope: Some(envelope),
            kinds: recorded.events.iter().map(|event| event.kind.clone()).collect(),
            position: recorded.position.0,
        }))
    }

    fn update(&self, update: Update) -> wire::WatchEnvelopesResponse {
        let resume_token = format!("{TOKEN}{}", self.position.0);
        wire::WatchEnvelopesResponse { resume_token, update: Some(update) }
    }
}
