//! Back to draft, so that it can be changed at the provider and sent again (T23).
//!
//! The call clears signatures and no vendor locks it, so it is made at once, while the caller waits, and only on what a GET
//! has just shown: what was completed meanwhile is not taken back, and what is a draft already is not asked for twice.
//! That it is a draft again is believed from a GET only. Were the answer lost or we ourselves, the provider's news of the
//! draft does the same.

use contracts::wire::envelope as wire;
use domain::envelope::{Command, Source, is_reopened_since, may_reopen};
use domain::ids::{OperationKey, ProviderEnvelopeId};
use domain::intake::Claim;
use providers::Provider;
use tonic::Status;

use super::refuse::{bad_request, not_offered, refused, reopening_refused, unavailable, violation};
use super::{Grpc, answer, parse_id, wish};
use crate::store::{Cause, ExecuteError, Executed, Subject};
use crate::worker::observation;

impl Grpc {
    pub(super) async fn reopen(
        &self,
        request: wire::ReopenEnvelopeRequest,
    ) -> Result<(wire::Envelope, u64), Status> {
        let wire::ReopenEnvelopeRequest { request_id, envelope_id, generation } = request;
        let mut violations = Vec::new();
        if let Err(error) = request_id.parse::<OperationKey>() {
            violations.push(violation("request_id", error.to_string()));
        }
        let id = parse_id(&envelope_id).map_err(|found| violations.push(found)).ok();
        if generation == 0 {
            violations.push(violation("generation", "1 or more: the generation you have seen"));
        }
        let Some(id) = id.filter(|_| violations.is_empty()) else { return Err(bad_request(violations)) };
        let subject = self.subject(&id).await?;
        let cause = wish("reopen", &id, &request_id);
        let loaded = self.store.load(&subject).await.map_err(|error| refused(&subject, error))?;
        let carried_out = loaded.history.iter().any(|commit| commit.command_id == cause.command_id);
        if carried_out || is_reopened_since(&loaded.envelope, generation) {
            let position = event_log::Position(loaded.version.0);
            let done = Executed { events: Vec::new(), envelope: loaded.envelope, position };
            return Ok(answer(&subject, &done));
        }
        let allowed = |envelope| {
            may_reopen(envelope, generation)
                .map_err(|rejection| refused(&subject, ExecuteError::Rejected(rejection)))
        };
        allowed(&loaded.envelope)?;
        let provider = loaded.envelope.provider().and_then(|connection| (self.providers)(connection));
        let (Some(provider), Some(provider_id)) = (provider, &loaded.envelope.provider_id) else {
            return Err(unavailable("CS-ORCH-003: the connection is not configured"));
        };
        if !provider.capabilities().reopens {
            return Err(not_offered(&id, "to take back what was sent; void it and make another"));
        }
        let before = self.seen(&subject, provider.as_ref(), provider_id, &cause).await?;
        if is_reopened_since(&before.envelope, generation) {
            return Ok(answer(&subject, &before));
        }
        allowed(&before.envelope)?;
        provider.reopen(provider_id).await.map_err(|error| reopening_refused(&id, &error))?;
        let after = self.seen(&subject, provider.as_ref(), provider_id, &cause).await?;
        if is_reopened_since(&after.envelope, generation) {
            return Ok(answer(&subject, &after));
        }
        Err(unavailable(
            "the provider took it back, but does not show a draft yet; ask again with the same request_id",
        ))
    }

    /// The envelope after a GET. A draft is what was wished for, so it is recorded under the wish.
    async fn seen(
        &self,
        subject: &Subject,
        provider: &dyn Provider,
        id: &ProviderEnvelopeId,
        wish: &Cause,
    ) -> Result<Executed, Status> {
        let snapshot = provider.snapshot(id).await.map_err(|error| reopening_refused(&subject.id, &error))?;
        let cause = if snapshot.claim == Claim::Draft { wish.clone() } else { Cause::fresh("") };
        let (reopens, at) = (provider.capabilities().reopens, self.store.clock().now());
        let seen = Command::Observe { observation: observation(snapshot), source: Source::Poll, reopens, at };
        self.store.execute(subject, seen, &cause).await.map_err(|error| refused(subject, error))
    }
}
