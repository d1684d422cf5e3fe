//! What the providers say, what the CRM and we say, and whether it is the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use contracts::intake::{Accepted, IntakeEvent};
use contracts::seal::Opener;
use contracts::wire::envelope::{ArtifactState, Envelope, Stage};
use event_log::{Category, EmbeddedSettings, EventLog, Position, Recorded, Settings, Tailed};
use futures::StreamExt as _;
use serde_json::{Value, json};
use system_tests::http::{get, post};
use system_tests::judge::{self, all_envelopes, deliveries, portal};
use system_tests::process::Answer;
use system_tests::world::{World, secret};

use crate::office::Deal;

/// Pause between two looks at everything.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Page of PandaDoc's list of documents.
const PAGE: usize = 100;

/// Asks `look` every half second until it is content; its last complaint is the error.
///
/// # Errors
/// When `deadline` passes.
pub async fn settle<T, F>(what: &str, deadline: Duration, mut look: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let started = Instant::now();
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(error) if started.elapsed() > deadline => bail!("waited {deadline:?} for {what}: {error:#}"),
            Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// How every envelope stands at its provider, in our words, by the provider's id.
pub async fn truth(world: &World) -> Result<HashMap<String, Stage>> {
    let mut truth = HashMap::new();
    let atlas = get(&world.http, &format!("{}/__sim/envelopes", world.atlas.url())).await?;
    for envelope in atlas.as_array().into_iter().flatten() {
        let stage = match envelope["status"].as_str().unwrap_or_default() {
            "signed" => Stage::Completed,
            "declined" => Stage::Declined,
            "voided" => Stage::Voided,
            _ => Stage::Unspecified,
        };
        truth.insert(envelope["envelope_id"].as_str().unwrap_or_default().to_owned(), stage);
    }
    for page in 1.. {
        let url = format!("{}/public/v1/documents?count={PAGE}&page={page}", world.pandadoc.url());
        let key = format!("API-Key {}", secret("pandadoc-api-key"));
        let answer = world.http.get(&url).header("authorization", key).send().await?.error_for_status()?;
        let answer: Value = serde_json::from_str(&answer.text().await?)?;
        let documents = answer["results"].as_array().cloned().unwrap_or_default();
        for document in &documents {
            let stage = match document["status"].as_str().unwrap_or_default() {
                "document.completed" => Stage::Completed,
                "document.declined" => Stage::Declined,
                _ => Stage::Unspecified,
            };
            truth.insert(document["id"].as_str().unwrap_or_default().to_owned(), stage);
        }
        if documents.len() < PAGE {
            break;
        }
    }
    Ok(truth)
}

/// Waits until every deal came to its end: at its provider, with us, and in the CRM. Gives our envelopes.
pub async fn ended(world: &World, deals: &[Deal], deadline: Duration) -> Result<Vec<Envelope>> {
    settle("every envelope to end as its provider says", deadline, || async {
        let (truth, portal, ours) = (truth(world).await?, portal(world).await?, all_envelopes(world).await?);
        let by_record: HashMap<&str, &Envelope> = ours
            .iter()
            .filter_map(|envelope| Some((envelope.record.as_ref()?.object_id.as_str(), envelope)))
            .collect();
        let mut behind = Vec::new();
        for deal in deals {
            let told = &portal.get(&deal.id).context("a deal is gone")?["properties"]["esign_status"];
            let envelope = by_record.get(deal.id.as_str());
            let real = envelope.and_then(|envelope| truth.get(&envelope.provider_id));
            let stage = envelope.map(|envelope| envelope.stage());
            let stored = |envelope: &Envelope| {
                let artifact = envelope.artifact.as_ref().map(|artifact| artifact.state());
                envelope.stage() != Stage::Completed || artifact == Some(ArtifactState::Stored)
            };
            let done = envelope.is_some_and(|envelope| stored(envelope));
            if !done || stage.as_ref() != real || *told != deal.wish.status() {
                behind.push(format!("{}: {real:?} there, {stage:?} here, {told} in the CRM", deal.name));
            }
        }
        let (count, some) = (behind.len(), behind.iter().take(5).cloned().collect::<Vec<_>>().join("; "));
        ensure!(behind.is_empty(), "{count} of {} are behind: {some}", deals.len());
        ensure!(ours.len() == deals.len(), "{} envelopes for {} deals", ours.len(), deals.len());
        Ok(ours)
    })
    .await
}

/// Lets go what simulators keep back, and waits until no webhook is on its way.
pub async fn quiet(world: &World, deadline: Duration) -> Result<()> {
    for vendor in [world.atlas.url(), world.pandadoc.url(), world.hubspot.url()] {
        post(&world.http, &format!("{vendor}/__sim/webhooks/flush"), &json!({})).await?;
    }
    settle("the last webhook to arrive", deadline, || async {
        let open = deliveries(world).await?.into_iter().filter(|delivery| delivery["state"] == "pending");
        let open = open.count();
        ensure!(open == 0, "{open} are on their way");
        Ok(())
    })
    .await
}

/// Every effect on every deal happened once.
pub async fn effects_once(world: &World, deals: &[Deal]) -> Result<()> {
    let portal = portal(world).await?;
    for deal in deals {
        let record = portal.get(&deal.id).context("a deal is gone")?;
        judge::effects_happened_once(&deal.name, record, deal.wish.status())?;
    }
    Ok(())
}

/// The operator's ledger balances; gives what it says.
pub async fn balanced(world: &World) -> Result<Answer> {
    let ledger = world.operator(&["ledger"]).await?;
    ensure!(ledger.success, "the ledger does not balance: {}", ledger.said);
    Ok(ledger)
}

/// The log of a process that is gone.
pub async fn log(place: &Path) -> Result<EventLog> {
    Ok(EventLog::open(Settings::Embedded(EmbeddedSettings::in_dir(place.join("data")))).await?)
}

/// All commits of a category.
async fn commits(log: &EventLog, category: Category) -> Result<Vec<Recorded>> {
    let (mut all, mut tail) = (Vec::new(), log.tail(category, Position::ZERO));
    while let Some(item) = tail.next().await {
        let Tailed::Commit(recorded) = item? else { break };
        all.push(recorded);
    }
    Ok(all)
}

/// What reconciliation found, as the log names it.
pub struct Found {
    /// Ids of our envelopes that a sweep changed.
    pub swept: BTreeSet<String>,
    /// The providers' ids of envelopes of which a missed delivery was fetched from the vendor's history.
    pub replayed: BTreeSet<String>,
    /// How many signals did not arrive by themselves.
    pub signals: usize,
}

impl Found {
    /// Reads it from the log.
    pub async fn in_log(log: &EventLog) -> Result<Self> {
        let mut found = Self { swept: BTreeSet::new(), replayed: BTreeSet::new(), signals: 0 };
        for commit in commits(log, Category::Envelopes).await? {
            if commit.events.iter().any(|event| event.kind == "envelope.reconciled") {
                found.swept.insert(commit.entity.id().to_owned());
            }
        }
        for accepted in accepted(log).await?.into_iter().filter(|accepted| accepted.replayed) {
            found.signals += 1;
            found.replayed.insert(accepted.subject);
        }
        Ok(found)
    }

    /// Each of these deals was found by one or the other.
    pub fn names<'a>(&self, deals: impl Iterator<Item = &'a Deal>, ours: &[Envelope]) -> Result<()> {
        for deal in deals {
            let document = deal.document.as_deref().unwrap_or_default();
            let envelope = ours.iter().find(|envelope| envelope.provider_id == document);
            let envelope = envelope.with_context(|| format!("{} has no envelope", deal.name))?;
            let named = self.swept.contains(&envelope.envelope_id) || self.replayed.contains(document);
            ensure!(named, "{} is not named as reconciled", deal.name);
        }
        Ok(())
    }
}

/// Every signal in the log, in its order.
pub async fn accepted(log: &EventLog) -> Result<Vec<Accepted>> {
    let (mut all, opener) = (Vec::new(), Opener::new(None));
    for commit in commits(log, Category::Intake).await? {
        for event in &commit.events {
            let event =
                contracts::intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener)?;
            if let IntakeEvent::Accepted(accepted) = event {
                all.push(*accepted);
            }
        }
    }
    Ok(all)
}

/// How many of a vendor's webhooks ended how, by the state the simulator gives them.
pub async fn fates(world: &World, vendor: &str) -> Result<BTreeMap<String, usize>> {
    let deliveries = get(&world.http, &format!("{vendor}/__sim/deliveries")).await?;
    let mut fates = BTreeMap::new();
    for delivery in deliveries.as_array().into_iter().flatten() {
        *fates.entry(delivery["state"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    Ok(fates)
}
