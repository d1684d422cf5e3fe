//! Showing envelopes: read from the log itself, so that an answer is never older than what was acknowledged.

use std::time::Duration;

use contracts::envelope as codec;
use contracts::wire::envelope as wire;
use domain::envelope::Artifact;
use event_log::{Position, verify_chain};
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use sha2::{Digest as _, Sha256};
use tonic::Status;

use super::refuse::{bad_request, no_artifact, not_found, refused, unavailable, violation};
use super::{Grpc, parse_id};
use crate::store::{Loaded, Subject};

/// Longest a reader waits for the projection to reach its position.
const WAIT_MAX: Duration = Duration::from_secs(10);
const PAGE: usize = 100;
const PAGE_MAX: usize = 1000;
/// Most rows that one page looks through for envelopes that fit its filter.
const SCAN_MAX: usize = 5000;
const READS_AT_ONCE: usize = 16;
const PIECE_BYTES: usize = 64 * 1024;

impl Grpc {
    pub(super) async fn get(
        &self,
        request: wire::GetEnvelopeRequest,
    ) -> Result<wire::GetEnvelopeResponse, Status> {
        let id = parse_id(&request.envelope_id).map_err(|found| bad_request(vec![found]))?;
        self.reach(request.min_position).await?;
        let subject = self.subject(&id).await?;
        let loaded = self.loaded(&subject).await?;
        let position = self.directory.position().0;
        Ok(wire::GetEnvelopeResponse { envelope: Some(shown(&subject, &loaded)), position })
    }

    pub(super) async fn list(
        &self,
        request: wire::ListEnvelopesRequest,
    ) -> Result<wire::ListEnvelopesResponse, Status> {
        let mut after = match hex::decode(&request.page_token) {
            Ok(token) => Some(token).filter(|token| !token.is_empty()),
            Err(_) => {
                return Err(bad_request(vec![violation("page_token", "is not a token of this service")]));
            }
        };
        self.reach(request.min_position).await?;
        let wanted = match usize::try_from(request.page_size).unwrap_or(PAGE_MAX) {
            0 => PAGE,
            size => size.min(PAGE_MAX),
        };
        let filter = request.filter.unwrap_or_default();
        let (mut envelopes, mut scanned, mut more) = (Vec::new(), 0, true);
        while more && envelopes.len() < wanted && scanned < SCAN_MAX {
            let limit = (wanted - envelopes.len()).max(READS_AT_ONCE);
            let rows = self
                .directory
                .newest(filter.record.as_ref(), after.as_deref(), limit)
                .map_err(unavailable)?;
            more = rows.len() == limit;
            scanned += rows.len();
            let mut read = futures::stream::iter(rows)
                .map(|(key, subject)| async move {
                    let loaded = self.loaded(&subject).await?;
                    Ok::<_, Status>((key, shown(&subject, &loaded)))
                })
                .buffered(READS_AT_ONCE);
            while let Some((key, envelope)) = read.try_next().await? {
                if envelopes.len() == wanted {
                    more = true;
                    break;
                }
                after = Some(key);
                if fits(&envelope, &filter) {
                    envelopes.push(envelope);
                }
            }
        }
        let next_page_token = if more { after.map(hex::encode).unwrap_or_default() } else { String::new() };
        let position = self.directory.position().0;
        Ok(wire::ListEnvelopesResponse { envelopes, next_page_token, position })
    }

    pub(super) async fn evidence(&self, envelope_id: &str) -> Result<wire::GetEvidenceResponse, Status> {
        let id = parse_id(envelope_id).map_err(|found| bad_request(vec![found]))?;
        let subject = self.subject(&id).await?;
        let loaded = self.loaded(&subject).await?;
        let mut entries: Vec<wire::EvidenceEntry> = Vec::new();
        for recorded in &loaded.history {
            for event in &recorded.events {
                if let Some(last) = entries.last_mut() {
                    last.hash = event.previous_hash.to_vec();
                }
                entries.push(wire::EvidenceEntry {
                    event_id: event.id.to_string(),
                    number: event.number,
                    kind: event.kind.clone(),
                    schema: event.schema,
                    occurred_at_ms: event.occurred_at.0,
                    recorded_at_ms: recorded.recorded_at.0,
                    previous_hash: event.previous_hash.to_vec(),
                    hash: Vec::new(),
                    position: recorded.position.0,
                    command_id: recorded.command_id.to_string(),
                    correlation_id: recorded.correlation_id.clone(),
                    causation_id: recorded.causation_id.map(|id| id.to_string()).unwrap_or_default(),
                    payload_sha256: Sha256::digest(&event.payload).to_vec(),
                    traceparent: recorded.trace.traceparent.clone().unwrap_or_default(),
                });
            }
        }
        let chain_intact = verify_chain(&loaded.history).is_ok();
        let artifact = shown(&subject, &loaded).artifact;
        Ok(wire::GetEvidenceResponse { entries, chain_intact, artifact })
    }

    pub(super) async fn download(
        &self,
        envelope_id: &str,
    ) -> Result<BoxStream<'static, Result<wire::DownloadArtifactResponse, Status>>, Status> {
        let id = parse_id(envelope_id).map_err(|found| bad_request(vec![found]))?;
        let subject = self.subject(&id).await?;
        let Artifact::Stored { digest, .. } = self.loaded(&subject).await?.envelope.artifact else {
            return Err(no_artifact(&id));
        };
        let blob = self.store.log().blobs().get(&digest).await.map_err(unavailable)?;
        let bytes = blob.ok_or_else(|| no_artifact(&id))?;
        let total_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let pieces = (0..bytes.len()).step_by(PIECE_BYTES).map(move |start| {
            let end = bytes.len().min(start + PIECE_BYTES);
            let first = start == 0;
            Ok(wire::DownloadArtifactResponse {
                data: bytes.slice(start..end).into(),
                sha256: if first { digest.0.to_vec() } else { Vec::new() },
                total_bytes: if first { total_bytes } else { 0 },
            })
        });
        Ok(futures::stream::iter(pieces).boxed())
    }

    async fn reach(&self, min_position: u64) -> Result<(), Status> {
        match min_position {
            0 => Ok(()),
            position => self.directory.wait_for(Position(position), WAIT_MAX).await.map_err(unavailable),
        }
    }

    pub(super) async fn loaded(&self, subject: &Subject) -> Result<Loaded, Status> {
        let loaded = self.store.load(subject).await.map_err(|error| refused(subject, error))?;
        if loaded.history.is_empty() { Err(not_found(&subject.id)) } else { Ok(loaded) }
    }
}

pub(super) fn shown(subject: &Subject, loaded: &Loaded) -> wire::Envelope {
    codec::resource(&subject.id, &subject.tenant, loaded.version.0, &loaded.envelope)
}

pub(super) fn fits(envelope: &wire::Envelope, filter: &wire::EnvelopeFilter) -> bool {
    let same = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
    (filter.stages.is_empty() || filter.stages.contains(&envelope.stage))
        && (filter.record.is_none() || filter.record == envelope.record)
        && same(&filter.flow, &envelope.flow)
        && same(&filter.provider, &envelope.provider)
        && same(&filter.provider_id, &envelope.provider_id)
}
