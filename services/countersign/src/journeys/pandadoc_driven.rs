//! The second provider is driven as well, though it knows no idempotency keys and makes documents slowly.
//!
//! A deal asks for a template or for its order form there; the draft is waited for and sent, by us or by a person.
//! Then the vendor is slow, locked, broken and silent, before and after it does what it is asked, while its
//! webhooks are kept back so that nothing but our own looking can help: there is one document, sent once, ended
//! once.

use anyhow::{Result, ensure};
use contracts::wire::envelope::{Stage as At, VoidEnvelopeRequest};
use serde_json::{Value, json};

use super::JourneyReport;
use super::journal::SIGNED_ELSEWHERE;
use super::people::{Deal, asks};
use super::stage::{Stage, eventually};
use super::{Chapter, journal};

/// How long the vendor stays silent before the line goes dead.
const SILENCE_MS: u64 = 200;

pub(super) async fn run(stage: &Stage) -> Result<JourneyReport> {
    let template = sent_by_us(stage).await?;
    let reviewed = sent_by_a_person(stage).await?;
    let panda = stage.addresses().pandadoc.clone();
    let webhooks = |mode: &'static str| stage.post_to(&panda, "/__sim/webhooks", json!({"mode": mode}));
    webhooks("hold").await?;
    let troubled = troubled(stage).await;
    webhooks("normal").await?;
    stage.post_to(&panda, "/__sim/webhooks/flush", json!({})).await?;
    let troubled = troubled?;
    let mut chapters = vec![template, reviewed];
    for (deal, id, document) in &troubled {
        for _ in 0..2 {
            stage.act_in_pandadoc(document, "sign").await?;
        }
        stage.at_rest(id, At::Completed).await?;
        stage.check_deal(deal, document, SIGNED_ELSEWHERE).await?;
        chapters.push(Chapter::of(deal, id));
    }
    chapters.push(voided(stage, &panda).await?);
    approved(stage, &panda).await?;
    Ok(JourneyReport::about(chapters).and("whatever went wrong, one document per deal, sent once"))
}

/// A template, filled and sent without review.
async fn sent_by_us(stage: &Stage) -> Result<Chapter> {
    let (deal, id, document) = asked(stage, asks::FOR_SECOND_TEMPLATE).await?;
    stage.say("the second provider has filled the template, and we have sent it");
    finish(stage, &deal, &id, &document).await?;
    stage.check_pandadoc(&deal, &document, "POST", &["create 201", "send 200"]).await?;
    Ok(Chapter::of(&deal, &id))
}

/// The order form, fetched by the provider and sent by a person there.
async fn sent_by_a_person(stage: &Stage) -> Result<Chapter> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_SECOND_REVIEW).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let document = stage.until_stage(&id, At::InReview).await?.provider_id;
    stage.act_in_pandadoc(&document, "send").await?;
    stage.say("a person looks at the draft in PandaDoc and sends it");
    finish(stage, &deal, &id, &document).await?;
    stage.check_pandadoc(&deal, &document, "POST", &["create 201"]).await?;
    Ok(Chapter::of(&deal, &id))
}

async fn finish(stage: &Stage, deal: &Deal, id: &str, document: &str) -> Result<()> {
    stage.deal_says(deal, "esign_status", "Pending").await?;
    for _ in 0..2 {
        stage.act_in_pandadoc(document, "sign").await?;
    }
    stage.deal_says(deal, "esign_status", "Signed").await?;
    stage.at_rest(id, At::Completed).await?;
    stage.check_deal(deal, document, SIGNED_ELSEWHERE).await
}

/// Creates and sends that go wrong. Nobody hears of it but us.
async fn troubled(stage: &Stage) -> Result<Vec<(Deal, String, String)>> {
    let silence = |action: &'static str| vec![json!(action)];
    let broken = vec![
        json!({"status": 429, "headers": {"retry-after": "1"}, "body": {"type": "throttled"}}),
        json!({"status": 503}),
    ];
    let locked = json!({"status": 423, "body": {"type": "document_locked"}});
    let refused = vec![locked, json!({"status": 500, "after_apply": true})];
    let create = "/public/v1/documents";
    let cases: [(&str, Vec<Value>, &[&str]); 5] = [
        (create, silence("timeout_after_apply"), &["create unanswered", "send 200"]),
        (create, silence("timeout_before_apply"), &["create unanswered", "create 201", "send 200"]),
        (create, broken, &["create 429", "create 503", "create 201", "send 200"]),
        ("~/send", refused, &["create 201", "send 423", "send 500", "send 409?"]),
        ("~/send", silence("timeout_before_apply"), &["create 201", "send unanswered", "send 200"]),
    ];
    let panda = stage.addresses().pandadoc.clone();
    let mut made = Vec::new();
    for (path, actions, wanted) in cases {
        for action in actions {
            let order =
                json!({"match": {"method": "POST", "path": path}, "hold_ms": SILENCE_MS, "action": action});
            stage.post_to(&panda, "/__sim/faults", order).await?;
        }
        let (deal, id, document) = asked(stage, asks::FOR_SECOND_TEMPLATE).await?;
        stage.check_pandadoc(&deal, &document, "POST", wanted).await?;
        stage.say(format!("it was asked {}", wanted.join(", ")));
        made.push((deal, id, document));
    }
    Ok(made)
}

/// A deal's document, out for signature.
async fn asked(stage: &Stage, how: &str) -> Result<(Deal, String, String)> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, how).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let document = stage.until_stage(&id, At::Sent).await?.provider_id;
    Ok((deal, id, document))
}

/// The answer to our void is lost after it was done: the next try hears that there is nothing left to end.
async fn voided(stage: &Stage, panda: &str) -> Result<Chapter> {
    let (deal, id, document) = asked(stage, asks::FOR_SECOND_TEMPLATE).await?;
    stage.deal_says(&deal, "esign_status", "Pending").await?;
    let lost = json!({"match": {"method": "PATCH", "path": "~/status"}, "action": {"status": 503, "after_apply": true}});
    stage.post_to(panda, "/__sim/faults", lost).await?;
    let request =
        VoidEnvelopeRequest { request_id: format!("void-{}", deal.number), envelope_id: id.clone() };
    stage.envelopes().void_envelope(request).await?;
    stage.deal_says(&deal, "esign_status", "Cancelled").await?;
    stage.at_rest(&id, At::Voided).await?;
    let calls = stage.pandadoc_calls(&deal, &document, "PATCH").await?;
    ensure!(fits(&calls, &["status 503", "status 409?"]), "PandaDoc was asked to end it by {calls:?}");
    stage.say("an operator cancels; the answer was lost, the document ended once");
    Ok(Chapter::of(&deal, &id))
}

/// A document that needs an approval goes out only when it was given, by a second send.
async fn approved(stage: &Stage, panda: &str) -> Result<()> {
    stage.post_to(panda, "/__sim/settings", json!({"approval": true})).await?;
    let played = approved_there(stage).await;
    stage.post_to(panda, "/__sim/settings", json!({"approval": false})).await?;
    played
}

async fn approved_there(stage: &Stage) -> Result<()> {
    let deal = stage.new_deal().await?;
    stage.move_deal(&deal, asks::FOR_SECOND_TEMPLATE).await?;
    let id = stage.envelope_of(&deal).await?.envelope_id;
    let document = stage.until_stage(&id, At::AwaitingApproval).await?.provider_id;
    let early = stage.deal_history(&deal.id).await?;
    ensure!(
        !early.iter().any(|write| write.is_ours() && write.property == "esign_status"),
        "the deal says something of a document that nobody has got"
    );
    stage.act_in_pandadoc(&document, "approve").await?;
    stage.say("the approvers agree, and it is sent once more");
    stage.until_stage(&id, At::Sent).await?;
    finish(stage, &deal, &id, &document).await?;
    stage.check_pandadoc(&deal, &document, "POST", &["create 201", "send 200", "send 200"]).await
}

/// Whether these are the calls; one that is marked `?` was not made if a look had told us already.
fn fits(calls: &[String], wanted: &[&str]) -> bool {
    let mut calls = calls.iter().peekable();
    for word in wanted {
        let made = calls.next_if(|call| *call == word.trim_end_matches('?')).is_some();
        if !made && !word.ends_with('?') {
            return false;
        }
    }
    calls.next().is_none()
}

impl Stage {
    /// Sends JSON to a path of a simulator.
    async fn post_to(&self, simulator: &str, path: &str, body: Value) -> Result<Value> {
        self.post(&format!("{simulator}{path}"), &body).await
    }

    /// What was asked of the second provider for this deal, in order, with the answers: `create 201`, `send 409`.
    async fn pandadoc_calls(&self, deal: &Deal, document: &str, method: &str) -> Result<Vec<String>> {
        let mut calls = self.calls(&self.addresses().pandadoc, method, "/public/").await?;
        let external_id = deal.external_id();
        calls.retain(|call| call.path.contains(document) || call.body.contains(&external_id));
        calls.sort_by_key(|call| call.seq);
        let word = |call: &journal::Call| {
            let act = call.path.rsplit('/').next().unwrap_or_default();
            let act = if act == "documents" { "create" } else { act };
            let answer = call.status.map_or("unanswered".to_owned(), |status| status.to_string());
            format!("{act} {answer}")
        };
        Ok(calls.iter().map(word).collect())
    }

    /// Holds what was asked of the second provider against what must have been asked, and nothing more.
    async fn check_pandadoc(&self, deal: &Deal, document: &str, method: &str, wanted: &[&str]) -> Result<()> {
        eventually(&format!("PandaDoc to be asked {wanted:?}"), async || {
            let calls = self.pandadoc_calls(deal, document, method).await?;
            ensure!(fits(&calls, wanted), "it was asked {calls:?}");
            Ok(Some(()))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_call_too_many_or_too_few_does_not_fit_and_a_marked_one_may_be_missing() {
        let calls = |made: &[&str]| made.iter().map(|call| (*call).to_owned()).collect::<Vec<_>>();
        let wanted = ["create 201", "send 500", "send 409?"];
        assert!(fits(&calls(&["create 201", "send 500"]), &wanted));
        assert!(fits(&calls(&["create 201", "send 500", "send 409"]), &wanted));
        assert!(!fits(&calls(&["create 201"]), &wanted));
        assert!(!fits(&calls(&["create 201", "send 500", "send 200"]), &wanted));
        assert!(!fits(&calls(&["create 201", "create 201", "send 500"]), &wanted));
    }
}
