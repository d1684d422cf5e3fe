//! Whom a send of ours invites: those who stand in the draft, whoever was ordered (contract §23.11).

use providers::{CreateOrder, Provider};
use serde_json::{Value, json};

use super::{Desk, order, parties, template_source, until, url_source};

/// E-mail addresses of those invited first, in the order of the mails.
async fn invited(desk: &Desk) -> Vec<String> {
    let mails = desk.get("/__sim/inbox").await;
    let invitations = mails.as_array().into_iter().flatten().filter(|mail| mail["kind"] == "invitation");
    invitations.map(|mail| mail["to"].as_str().expect("an address").to_owned()).collect()
}

/// As if the reviewer had replaced everybody.
async fn replace(desk: &Desk, id: &domain::ids::ProviderEnvelopeId, parties: Value) {
    desk.post(&format!("/__sim/envelopes/{id}/parties"), json!({"parties": parties})).await;
}

fn others() -> Value {
    json!([
        {"email": "boss@buyer.test", "name": "Bo Boss", "role": "Customer", "order": 2},
        {"email": "law@buyer.test", "name": "Lee Law", "role": "Company", "order": 1},
    ])
}

#[tokio::test]
async fn whom_the_reviewer_put_in_is_invited_and_whom_they_took_out_is_not() {
    for (dialect, template) in [("g1", false), ("g1", true), ("g2", false)] {
        let desk = Desk::open().await;
        let adapter = desk.adapter(json!({"dialect": dialect}));
        let source = if template { template_source(&[]) } else { url_source(&desk) };
        let draft = CreateOrder { auto_send: false, ..order(1, source) };
        let id = adapter.create(&draft, "deal-1:create").await.expect("created").provider_id;
        let ready = until(&adapter, &id, |seen| seen.detection != Some(providers::Detection::Pending)).await;
        replace(&desk, &id, others()).await;

        adapter.send(&id, &parties(), ready.fields_version, "deal-1:send").await.expect("sent");
        assert_eq!(invited(&desk).await, ["law@buyer.test"], "{dialect}, template: {template}");
    }
}

#[tokio::test]
async fn whoever_was_ordered_is_invited_where_the_draft_names_nobody() {
    let desk = Desk::open().await;
    let adapter = desk.adapter(json!({}));
    let (id, version) = desk.draft(&adapter, 1).await;
    replace(&desk, &id, json!([])).await;
    adapter.send(&id, &parties(), version, "deal-1:send").await.expect("sent");
    assert_eq!(invited(&desk).await, ["dana@buyer.test"]);
}
