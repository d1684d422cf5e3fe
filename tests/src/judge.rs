//! What we answer, what the CRM holds, what the vendors sent: the facts by which a run is judged.

use std::collections::{BTreeSet, HashMap};

use anyhow::{Context, Result, ensure};
use contracts::wire::envelope::envelope_service_client::EnvelopeServiceClient;
use contracts::wire::envelope::{Envelope, ListEnvelopesRequest};
use serde_json::Value;

use crate::http::get;
use crate::process::Answer;
use crate::world::World;

/// Largest page of envelopes.
const PAGE: u32 = 1_000;

/// All our envelopes, newest first.
///
/// # Errors
/// When the orchestrator does not answer.
pub async fn all_envelopes(world: &World) -> Result<Vec<Envelope>> {
    let mut client = EnvelopeServiceClient::connect(world.orchestrator()).await?;
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListEnvelopesRequest { page_size: PAGE, page_token, ..Default::default() };
        let page = client.list_envelopes(request).await?.into_inner();
        all.extend(page.envelopes);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

/// Our envelopes, by the record they belong to.
///
/// # Errors
/// When the orchestrator does not answer.
pub async fn envelopes(world: &World) -> Result<HashMap<String, Vec<Envelope>>> {
    let mut by_record = HashMap::<String, Vec<Envelope>>::new();
    for envelope in all_envelopes(world).await? {
        let record = envelope.record.clone().unwrap_or_default().object_id;
        by_record.entry(record).or_default().push(envelope);
    }
    Ok(by_record)
}

/// Every deal of the CRM with its history, by its id.
///
/// # Errors
/// When the simulator does not answer.
pub async fn portal(world: &World) -> Result<HashMap<String, Value>> {
    let deals = get(&world.http, &format!("{}/__sim/deals", world.hubspot.url())).await?;
    let deals = deals.as_array().cloned().context("deals are a list")?;
    Ok(deals.into_iter().map(|deal| (deal["id"].as_str().unwrap_or_default().to_owned(), deal)).collect())
}

/// Every webhook of every vendor, with its attempts.
///
/// # Errors
/// When a simulator does not answer.
pub async fn deliveries(world: &World) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for vendor in [world.atlas.url(), world.pandadoc.url(), world.hubspot.url()] {
        let some = get(&world.http, &format!("{vendor}/__sim/deliveries")).await?;
        all.extend(some.as_array().cloned().context("deliveries are a list")?);
    }
    Ok(all)
}

/// In the operator's ledger every line of every sheet balances: each signal that came in is settled, none of them waits.
///
/// # Errors
/// What the ledger said, when a line is otherwise, or when nothing has come in yet.
pub fn everything_is_settled(ledger: &Answer) -> Result<()> {
    let lines = ledger.objects.iter().filter_map(|sheet| sheet["lines"].as_array()).flatten();
    let verdicts: Vec<&Value> = lines.map(|line| &line["verdict"]).collect();
    let settled = ledger.success && !verdicts.is_empty();
    ensure!(
        settled && verdicts.iter().all(|verdict| *verdict == "balanced"),
        "a signal is not settled: {}",
        ledger.said
    );
    Ok(())
}

/// Every effect on one deal happened once, the link before the stage, nothing was written twice, and the last status
/// is `status`.
///
/// # Errors
/// Says which effect is wrong.
pub fn effects_happened_once(name: &str, record: &Value, status: &str) -> Result<()> {
    let rows = record["history"].as_array().into_iter().flatten();
    let ours: Vec<&Value> = rows.filter(|row| row["source_id"] != "userId:777").collect();
    let (changed, mut unchanged): (Vec<&Value>, Vec<&Value>) =
        ours.into_iter().partition(|row| row["changed"] == true);
    // An empty text where nothing ever stood (a reason that nobody gave) repeats nothing.
    unchanged.retain(|row| row["value"] != "");
    let again = |row: &&Value| format!("{} = {}", row["property"], row["value"]);
    ensure!(
        unchanged.is_empty(),
        "{name}: written again with the value it had: {:?}",
        unchanged.iter().map(again).collect::<Vec<_>>()
    );
    let mut seen = BTreeSet::new();
    for row in &changed {
        let effect = format!("{} = {}", row["property"], row["value"]);
        ensure!(seen.insert(effect.clone()), "{name}: {effect} happened twice");
    }
    let of = |property: &str| changed.iter().filter(|row| row["property"] == property).collect::<Vec<_>>();
    let links = of("esign_envelope_id");
    ensure!(links.len() == 1, "{name} was linked {} times", links.len());
    let last = of("esign_status").last().map(|row| row["value"].clone());
    ensure!(last == Some(Value::from(status)), "{name} ended as {last:?}");
    let staged = of("dealstage").first().map(|row| row["update"].as_u64());
    ensure!(staged.is_none_or(|staged| links[0]["update"].as_u64() <= staged), "{name}: stage before link");
    Ok(())
}
