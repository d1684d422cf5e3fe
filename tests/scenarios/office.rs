//! People at the vendors, by the hundred: sales move deals and send documents, reviewers press Send, signers sign or
//! decline.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};
use system_tests::http::{get, post};
use system_tests::world::{World, secret};
use tokio::task::JoinHandle;

/// Pause between two rounds through the office.
const ROUND_EVERY: Duration = Duration::from_millis(150);
/// Signers of every envelope.
const SIGNERS: usize = 2;
/// PandaDoc's number for documents that were sent and nobody has opened.
const SENT: u32 = 1;

/// Which way an envelope takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// From a template at Atlas, sent at once.
    Template,
    /// A document at Atlas that a person reviews and sends.
    Reviewed,
    /// A document that sales make and send at PandaDoc.
    Sales,
    /// From a template at PandaDoc, sent by us as soon as it is a draft.
    Driven,
}

/// How it is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Everybody signs.
    Signed,
    /// The second signer declines.
    Declined,
}

impl Wish {
    /// What the CRM says in the end.
    pub const fn status(self) -> &'static str {
        match self {
            Self::Signed => "Signed",
            Self::Declined => "Declined",
        }
    }
}

/// A deal and how it is to end.
#[derive(Clone, Debug)]
pub struct Deal {
    pub id: String,
    pub name: String,
    pub road: Road,
    pub wish: Wish,
    /// The document that sales made.
    pub document: Option<String>,
}

/// How far people are with one envelope.
#[derive(Clone)]
struct Work {
    name: String,
    road: Road,
    wish: Wish,
    /// At PandaDoc, once it is known.
    document: Option<String>,
    answered: usize,
}

/// What people know of each other's work, by deal.
type Desk = HashMap<String, Work>;

/// Reviewers and signers at work until they are sent home.
pub struct Office {
    open: Arc<AtomicBool>,
    resting: Arc<AtomicBool>,
    desk: Arc<Mutex<Desk>>,
    work: JoinHandle<Result<()>>,
}

impl Office {
    /// Opens it.
    #[expect(clippy::disallowed_methods, reason = "people work beside the test")]
    pub fn open(world: &World) -> Office {
        let (open, resting) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let desk = Arc::new(Mutex::new(Desk::default()));
        let (atlas, pandadoc, http) = (world.atlas.url(), world.pandadoc.url(), world.http.clone());
        let (still_open, still_resting, papers) = (open.clone(), resting.clone(), desk.clone());
        let work = tokio::spawn(async move {
            while still_open.load(Ordering::Relaxed) {
                if !still_resting.load(Ordering::Relaxed) {
                    at_atlas(&http, &atlas, &papers).await?;
                    at_pandadoc(&http, &pandadoc, &papers).await?;
                }
                tokio::time::sleep(ROUND_EVERY).await;
            }
            Ok(())
        });
        Office { open, resting, desk, work }
    }

    /// Nobody signs until people are told to go on; sales still sell.
    pub fn rest(&self) {
        self.resting.store(true, Ordering::Relaxed);
    }

    /// People go on.
    pub fn go_on(&self) {
        self.resting.store(false, Ordering::Relaxed);
    }

    /// Makes a deal and starts it on its road.
    pub async fn sell(&self, world: &World, name: &str, road: Road, wish: Wish) -> Result<Deal> {
        let mut deal = deal(world, name, road, wish).await?;
        if road == Road::Sales {
            let ui = format!("{}/__sim/ui/documents", world.pandadoc.url());
            let made = post(&world.http, &ui, &json!({"name": name, "deal_id": deal.id})).await?;
            let id = made["id"].as_str().context("a document without an id")?.to_owned();
            post(&world.http, &format!("{ui}/{id}/send"), &json!({})).await?;
            deal.document = Some(id);
        }
        let work = Work { name: name.to_owned(), road, wish, document: deal.document.clone(), answered: 0 };
        self.desk().insert(deal.id.clone(), work);
        let stage = match road {
            Road::Template => "readytosend",
            Road::Reviewed => "contractsent",
            Road::Driven => "presentationscheduled",
            Road::Sales => return Ok(deal),
        };
        let edit = json!({"id": deal.id, "properties": {"dealstage": stage}});
        post(&world.http, &format!("{}/__sim/ui-edit", world.hubspot.url()), &edit).await?;
        Ok(deal)
    }

    /// How many envelopes people are not done with.
    pub fn unfinished(&self) -> usize {
        self.desk().values().filter(|work| work.answered < SIGNERS).count()
    }

    /// Sends everybody home.
    pub async fn close(self) -> Result<()> {
        self.open.store(false, Ordering::Relaxed);
        self.work.await?
    }

    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn deal(world: &World, name: &str, road: Road, wish: Wish) -> Result<Deal> {
    let slug = name.to_lowercase().replace(' ', "-");
    let properties = json!({
        "dealname": name, "dealstage": "appointmentscheduled", "amount": "1200", "buyer_name": format!("Dana {slug}"),
        "buyer_email": format!("dana.{slug}@buyer.test"), "order_pdf_url": format!("{}/files/order-{slug}.pdf", world.atlas.url()),
    });
    let deals = format!("{}/__sim/deals", world.hubspot.url());
    let made = post(&world.http, &deals, &json!({ "properties": properties })).await?;
    let id = made["id"].as_str().context("a deal without an id")?.to_owned();
    Ok(Deal { id, name: name.to_owned(), road, wish, document: None })
}

/// The deal an Atlas envelope was made for: the last part of its `external_id`.
pub fn deal_of(envelope: &Value) -> &str {
    let external = envelope["metadata"]["external_id"].as_str().unwrap_or_default();
    external.rsplit(':').next().unwrap_or_default()
}

fn answered(desk: &Mutex<Desk>, deal: &str) {
    if let Some(work) = desk.lock().unwrap_or_else(PoisonError::into_inner).get_mut(deal) {
        work.answered += 1;
    }
}

/// What people have not done yet.
fn open(desk: &Mutex<Desk>) -> Desk {
    let desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    let open = desk.iter().filter(|(_, work)| work.answered < SIGNERS);
    open.map(|(deal, work)| (deal.clone(), work.clone())).collect()
}

/// One round at Atlas: drafts that wait for a reviewer are sent, the next signer of each envelope answers.
async fn at_atlas(http: &Client, atlas: &str, desk: &Mutex<Desk>) -> Result<()> {
    let (envelopes, waiting) = (get(http, &format!("{atlas}/__sim/envelopes")).await?, open(desk));
    for envelope in envelopes.as_array().into_iter().flatten() {
        let deal = deal_of(envelope);
        let Some(Work { road, wish, answered: signer, .. }) = waiting.get(deal).cloned() else { continue };
        let draft = envelope["status"] == "draft" && envelope["fields_status"] == "ready";
        if draft && road == Road::Reviewed {
            let review = envelope["review_url"].as_str().context("no review link")?;
            let (page, token) = review.split_once('?').context("no token in the review link")?;
            let press = http.post(format!("{page}/send?{token}")).form::<[(&str, &str); 0]>(&[]);
            let pressed = press.send().await?.status();
            ensure!(pressed.as_u16() == 303, "the reviewer met {pressed}");
        }
        let link = envelope["sign_urls"].get(signer).and_then(Value::as_str);
        if let (true, Some(link)) = (envelope["status"] == "pending", link) {
            http.get(link).send().await?.error_for_status()?;
            let form = if wish == Wish::Declined && signer + 1 == SIGNERS {
                [("action", "decline"), ("reason", "Too dear")]
            } else {
                [("action", "sign"), ("reason", "")]
            };
            let answer = http.post(link).form(&form).send().await?.status();
            ensure!(answer.as_u16() == 303, "a signer met {answer}");
            answered(desk, deal);
        }
    }
    Ok(())
}

/// One round at PandaDoc: the next signer of each document looks at it and answers.
async fn at_pandadoc(http: &Client, pandadoc: &str, desk: &Mutex<Desk>) -> Result<()> {
    received(http, pandadoc, desk).await?;
    for (deal, work) in open(desk) {
        let Some(document) = work.document else { continue };
        let act = |act: &str| format!("{pandadoc}/__sim/ui/documents/{document}/{act}");
        if work.answered == 0 {
            post(http, &act("view"), &json!({})).await?;
        }
        let last = work.answered + 1 == SIGNERS;
        let decision = if work.wish == Wish::Declined && last { "decline" } else { "sign" };
        post(http, &act(decision), &json!({"reason": "Too dear"})).await?;
        answered(desk, &deal);
    }
    Ok(())
}

/// Signers find the documents in their mail that we had sent.
async fn received(http: &Client, pandadoc: &str, desk: &Mutex<Desk>) -> Result<()> {
    let waiting =
        open(desk).into_iter().filter(|(_, work)| work.road == Road::Driven && work.document.is_none());
    let waiting: HashMap<String, String> = waiting.map(|(deal, work)| (work.name, deal)).collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let url = format!("{pandadoc}/public/v1/documents?status={SENT}&count=100");
    let key = format!("API-Key {}", secret("pandadoc-api-key"));
    let list = http.get(url).header("authorization", key).send().await?.error_for_status()?;
    let list: Value = serde_json::from_str(&list.text().await?)?;
    for document in list["results"].as_array().into_iter().flatten() {
        let deal = waiting.get(document["name"].as_str().unwrap_or_default());
        let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = deal.and_then(|deal| desk.get_mut(deal)) {
            work.document = document["id"].as_str().map(str::to_owned);
        }
    }
    Ok(())
}
