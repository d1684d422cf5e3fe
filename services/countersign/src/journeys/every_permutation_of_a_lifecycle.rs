//! One life, all its webhooks kept back, then told in every order there is: the same end every time.

use anyhow::{Context, Result, ensure};
use contracts::wire::envelope::Stage as At;
use futures::future::try_join_all;
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::journal::SIGNED;
use super::people::{Deal, asks};
use super::stage::Stage;
use super::{Chapter, JourneyReport, eventually};

/// Webhooks of one life: created, sent, viewed, signed.
const WEBHOOKS: usize = 4;
/// So many orders there are of four.
const ORDERS: usize = 24;
/// Deals that are driven at once.
const AT_ONCE: usize = 8;

struct Life {
    deal: Deal,
    envelope: String,
    provider_id: String,
}

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let atlas = stage.addresses().atlas.clone();
    let settings = format!("{atlas}/__sim/settings");
    let webhooks = format!("{atlas}/__sim/webhooks");
    let extraction = stage.get(&settings).await?["extraction"].clone();
    stage.post(&settings, &json!({"extraction": false})).await?;
    stage.post(&webhooks, &json!({"mode": "hold"})).await?;
    let lives = told_in_every_order(stage).await;
    stage.post(&webhooks, &json!({"mode": "normal"})).await?;
    stage.post(&settings, &json!({"extraction": extraction})).await?;
    let lives = lives?;

    let ends = stream::iter(&lives).map(|life| same_end(stage, life)).buffered(AT_ONCE);
    let chapters: Vec<Chapter> = ends.try_collect().await?;
    stage.say(format!("{ORDERS} envelopes, {ORDERS} orders of webhooks, one and the same end"));
    Ok(JourneyReport::about(chapters).and(format!("{ORDERS} orders of {WEBHOOKS} webhooks")))
}

/// Some lives at a time, so that webhooks tell of them and not the next poll.
async fn told_in_every_order(stage: &Stage) -> Result<Vec<Life>> {
    let quiet = stage.unheard();
    let mut all = Vec::new();
    for orders in permutations(WEBHOOKS).chunks(AT_ONCE) {
        let lives = try_join_all(orders.iter().map(|_| signed_in_silence(&quiet))).await?;
        let held = held(&quiet, &lives).await?;
        let mut order = Vec::new();
        for (life, permutation) in lives.iter().zip(orders) {
            let of_life = |webhook: &Value| webhook["lane"] == life.provider_id.as_str();
            let places: Vec<usize> = held
                .iter()
                .enumerate()
                .filter(|(_, webhook)| of_life(webhook))
                .map(|(place, _)| place)
                .collect();
            ensure!(places.len() == WEBHOOKS, "a life has {} webhooks", places.len());
            order.extend(permutation.iter().map(|index| places[*index]));
        }
        let flush = format!("{}/__sim/webhooks/flush", stage.addresses().atlas);
        stage.post(&flush, &json!({"permute": order})).await?;
        all.extend(lives);
        stage.say(format!(
            "{} of {ORDERS} envelopes were signed, their webhooks told in orders of their own",
            all.len()
        ));
    }
    Ok(all)
}

/// Drives one envelope to its last signature while no webhook arrives.
async fn signed_in_silence(stage: &Stage) -> Result<Life> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_TEMPLATE).await?;
    let envelope = stage.envelope_of(&deal).await?.envelope_id;
    let known = stage.until(&envelope, "the provider's id", |it| !it.provider_id.is_empty()).await?;
    let provider_id = known.provider_id;
    let first = stage.invitation(&provider_id, 1).await?;
    stage.bytes(&first).await?;
    stage.press(&first, &[("action", "sign")]).await?;
    let second = stage.invitation(&provider_id, 2).await?;
    stage.press(&second, &[("action", "sign")]).await?;
    Ok(Life { deal, envelope, provider_id })
}

/// What is kept back, in the order it was kept, once all of these lives is.
async fn held(stage: &Stage, lives: &[Life]) -> Result<Vec<Value>> {
    let url = format!("{}/__sim/deliveries", stage.addresses().atlas);
    eventually("every webhook to be kept back", async || {
        let all = stage.get(&url).await?;
        let all = all.as_array().context("deliveries are no list")?;
        let held: Vec<Value> = all.iter().filter(|webhook| webhook["state"] == "held").cloned().collect();
        Ok((held.len() >= WEBHOOKS * lives.len()).then_some(held))
    })
    .await
}

async fn same_end(stage: &Stage, life: &Life) -> Result<Chapter> {
    let Life { deal, envelope, provider_id } = life;
    let end = stage.at_rest(envelope, At::Completed).await?;
    ensure!(end.confirmed && end.signed_count == 2, "{envelope} ended without both signatures");
    let kinds = stage.kinds(envelope).await?;
    let completed = kinds.iter().filter(|kind| *kind == "envelope.completed").count();
    ensure!(completed == 1, "{envelope} was completed {completed} times");
    stage.check_deal(deal, provider_id, SIGNED).await?;
    stage.check_atlas(deal, provider_id, &["create from template 201"]).await?;
    Ok(Chapter::of(deal, envelope))
}

/// Every order of `0..n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    let mut orders = vec![Vec::new()];
    for next in 0..n {
        let longer = orders.iter().flat_map(|order: &Vec<usize>| {
            (0..=order.len()).map(move |place| {
                let mut order = order.clone();
                order.insert(place, next);
                order
            })
        });
        orders = longer.collect();
    }
    orders
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn there_are_as_many_orders_as_there_must_be_and_no_two_are_alike() {
        let orders: BTreeSet<_> = permutations(WEBHOOKS).into_iter().collect();
        assert_eq!(orders.len(), ORDERS);
        assert!(orders.iter().all(|order| order.iter().copied().collect::<BTreeSet<_>>().len() == WEBHOOKS));
    }
}
