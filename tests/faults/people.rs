//! People at the vendors: sales move deals and send documents, reviewers press Send, signers sign or decline.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use system_tests::http::{get, post};
use system_tests::world::World;
use tokio::task::JoinHandle;

/// Pause between two looks into the inbox.
const LOOK_EVERY: Duration = Duration::from_millis(60);

/// How a deal is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Everybody signs.
    Signed,
    /// The second signer declines.
    Declined,
    /// Everybody signs a document that sales sent at PandaDoc.
    SignedAtPandaDoc,
}

/// A deal and how it is to end.
#[derive(Clone, Debug)]
pub struct Deal {
    pub id: String,
    pub name: String,
    pub wish: Wish,
}

/// Makes deals and moves them: one template sent at once, one document that is reviewed, one PandaDoc document.
pub async fn sell(world: &World, office: &Office, round: u64) -> Result<Vec<Deal>> {
    let wish = if round % 4 == 3 { Wish::Declined } else { Wish::Signed };
    let auto = deal(world, &format!("Auto {round:03}"), wish).await?;
    let reviewed = deal(world, &format!("Reviewed {round:03}"), Wish::Signed).await?;
    let document = deal(world, &format!("Document {round:03}"), Wish::SignedAtPandaDoc).await?;
    office.learn(&reviewed.id, wish, &auto.id);
    for (deal, stage) in [(&auto, "readytosend"), (&reviewed, "contractsent")] {
        let edit = json!({"id": deal.id, "properties": {"dealstage": stage}});
        post(&world.http, &format!("{}/__sim/ui-edit", world.hubspot.url()), &edit).await?;
    }
    let ui = format!("{}/__sim/ui/documents", world.pandadoc.url());
    let made = post(&world.http, &ui, &json!({"name": document.name, "deal_id": document.id})).await?;
    let id = made["id"].as_str().context("a document without an id")?;
    post(&world.http, &format!("{ui}/{id}/send"), &json!({})).await?;
    office.desk().documents.push(id.to_owned());
    Ok(vec![auto, reviewed, document])
}

async fn deal(world: &World, name: &str, wish: Wish) -> Result<Deal> {
    let slug = name.to_lowercase().replace(' ', "-");
    let properties = json!({
        "dealname": name, "dealstage": "appointmentscheduled", "amount": "1200", "buyer_name": format!("Dana {slug}"),
        "buyer_email": format!("dana.{slug}@buyer.test"), "order_pdf_url": format!("{}/files/order-{slug}.pdf", world.atlas.url()),
    });
    let deals = format!("{}/__sim/deals", world.hubspot.url());
    let made = post(&world.http, &deals, &json!({ "properties": properties })).await?;
    let id = made["id"].as_str().context("a deal without an id")?.to_owned();
    Ok(Deal { id, name: name.to_owned(), wish })
}

/// What lies on the desk of the office.
#[derive(Default)]
struct Desk {
    /// PandaDoc documents that are out for signature.
    documents: Vec<String>,
    /// Deals whose envelope a person sends.
    reviewed: HashSet<String>,
    /// Deals whose second signer declines.
    declined: HashSet<String>,
}

/// Reviewers and signers at work until they are sent home.
pub struct Office {
    open: Arc<AtomicBool>,
    desk: Arc<Mutex<Desk>>,
    work: JoinHandle<Result<()>>,
}

fn seen(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Office {
    /// Opens it.
    #[expect(clippy::disallowed_methods, reason = "people work beside the test")]
    pub fn open(world: &World) -> Office {
        let open = Arc::new(AtomicBool::new(true));
        let desk = Arc::new(Mutex::new(Desk::default()));
        let (atlas, pandadoc) = (world.atlas.url(), world.pandadoc.url());
        let (http, still_open, papers) = (world.http.clone(), open.clone(), desk.clone());
        let work = tokio::spawn(async move {
            let mut answered = HashSet::new();
            while still_open.load(Ordering::Relaxed) {
                let deals = review(&http, &atlas, &papers).await?;
                answer(&http, &atlas, &papers, &deals, &mut answered).await?;
                let waiting = std::mem::take(&mut seen(&papers).documents);
                let unfinished = sign(&http, &pandadoc, waiting).await?;
                seen(&papers).documents.extend(unfinished);
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        });
        Office { open, desk, work }
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        seen(&self.desk)
    }

    /// Tells the office what is to become of two deals.
    fn learn(&self, reviewed: &str, wish: Wish, auto: &str) {
        self.desk().reviewed.insert(reviewed.to_owned());
        if wish == Wish::Declined {
            self.desk().declined.insert(auto.to_owned());
        }
    }

    /// Sends everybody home.
    pub async fn close(self) -> Result<()> {
        self.open.store(false, Ordering::Relaxed);
        self.work.await?
    }
}

/// The deal an Atlas envelope was made for: the last part of its `external_id`.
pub fn deal_of(envelope: &Value) -> &str {
    let external = envelope["metadata"]["external_id"].as_str().unwrap_or_default();
    external.rsplit(':').next().unwrap_or_default()
}

/// A reviewer presses Send on every document that waits for it. Gives the deal of each envelope.
async fn review(http: &Client, atlas: &str, desk: &Mutex<Desk>) -> Result<HashMap<String, String>> {
    let mut deals = HashMap::new();
    let envelopes = get(http, &format!("{atlas}/__sim/envelopes")).await?;
    for envelope in envelopes.as_array().into_iter().flatten() {
        let (id, deal) = (envelope["envelope_id"].as_str().unwrap_or_default(), deal_of(envelope));
        deals.insert(id.to_owned(), deal.to_owned());
        let ready = envelope["status"] == "draft" && envelope["fields_status"] == "ready";
        if !ready || !seen(desk).reviewed.contains(deal) {
            continue;
        }
        let review = envelope["review_url"].as_str().context("no review link")?;
        let (page, token) = review.split_once('?').context("no token in the review link")?;
        let press = http.post(format!("{page}/send?{token}")).form::<[(&str, &str); 0]>(&[]);
        let pressed = press.send().await?.status();
        ensure!(pressed.as_u16() == 303, "the reviewer met {pressed}");
    }
    Ok(deals)
}

/// Everybody who was invited answers once.
async fn answer(
    http: &Client,
    atlas: &str,
    desk: &Mutex<Desk>,
    deals: &HashMap<String, String>,
    answered: &mut HashSet<String>,
) -> Result<()> {
    let inbox = get(http, &format!("{atlas}/__sim/inbox")).await?;
    for mail in inbox.as_array().into_iter().flatten().filter(|mail| mail["kind"] == "invitation") {
        let link = mail["sign_url"].as_str().context("no sign link")?;
        let Some(deal) = deals.get(mail["envelope_id"].as_str().unwrap_or_default()) else { continue };
        if !answered.insert(link.to_owned()) {
            continue;
        }
        http.get(link).send().await?.error_for_status()?;
        let declines = mail["order"] == 2 && seen(desk).declined.contains(deal);
        let form = if declines {
            [("action", "decline"), ("reason", "Too dear")]
        } else {
            [("action", "sign"), ("reason", "")]
        };
        let answer = http.post(link).form(&form).send().await?.status();
        ensure!(answer.as_u16() == 303, "a signer met {answer}");
    }
    Ok(())
}

/// The next signer of each PandaDoc document signs; gives those on which somebody is left.
async fn sign(http: &Client, pandadoc: &str, documents: Vec<String>) -> Result<Vec<String>> {
    let mut unfinished = Vec::new();
    for id in documents {
        let act = format!("{pandadoc}/__sim/ui/documents/{id}/sign");
        if http.post(act).json(&json!({})).send().await?.status().is_success() {
            unfinished.push(id);
        }
    }
    Ok(unfinished)
}
