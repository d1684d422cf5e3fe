//! Do the log, the vendors' journals and our own answers agree?

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use contracts::intake::IntakeEvent;
use contracts::seal::Opener;
use contracts::wire::envelope::{ArtifactState, Envelope, Stage};
use event_log::{Category, EventLog, Position, Tailed};
use futures::StreamExt as _;
use serde_json::Value;
use signatures::sha256_hex;
use system_tests::condition::eventually;
use system_tests::http::get;
use system_tests::judge::{self, deliveries, envelopes, portal};
use system_tests::world::World;

use crate::people::{Deal, Wish, deal_of};

/// Longest time for everything to come to its end after the last kill.
const SETTLE_DEADLINE: Duration = Duration::from_secs(90);

/// Waits until every deal came to its end, at the vendors, in the CRM and in our own answers.
pub async fn settled(world: &World, deals: &[Deal]) -> Result<()> {
    let settle = eventually("every deal to come to its end", SETTLE_DEADLINE, || async {
        let portal = portal(world).await?;
        let envelopes = envelopes(world).await?;
        for deal in deals {
            let record = portal.get(&deal.id).context("a deal is gone")?;
            let envelope = envelopes.get(&deal.id).and_then(|list| list.first());
            let told = &record["properties"]["esign_status"];
            let ours = envelope.map(Envelope::stage);
            ensure!(*told == status(deal.wish), "{} is {told} in the CRM and {ours:?} with us", deal.name);
            let envelope = envelope.with_context(|| format!("{} has no envelope", deal.name))?;
            ensure!(envelope.stage() == stage(deal.wish), "{} is {:?}", deal.name, envelope.stage());
            let artifact = envelope.artifact.as_ref().map(|artifact| artifact.state());
            let complete = envelope.stage() != Stage::Completed || artifact == Some(ArtifactState::Stored);
            ensure!(complete, "the signed document of {} is {artifact:?}", deal.name);
        }
        for delivery in deliveries(world).await? {
            ensure!(delivery["state"] != "pending", "a delivery is on its way");
        }
        Ok(Some(()))
    });
    settle.await
}

/// Every CRM effect happened once, the link before the stage, and nothing was written twice.
pub async fn effects_happened_once(world: &World, deals: &[Deal]) -> Result<()> {
    let portal = portal(world).await?;
    for deal in deals {
        let record = portal.get(&deal.id).context("a deal is gone")?;
        judge::effects_happened_once(&deal.name, record, status(deal.wish))?;
    }
    Ok(())
}

/// One envelope per deal, at the provider and with us, and each signer was invited once.
pub async fn one_envelope_per_deal(world: &World, deals: &[Deal]) -> Result<()> {
    let atlas = get(&world.http, &format!("{}/__sim/envelopes", world.atlas.url())).await?;
    let mut by_deal = BTreeMap::<&str, Vec<&str>>::new();
    for envelope in atlas.as_array().into_iter().flatten() {
        by_deal.entry(deal_of(envelope)).or_default().push(envelope["status"].as_str().unwrap_or_default());
    }
    let envelopes = envelopes(world).await?;
    for deal in deals {
        let count = envelopes.get(&deal.id).map_or(0, Vec::len);
        ensure!(count == 1, "{} has {count} envelopes with us", deal.name);
        let expected = match deal.wish {
            Wish::Signed => "signed",
            Wish::Declined => "declined",
            Wish::SignedAtPandaDoc => continue,
        };
        let found = by_deal.get(deal.id.as_str()).cloned().unwrap_or_default();
        ensure!(found == [expected], "{}: {found:?} at Atlas, not one {expected}", deal.name);
    }
    let inbox = get(&world.http, &format!("{}/__sim/inbox", world.atlas.url())).await?;
    let mut invited = BTreeSet::new();
    for mail in inbox.as_array().into_iter().flatten().filter(|mail| mail["kind"] == "invitation") {
        ensure!(
            invited.insert((mail["envelope_id"].to_string(), mail["order"].to_string())),
            "somebody was invited twice"
        );
    }
    Ok(())
}

/// Every delivery that was answered 200 is in the log. Returns how many there were.
pub async fn answered_is_logged(deliveries: &[Value], log: &EventLog) -> Result<usize> {
    let known = logged(log).await?;
    let mut answered = 0;
    for delivery in deliveries {
        let ok =
            delivery["attempts"].as_array().into_iter().flatten().any(|attempt| attempt["status"] == 200);
        let body = delivery["body"].as_str().context("a delivery without a body")?;
        if ok && body != "[]" {
            answered += 1;
            ensure!(
                known.contains(&sha256_hex(body.as_bytes())),
                "answered 200 and not in the log: {}",
                delivery["event"]
            );
        }
    }
    ensure!(answered > 0, "nothing was answered 200: the test proves nothing");
    Ok(answered)
}

/// SHA-256 of the body of every delivery in the log.
async fn logged(log: &EventLog) -> Result<BTreeSet<String>> {
    let mut known = BTreeSet::new();
    let mut tail = log.tail(Category::Intake, Position::ZERO);
    while let Some(item) = tail.next().await {
        let Tailed::Commit(recorded) = item? else { break };
        for event in &recorded.events {
            let opener = Opener::new(None);
            match contracts::intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener)? {
                IntakeEvent::Accepted(accepted) => known.insert(accepted.delivery_id),
                IntakeEvent::Duplicated(duplicated) => known.insert(duplicated.delivery_id),
                IntakeEvent::Quarantined(quarantined) => {
                    anyhow::bail!("quarantined: {:?}", quarantined.reason)
                }
                IntakeEvent::Refused(refused) => anyhow::bail!("refused: {:?}", refused.reason),
                IntakeEvent::Released(_) | IntakeEvent::Discarded(_) | IntakeEvent::Named(_) => continue,
            };
        }
    }
    Ok(known)
}

const fn status(wish: Wish) -> &'static str {
    match wish {
        Wish::Signed | Wish::SignedAtPandaDoc => "Signed",
        Wish::Declined => "Declined",
    }
}

const fn stage(wish: Wish) -> Stage {
    match wish {
        Wish::Signed | Wish::SignedAtPandaDoc => Stage::Completed,
        Wish::Declined => Stage::Declined,
    }
}
