//! People at the vendors: sales move deals and send documents, reviewers press Send, signers sign or decline.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Client;
use serde_json::{Value, json};
use system_tests::http::{get, post};
use tokio::task::JoinHandle;

use crate::world::World;

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
pub async fn sell(world: &World, round: u64) -> Result<Vec<Deal>> {
    let wish = if round % 4 == 3 { Wish::Declined } else { Wish::Signed };
    let auto = deal(world, &format!("Auto {round:03}"), wish).await?;
    let reviewed = deal(world, &format!("Reviewed {round:03}"), Wish::Signed).await?;
    let document = deal(world, &format!("Document {round:03}"), Wish::SignedAtPandaDoc).await?;
    for (deal, stage) in [(&auto, "readytosend"), (&reviewed, "contractsent")] {
        let edit = json!({"id": deal.id, "properties": {"dealstage": stage}});
        post(&world.http, &format!("{}/__sim/ui-edit", world.hubspot.url()), &edit).await?;
    }
    let ui = format!("{}/__sim/ui/documents", world.pandadoc.url());
    let made = post(&world.http, &ui, &json!({"name": document.name, "deal_id": document.id})).await?;
    let id = made["id"].as_str().context("a document without an id")?;
    post(&world.http, &format!("{ui}/{id}/send"), &json!({})).await?;
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

/// Reviewers and signers at work until they are sent home.
pub struct Office {
    open: Arc<AtomicBool>,
    work: JoinHandle<Result<()>>,
}

impl Office {
    /// Opens it. `declined` names the documents that their second signer declines, by a part of their title.
    #[expect(clippy::disallowed_methods, reason = "people work beside the test")]
    pub fn open(world: &World) -> Office {
        let open = Arc::new(AtomicBool::new(true));
        let (atlas, pandadoc) = (world.atlas.url(), world.pandadoc.url());
        let (http, still_open) = (world.http.clone(), open.clone());
        let work = tokio::spawn(async move {
            let mut answered = HashSet::new();
            while still_open.load(Ordering::Relaxed) {
                review(&http, &atlas).await?;
                answer(&http, &atlas, &mut answered).await?;
                sign_documents(&http, &pandadoc, &mut answered).await?;
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Ok(())
        });
        Office { open, work }
    }

    /// Sends everybody home.
    pub async fn close(self) -> Result<()> {
        self.open.store(false, Ordering::Relaxed);
        self.work.await?
    }
}

/// A reviewer presses Send on every document that is ready; those of the trusted template are sent by us.
async fn review(http: &Client, atlas: &str) -> Result<()> {
    let envelopes = get(http, &format!("{atlas}/__sim/envelopes")).await?;
    for envelope in envelopes.as_array().into_iter().flatten() {
        let waits = envelope["status"] == "draft" && envelope["fields_status"] == "ready";
        if !waits || !title(envelope).starts_with("Reviewed") {
            continue;
        }
        let review = envelope["review_url"].as_str().context("no review link")?;
        let (page, token) = review.split_once('?').context("no token in the review link")?;
        let pressed = http.post(format!("{page}/send?{token}")).form(&[("", "")]).send().await?;
        anyhow::ensure!(pressed.status().as_u16() == 303 || pressed.status().as_u16() == 409, "{}", pressed.status());
    }
    Ok(())
}

/// Everybody who was invited answers once.
async fn answer(http: &Client, atlas: &str, answered: &mut HashSet<String>) -> Result<()> {
    let inbox = get(http, &format!("{atlas}/__sim/inbox")).await?;
    for mail in inbox.as_array().into_iter().flatten().filter(|mail| mail["kind"] == "invitation") {
        let link = mail["sign_url"].as_str().context("no sign link")?;
        if !answered.insert(link.to_owned()) {
            continue;
        }
        http.get(link).send().await?.error_for_status()?;
        let declines = mail["order"] == 2 && declined(&mail["subject"]);
        let form = if declines { [("action", "decline"), ("reason", "Too dear")] } else { [("action", "sign"), ("reason", "")] };
        let answer = http.post(link).form(&form).send().await?;
        anyhow::ensure!(answer.status().as_u16() == 303, "a signer met {}", answer.status());
    }
    Ok(())
}

/// Documents of the fourth round, the eighth and so on, of the template, are declined.
fn declined(subject: &Value) -> bool {
    let number = subject.as_str().and_then(|subject| subject.split("Auto ").nth(1)).and_then(|rest| rest.get(..3));
    number.and_then(|number| number.parse::<u64>().ok()).is_some_and(|round| round % 4 == 3)
}

/// Everybody signs at PandaDoc, one after another.
async fn sign_documents(http: &Client, pandadoc: &str, done: &mut HashSet<String>) -> Result<()> {
    let page = http.get(pandadoc).send().await?.text().await?;
    let ids: HashSet<&str> = page
        .split("/documents/")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next())
        .filter(|id| !id.is_empty())
        .collect();
    for id in ids {
        if done.contains(id) {
            continue;
        }
        let act = format!("{pandadoc}/__sim/ui/documents/{id}/sign");
        let signed = http.post(act).json(&json!({})).send().await?;
        if !signed.status().is_success() {
            // Nobody is left to sign: the document is finished.
            done.insert(id.to_owned());
        }
    }
    Ok(())
}

fn title(envelope: &Value) -> &str {
    envelope["title"].as_str().unwrap_or_default()
}
