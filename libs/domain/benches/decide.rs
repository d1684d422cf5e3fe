//! What one decision costs: a webhook on a long life, and replaying that life from the log.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use domain::envelope::{
    Command, Correlation, Document, Envelope, Event, Observation, Order, SendPolicy, Source, decide, evolve,
    replay,
};
use domain::intake::{Claim, PartyNews, Standing};
use domain::parties::Parties;
use domain::personal::Personal;
use domain::time::Timestamp;

fn decisions(criterion: &mut Criterion) {
    let history = life();
    let envelope = replay(&history);
    let late = observe(Claim::Viewed, Vec::new());
    let signed = observe(Claim::PartySigned, vec![PartyNews { order: 2, standing: Standing::Signed }]);

    criterion.bench_function("decide/late_webhook", |bench| {
        bench.iter(|| decide(black_box(&envelope), black_box(late.clone())));
    });
    criterion.bench_function("decide/last_signature", |bench| {
        bench.iter(|| decide(black_box(&envelope), black_box(signed.clone())));
    });
    criterion.bench_function("replay/seven_facts", |bench| bench.iter(|| replay(black_box(&history))));
}

/// Two signers, the first has signed: seven facts.
fn life() -> Vec<Event> {
    let order = Box::new(order());
    let commands = [
        Command::Request { order, at: Timestamp(0) },
        Command::StartCreate { way: None, at: Timestamp(1) },
        observe(Claim::Draft, Vec::new()),
        Command::RequestSend { at: Timestamp(2) },
        observe(Claim::Sent, Vec::new()),
        observe(Claim::PartySigned, vec![PartyNews { order: 1, standing: Standing::Signed }]),
    ];
    let mut envelope = Envelope::default();
    let mut history = Vec::new();
    for command in commands {
        for event in decide(&envelope, command).expect("the life of the bench is a legal one") {
            envelope = evolve(envelope, &event);
            history.push(event);
        }
    }
    history
}

fn order() -> Order {
    let signer = |name: &str| ("Customer".to_owned(), name.to_owned(), format!("{name}@buyer.test"));
    Order {
        operation_key: "trg_1".parse().expect("a legal key"),
        flow: "order-form".parse().expect("a legal name"),
        provider: "provider-main".parse().expect("a legal id"),
        record: None,
        document: Document::Url(Personal::new("https://files.test/1.pdf")),
        title: "Order form".into(),
        parties: Parties::sequential([signer("dana"), signer("sam")]).expect("two legal parties"),
        send: SendPolicy::Review,
        expires_after: None,
        remind_after: Vec::new(),
        correlation: Correlation::default(),
    }
}

fn observe(claim: Claim, parties: Vec<PartyNews>) -> Command {
    let observation = Observation {
        provider_id: "prov-1".parse().expect("a legal id"),
        claim,
        detection: None,
        fields_version: None,
        revision: None,
        parties,
        total: Some(2),
        review_link: None,
        conclusive: true,
    };
    Command::Observe { observation, source: Source::Webhook, reopens: false, at: Timestamp(3) }
}

criterion_group!(benches, decisions);
criterion_main!(benches);
