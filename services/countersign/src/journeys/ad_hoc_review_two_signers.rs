//! The usual way: a deal reaches a stage, a person reviews and sends, two people sign one after the other.

use anyhow::{Result, ensure};
use contracts::wire::envelope::{DownloadArtifactRequest, Stage as At};
use sha2::{Digest as _, Sha256};

use super::journal::SIGNED;
use super::people::asks;
use super::stage::Stage;
use super::{JourneyReport, eventually};

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_REVIEW).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let envelope = stage.until_stage(&id, At::InReview).await?;
    let provider_id = envelope.provider_id.clone();
    stage.say("the provider has prepared the envelope; it waits for review");
    stage.deal_says(&deal, "esign_envelope_id", &provider_id).await?;

    stage.review_and_send(&envelope).await?;
    stage.deal_says(&deal, "esign_status", "Pending").await?;
    stage.sign(&provider_id, 1).await?;
    stage.until_stage(&id, At::PartiallySigned).await?;
    stage.sign(&provider_id, 2).await?;
    stage.deal_says(&deal, "esign_status", "Signed").await?;

    stage.at_rest(&id, At::Completed).await?;
    stage.check_deal(&deal, &provider_id, SIGNED).await?;
    stage.check_atlas(&deal, &provider_id, &["create 201"]).await?;
    let pages = signed_document(stage, &id).await?;
    Ok(JourneyReport::of(&deal, &id).and(format!("the signed PDF is in the blob store ({pages} bytes)")))
}

/// Fetches the signed document and holds it against its hash.
async fn signed_document(stage: &Stage, id: &str) -> Result<usize> {
    let request = DownloadArtifactRequest { envelope_id: id.to_owned() };
    let (bytes, sha256) = eventually("the signed document", async || {
        let mut pieces = stage.envelopes().download_artifact(request.clone()).await?.into_inner();
        let (mut bytes, mut sha256) = (Vec::new(), Vec::new());
        while let Some(piece) = pieces.message().await? {
            bytes.extend(piece.data);
            sha256.extend(piece.sha256);
        }
        Ok(Some((bytes, sha256)))
    })
    .await?;
    ensure!(bytes.starts_with(b"%PDF-"), "the signed document is no PDF");
    ensure!(Sha256::digest(&bytes)[..] == sha256, "the signed document is not what its hash says");
    Ok(bytes.len())
}
