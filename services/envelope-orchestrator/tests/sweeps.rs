//! What no webhook told: found by asking, recorded as found.

mod support;

use std::time::Duration;

use contracts::wire::common::JobOutcome;
use contracts::wire::envelope as wire;
use contracts::wire::envelope::Stage;
use domain::intake::Claim;
use providers::Class;
use support::provider::{Draft, Fault, Scripted, draft};
use support::{World, news, request};

const OPEN: &str = "open-envelopes";
const CHANGED: &str = "changed-documents";

/// A document of sales about a deal, as a flow asks for it.
fn of_deal(claim: Claim, deal: &str, revision: i64) -> Draft {
    let correlation = [("deal".to_owned(), deal.to_owned())].into();
    Draft { correlation, revision: Some(revision), ..draft(claim, 1) }
}

/// A world that lists what changes, and whose jobs have come round once: what a test adds is found by its own run.
async fn listing() -> World {
    let provider = Scripted::new(true);
    provider.lists();
    let world = World::with(provider).await;
    first_runs(&world).await;
    world
}

/// The time of the world's clock, as a revision.
fn now(world: &World) -> i64 {
    world.clock.now().0
}

/// The first run of every job comes by itself.
async fn first_runs(world: &World) {
    let run = async {
        while world.jobs().await.iter().any(|job| job.last.is_none()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), run).await.expect("every job comes round at the start");
}

async fn in_review(world: &World) -> wire::Envelope {
    let made = world.create(request("deal-1")).await.expect("it is taken");
    world.until_stage(&made.envelope_id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(1));
    world.until_stage(&made.envelope_id, Stage::InReview).await
}

#[tokio::test]
async fn a_completion_that_no_webhook_told_is_found_by_asking_for_what_is_open() {
    let world = World::new().await;
    first_runs(&world).await;
    let made = in_review(&world).await;
    world.provider.change("p-1", |draft| (draft.signed, draft.claim) = (2, Claim::Completed));
    let run = world.run_job(OPEN).await;
    assert_eq!((run.outcome(), run.looked, run.found), (JobOutcome::Done, 1, 1));
    let done = world.until_stage(&made.envelope_id, Stage::Completed).await;
    assert!(done.confirmed);
    let kinds = world.kinds(&made.envelope_id).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "envelope.reconciled").count(), 1);
    world.stop().await;
}

#[tokio::test]
async fn a_sweep_that_finds_nothing_leaves_no_trace_in_the_log() {
    let world = World::new().await;
    let made = in_review(&world).await;
    let before = world.kinds(&made.envelope_id).await;
    for _ in 0..3 {
        let run = world.run_job(OPEN).await;
        assert_eq!((run.outcome(), run.found), (JobOutcome::Done, 0));
    }
    assert_eq!(world.kinds(&made.envelope_id).await, before);
    world.stop().await;
}

#[tokio::test]
async fn a_document_of_sales_whose_every_webhook_was_lost_is_adopted_and_marked() {
    let world = listing().await;
    world.provider.add("doc-7", of_deal(Claim::Completed, "7", now(&world)));
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.outcome(), run.found), (JobOutcome::Done, 1));
    let adopted = world.until_adopted().await;
    assert_eq!((adopted.provider_id.as_str(), adopted.stage()), ("doc-7", Stage::Completed));
    let kinds = world.kinds(&adopted.envelope_id).await;
    assert_eq!(kinds.first().map(String::as_str), Some("envelope.adopted"));
    assert!(kinds.iter().any(|kind| kind == "envelope.reconciled"), "{kinds:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_document_that_no_flow_wants_is_looked_at_once_however_often_it_is_listed() {
    let world = listing().await;
    let stranger = Draft { revision: Some(now(&world)), ..draft(Claim::Sent, 1) };
    world.provider.add("doc-8", stranger);
    for _ in 0..3 {
        assert_eq!(world.run_job(CHANGED).await.found, 0);
    }
    assert_eq!(world.provider.calls("snapshot doc-8"), 1);
    world.provider.change("doc-8", |draft| draft.revision = draft.revision.map(|at| at + 1));
    world.run_job(CHANGED).await;
    assert_eq!(world.provider.calls("snapshot doc-8"), 2);
    world.stop().await;
}

#[tokio::test]
async fn a_reopening_that_no_webhook_told_is_found_among_what_changed() {
    let world = listing().await;
    world.provider.add("doc-7", of_deal(Claim::Completed, "7", now(&world)));
    world.run_job(CHANGED).await;
    let closed = world.until_adopted().await;
    world.until_stage(&closed.envelope_id, Stage::Completed).await;
    world.provider.change("doc-7", |draft| {
        (draft.claim, draft.revision) = (Claim::Draft, draft.revision.map(|at| at + 60_000));
    });
    assert_eq!(world.run_job(CHANGED).await.found, 1);
    let again = world.until_stage(&closed.envelope_id, Stage::InReview).await;
    assert_eq!(again.generation, 2);
    world.stop().await;
}

#[tokio::test]
async fn an_envelope_whose_create_call_never_came_back_is_found_by_the_id_it_carries() {
    let world = listing().await;
    world.provider.fail("create", [Fault::Gate]);
    let made = world.create(request("deal-1")).await.unwrap();
    world.provider.until(|provider| provider.calls("create") == 1).await;
    let at = now(&world);
    world.provider.change("p-1", |draft| draft.revision = Some(at));
    assert_eq!(world.run_job(CHANGED).await.found, 1);
    assert_eq!(world.get(&made.envelope_id).await.provider_id, "p-1");
    world.provider.open_gate();
    world.stop().await;
}

#[tokio::test]
async fn many_changes_are_walked_page_by_page_even_where_time_stands_still() {
    let world = listing().await;
    let at = now(&world);
    for number in 0..11 {
        // Five of them changed in the same millisecond: more than a page.
        let revision = at + if (3..8).contains(&number) { 3 } else { number };
        world.provider.add(&format!("doc-{number}"), of_deal(Claim::Sent, &number.to_string(), revision));
    }
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.outcome(), run.found), (JobOutcome::Done, 11));
    assert_eq!(world.run_job(CHANGED).await.found, 0);
    world.stop().await;
}

#[tokio::test]
async fn a_provider_that_does_not_answer_costs_a_run_but_no_finding() {
    let world = listing().await;
    world.provider.add("doc-7", of_deal(Claim::Sent, "7", now(&world)));
    // Neither the document is shown, nor is it said that there is none of another name.
    world.provider.fail("snapshot", [Fault::Refuse(Class::Transient); 2]);
    let failed = world.run_job(CHANGED).await;
    assert_eq!(failed.outcome(), JobOutcome::Failed);
    assert!(failed.note.contains("transient"), "{}", failed.note);
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.outcome(), run.found), (JobOutcome::Done, 1));
    world.stop().await;
}

#[tokio::test]
async fn after_an_outage_everything_open_is_asked_for_at_the_start() {
    let world = World::new().await;
    let made = in_review(&world).await;
    world.run_job(OPEN).await;
    let (clock, provider) = (world.clock.clone(), world.provider.clone());
    let stopped = world.restart();
    // Longer than any provider tries: 2 h 36 min at one of them.
    clock.advance(Duration::from_secs(3 * 3600));
    provider.change("p-1", |draft| (draft.signed, draft.claim) = (2, Claim::Completed));
    let world = stopped.await;
    world.until_stage(&made.envelope_id, Stage::Completed).await;
    let swept = async {
        loop {
            let jobs = world.jobs().await;
            let last = jobs.iter().find(|job| job.name == OPEN).and_then(|job| job.last.clone());
            if last.is_some_and(|run| run.started_ms == world.clock.now().0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), swept).await.expect("the sweep runs at the start");
    world.stop().await;
}

#[tokio::test]
async fn what_a_webhook_tells_while_the_sweep_waits_for_it_is_no_finding() {
    let world = World::with_grace(Duration::from_secs(2)).await;
    first_runs(&world).await;
    let made = in_review(&world).await;
    let looks = world.provider.calls("snapshot p-1");
    world.provider.change("p-1", |draft| (draft.signed, draft.claim) = (2, Claim::Completed));
    let told = async {
        world.provider.until(|provider| provider.calls("snapshot p-1") > looks).await;
        world.signal(1, "envelope.completed", news("p-1", Claim::Completed, None)).await
    };
    let (run, _) = tokio::join!(world.run_job(OPEN), told);
    assert_eq!((run.outcome(), run.found), (JobOutcome::Done, 0));
    let kinds = world.kinds(&made.envelope_id).await;
    assert!(kinds.iter().any(|kind| kind == "envelope.completed"), "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind == "envelope.reconciled"), "{kinds:?}");
    world.stop().await;
}

#[tokio::test]
async fn one_open_document_that_cannot_be_read_holds_up_no_other() {
    let world = World::new().await;
    first_runs(&world).await;
    in_review(&world).await;
    let second = world.create(request("deal-2")).await.expect("it is taken");
    world.until_stage(&second.envelope_id, Stage::Preparing).await;
    world.clock.advance(Duration::from_secs(1));
    world.until_stage(&second.envelope_id, Stage::InReview).await;
    world.provider.breaks("p-1");
    world.provider.change("p-2", |draft| (draft.signed, draft.claim) = (2, Claim::Completed));
    for found in [1, 0] {
        let run = world.run_job(OPEN).await;
        assert_eq!((run.found, run.attention || run.outcome() == JobOutcome::Failed), (found, true));
        assert!(run.note.contains("1 could not be read"), "{}", run.note);
    }
    let third = world.create(request("deal-3")).await.expect("it is taken");
    world.provider.until(|provider| provider.drafts().contains_key("p-3")).await;
    world.until(&third.envelope_id, |envelope| !envelope.provider_id.is_empty()).await;
    world.provider.change("p-3", |draft| (draft.signed, draft.claim) = (2, Claim::Completed));
    assert_eq!(world.run_job(OPEN).await.found, 1);
    world.provider.mend();
    let run = world.run_job(OPEN).await;
    assert_eq!((run.outcome(), run.attention), (JobOutcome::Done, false), "{}", run.note);
    world.stop().await;
}

#[tokio::test]
async fn what_could_not_be_read_is_asked_for_again_when_the_list_shows_it_no_more() {
    let world = listing().await;
    let at = now(&world);
    world.provider.breaks("doc-1");
    for number in 0..8_i64 {
        let document = of_deal(Claim::Sent, &number.to_string(), at + number * 86_400_000);
        world.provider.add(&format!("doc-{number}"), document);
    }
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.outcome(), run.found, run.attention), (JobOutcome::Done, 7, true), "{}", run.note);
    assert!(run.note.contains("1 could not be read") && run.note.contains("transient"), "{}", run.note);
    let still = world.run_job(CHANGED).await;
    assert_eq!((still.found, still.attention), (0, true), "{}", still.note);
    world.provider.mend();
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.outcome(), run.found, run.attention), (JobOutcome::Done, 1, false), "{}", run.note);
    world.stop().await;
}

#[tokio::test]
async fn a_provider_that_says_too_fast_is_waited_for_within_the_run() {
    let world = listing().await;
    for number in 0..3 {
        let document = of_deal(Claim::Sent, &number.to_string(), now(&world) + number);
        world.provider.add(&format!("doc-{number}"), document);
    }
    world.provider.fail("snapshot", [Fault::Refuse(Class::RateLimited); 4]);
    world.provider.fail("changed", [Fault::Refuse(Class::RateLimited)]);
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.outcome(), run.found, run.attention), (JobOutcome::Done, 3, false), "{}", run.note);
    world.stop().await;
}

#[tokio::test]
async fn a_run_ends_at_once_where_no_other_document_could_be_read_either() {
    let world = listing().await;
    for number in 0..5 {
        let document = of_deal(Claim::Sent, &number.to_string(), now(&world) + number);
        world.provider.add(&format!("doc-{number}"), document);
    }
    world.provider.fail("snapshot", [Fault::Refuse(Class::Unauthorized)]);
    let run = world.run_job(CHANGED).await;
    assert_eq!(run.outcome(), JobOutcome::Failed);
    assert!(run.note.contains("unauthorized"), "{}", run.note);
    assert_eq!(world.provider.calls("snapshot doc-4"), 0);
    assert_eq!(world.run_job(CHANGED).await.found, 5);
    world.stop().await;
}

#[tokio::test]
async fn many_that_cannot_be_read_are_asked_for_again_a_few_at_a_time() {
    let world = listing().await;
    let at = now(&world);
    for number in 0..36_i64 {
        // One of every page can be read.
        let id = format!("doc-{number:02}");
        let document = of_deal(Claim::Sent, &number.to_string(), at + number * 86_400_000);
        world.provider.add(&id, document);
        if number % 2 == 0 {
            world.provider.breaks(&id);
        }
    }
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.found, run.attention), (18, true), "{}", run.note);
    let before = world.provider.calls("snapshot");
    assert!(world.run_job(CHANGED).await.note.contains("18 could not be read"));
    let asked = world.provider.calls("snapshot") - before;
    assert!(asked < 10, "{asked} calls in a row that fail would open a breaker");
    world.provider.mend();
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.found, run.attention), (18, false), "{}", run.note);
    world.stop().await;
}

#[tokio::test]
async fn pages_of_which_nothing_can_be_read_are_gone_past_while_the_provider_is_up() {
    let world = listing().await;
    first_runs(&world).await;
    let at = now(&world);
    for number in 0..13_i64 {
        let id = format!("doc-{number:02}");
        world.provider.add(&id, of_deal(Claim::Sent, &number.to_string(), at + number * 86_400_000));
        if number < 12 {
            world.provider.breaks(&id);
        }
    }
    let calls = world.provider.journal().len();
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.outcome(), run.found, run.attention), (JobOutcome::Done, 1, true), "{}", run.note);
    assert!(run.note.contains("12 could not be read"), "{}", run.note);
    assert!(broken_in_a_row(&world, calls) < 10, "they would open the breaker");
    world.provider.mend();
    let run = world.run_job(CHANGED).await;
    assert_eq!((run.outcome(), run.found, run.attention), (JobOutcome::Done, 12, false), "{}", run.note);
    world.stop().await;
}

#[tokio::test]
async fn many_open_documents_in_a_row_that_cannot_be_read_open_no_breaker() {
    let world = World::new().await;
    first_runs(&world).await;
    for number in 1..=14 {
        let made = world.create(request(&format!("deal-{number}"))).await.expect("it is taken");
        world.until(&made.envelope_id, |envelope| !envelope.provider_id.is_empty()).await;
        world.provider.breaks(&format!("p-{number}"));
    }
    let calls = world.provider.journal().len();
    let run = world.run_job(OPEN).await;
    assert!(run.note.contains("14 could not be read"), "{}", run.note);
    assert!(broken_in_a_row(&world, calls) < 10, "they would open the breaker");
    world.stop().await;
}

/// The most looks in a row, from this call on, at documents that cannot be read.
fn broken_in_a_row(world: &World, from: usize) -> usize {
    let journal = world.provider.journal();
    let broken = |line: &String| line.starts_with("snapshot doc-") || line.starts_with("snapshot p-");
    let rows = journal[from..].split(|line| !broken(line));
    rows.map(<[String]>::len).max().unwrap_or_default()
}
