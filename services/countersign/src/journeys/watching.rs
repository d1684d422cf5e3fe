//! What our own services say, asked over gRPC.

use anyhow::{Context, Result, ensure};
use contracts::wire::crmsync::GetSyncRequest;
use contracts::wire::envelope as wire;
use contracts::wire::envelope::{ArtifactState, Envelope, Stage as At};

use super::people::Deal;
use super::stage::{Stage, eventually};

impl Stage {
    /// Every envelope of a deal, newest first.
    ///
    /// # Errors
    /// When the orchestrator does not answer.
    pub async fn envelopes_of(&self, deal: &Deal) -> Result<Vec<Envelope>> {
        let filter = wire::EnvelopeFilter { record: Some(deal.record()), ..Default::default() };
        let request =
            wire::ListEnvelopesRequest { filter: Some(filter), page_size: 1000, ..Default::default() };
        Ok(self.envelopes().list_envelopes(request).await?.into_inner().envelopes)
    }

    /// The envelope that a deal led to, once there is one.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn envelope_of(&self, deal: &Deal) -> Result<Envelope> {
        eventually("an envelope for the deal", async || Ok(self.envelopes_of(deal).await?.pop())).await
    }

    /// One envelope as it stands.
    ///
    /// # Errors
    /// When the orchestrator does not answer.
    pub async fn envelope(&self, id: &str) -> Result<Envelope> {
        let request = wire::GetEnvelopeRequest { envelope_id: id.to_owned(), min_position: 0 };
        let answer = self.envelopes().get_envelope(request).await?.into_inner();
        answer.envelope.context("an answer without envelope")
    }

    /// Waits until the envelope is as `wanted` says.
    ///
    /// # Errors
    /// When it is not so in time; the message holds its stage.
    pub async fn until(&self, id: &str, what: &str, wanted: impl Fn(&Envelope) -> bool) -> Result<Envelope> {
        let mut last = At::Unspecified;
        let found = eventually(what, async || {
            let envelope = self.envelope(id).await?;
            last = envelope.stage();
            Ok(wanted(&envelope).then_some(envelope))
        })
        .await;
        found.with_context(|| format!("{id} is {}", last.as_str_name()))
    }

    /// Waits until the envelope of the deal has reached this stage.
    ///
    /// # Errors
    /// When it has not in time.
    pub async fn until_stage(&self, id: &str, stage: At) -> Result<Envelope> {
        let words = stage.as_str_name().trim_start_matches("STAGE_").to_lowercase().replace('_', " ");
        self.until(id, &format!("the envelope to be {words}"), |envelope| envelope.stage() == stage).await
    }

    /// Everything that happened to an envelope, in order; refuses a broken chain of hashes.
    ///
    /// # Errors
    /// When the chain is broken.
    pub async fn evidence(&self, id: &str) -> Result<Vec<wire::EvidenceEntry>> {
        let request = wire::GetEvidenceRequest { envelope_id: id.to_owned() };
        let evidence = self.envelopes().get_evidence(request).await?.into_inner();
        ensure!(evidence.chain_intact, "the chain of evidence of {id} is broken");
        Ok(evidence.entries)
    }

    /// The kinds of all that.
    ///
    /// # Errors
    /// As [`Stage::evidence`].
    pub async fn kinds(&self, id: &str) -> Result<Vec<String>> {
        Ok(self.evidence(id).await?.into_iter().map(|entry| entry.kind).collect())
    }

    /// Waits until nothing is left to be done for an envelope: the truth is confirmed, the signed document is
    /// stored, and the records say the newest.
    ///
    /// # Errors
    /// When something is still open in time.
    pub async fn at_rest(&self, id: &str, stage: At) -> Result<Envelope> {
        let envelope = self
            .until(id, &format!("{} and everything that follows from it", stage.as_str_name()), |envelope| {
                let artifact = envelope.artifact.as_ref().map(wire::Artifact::state);
                let stored = stage != At::Completed || artifact == Some(ArtifactState::Stored);
                envelope.stage() == stage && stored && !envelope.confirmation_requested
            })
            .await?;
        eventually("the deal to say the newest", async || {
            let request = GetSyncRequest { envelope_id: id.to_owned(), ..Default::default() };
            let states = self.crm_sync().get_sync(request).await?.into_inner().states;
            let current = |state: &contracts::wire::crmsync::SyncState| {
                state.applied_version > 0 && state.applied_version >= state.desired_version
            };
            Ok((!states.is_empty() && states.iter().all(current)).then_some(()))
        })
        .await?;
        self.envelope(id)
            .await
            .map(|newest| if newest.version > envelope.version { newest } else { envelope })
    }
}
