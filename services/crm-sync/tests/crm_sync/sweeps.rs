//! Triggers that no webhook told: found by asking, once.

use std::time::Duration;

use contracts::wire::common::JobOutcome;
use contracts::wire::crmsync::{DiscardDeadLetterRequest, GetLedgerRequest, ListJobsRequest};
use contracts::wire::envelope::Stage;
use domain::intake::Actor;
use domain::sync::{SyncEvent, TriggerIgnored};
use domain::time::Timestamp;
use tonic::Status;

use crate::support::deals::unknown_property;
use crate::support::{START, TRIGGERS, World};

const MINUTE: Duration = Duration::from_secs(60);

/// A world whose CRM lists what changed, and whose first sweep is over.
async fn world() -> World {
    let world = World::new().await;
    world.deals.lists();
    let first = world.sweep().await;
    assert_eq!(
        (first.outcome(), first.found, first.attention),
        (JobOutcome::Done, 0, false),
        "{}",
        first.note
    );
    world.clock.advance(MINUTE);
    world
}

async fn found(world: &World) -> usize {
    let facts = world.facts().await;
    facts.iter().filter(|fact| matches!(fact, SyncEvent::TriggerFound { .. })).count()
}

#[tokio::test]
async fn a_trigger_whose_webhook_was_lost_is_found_once_and_a_webhook_that_comes_after_all_meets_its_envelope()
 {
    let world = world().await;
    let moved_at = world.clock.now();
    world.deals.moved("7", "contractsent", moved_at, Actor::Human);
    let run = world.sweep().await;
    assert_eq!((run.outcome(), run.found, run.attention), (JobOutcome::Done, 1, false), "{}", run.note);
    assert_eq!(world.sweep().await.found, 0);
    let asked = world.office.asked();
    // The very key that the webhook would have had (crm.md §6.2).
    assert_eq!(asked[0].request_id, "trg_07c6cb3d6fbc3c736d49bf71d7038324f4d5776a");
    assert_eq!((asked.len(), found(&world).await), (1, 1));

    let late = world.change_at(1, "dealstage", "contractsent", Actor::Human, moved_at).await;
    world.until_handled(TRIGGERS, late).await;
    assert_eq!((world.office.asked().len(), world.office.envelopes().len()), (1, 1));
}

#[tokio::test]
async fn a_webhook_that_comes_after_the_envelope_it_asked_for_has_ended_starts_no_second_one() {
    let world = world().await;
    let moved_at = world.clock.now();
    world.deals.moved("7", "contractsent", moved_at, Actor::Human);
    world.clock.advance(5 * MINUTE);
    world.sweep().await;
    assert_eq!(found(&world).await, 1);
    world.office.all_are(Stage::Declined);
    world.clock.advance(60 * MINUTE);
    // Told with the time the CRM keeps, and with one that differs a little.
    for (number, at) in [(1, moved_at), (2, Timestamp(moved_at.0 + 7))] {
        let late = world.change_at(number, "dealstage", "contractsent", Actor::Human, at).await;
        world.until_handled(TRIGGERS, late).await;
    }
    assert_eq!(world.sweep().await.found, 0);
    assert_eq!(world.office.envelopes().len(), 1);
    assert_eq!(world.ignored().await, [TriggerIgnored::AlreadyTaken]);
}

#[tokio::test]
async fn what_a_webhook_told_is_no_finding_however_it_ended() {
    let world = world().await;
    let at = world.clock.now();
    world.office.refuse(Status::invalid_argument("parties[0].email: not an e-mail address"));
    world.deals.moved("7", "contractsent", at, Actor::Human);
    let told = world.change_at(1, "dealstage", "contractsent", Actor::Human, at).await;
    world.until_handled(TRIGGERS, told).await;
    let before = world.deals.applied().len();
    let run = world.sweep().await;
    assert_eq!((run.looked, run.found, run.attention), (1, 0, false), "{}", run.note);
    assert_eq!((world.office.asked().len(), found(&world).await), (1, 0));
    assert_eq!(world.deals.applied().len(), before, "the record is not told again");
}

#[tokio::test]
async fn a_record_that_stood_in_the_stage_before_there_was_such_a_flow_starts_nothing() {
    let world = World::new().await;
    world.deals.moved("7", "contractsent", Timestamp(START.0 - 11 * 60_000), Actor::Human);
    for _ in 0..2 {
        assert_eq!(world.sweep().await.found, 0);
    }
    assert!(world.office.asked().is_empty() && world.facts().await.is_empty());
}

#[tokio::test]
async fn what_an_integration_or_an_import_did_is_found_by_no_sweep() {
    let world = world().await;
    for actor in [Actor::Import, Actor::Integration] {
        world.deals.moved("7", "contractsent", world.clock.now(), actor);
        assert_eq!(world.sweep().await.found, 0);
        world.clock.advance(MINUTE);
    }
    assert!(world.office.asked().is_empty() && world.facts().await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_taken_now_is_asked_for_again_long_after_the_list_shows_it_no_more() {
    let world = world().await;
    world.deals.moved("7", "contractsent", world.clock.now(), Actor::Human);
    world.office.refuse(Status::unavailable("restarting"));
    let run = world.sweep().await;
    assert_eq!((run.found, run.attention), (0, true));
    assert!(run.note.contains("1 could not be taken"), "{}", run.note);
    // Another deal moves the place on, far beyond the overlap.
    world.clock.advance(60 * MINUTE);
    world.deals.moved("70", "contractsent", world.clock.now(), Actor::Import);
    // A run that comes by itself may have been faster.
    let run = world.sweep().await;
    assert!(!run.attention, "{}", run.note);
    assert_eq!((world.office.envelopes().len(), found(&world).await), (1, 1));
}

#[tokio::test]
async fn a_finding_is_counted_as_reconciled_and_the_job_is_listed() {
    let world = world().await;
    world.deals.moved("7", "contractsent", world.clock.now(), Actor::Workflow);
    assert_eq!(world.sweep().await.found, 1);
    let tallies = async || {
        let request = GetLedgerRequest { connection: "crm".to_owned(), ..GetLedgerRequest::default() };
        world.client().get_ledger(request).await.expect("a ledger").into_inner().tallies
    };
    let counted = async || {
        let tallies = tallies().await;
        let counts = tallies.iter().flat_map(|tally| &tally.counts);
        counts.filter(|count| count.name == "reconciled").map(|count| count.count).sum::<u64>()
    };
    let waited = async {
        while counted().await == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::support::SOON, waited).await.expect("it is counted");
    assert_eq!(counted().await, 1);
    let jobs = world.client().list_jobs(ListJobsRequest::default()).await.expect("jobs").into_inner().jobs;
    let named: Vec<_> = jobs.iter().map(|job| (job.connection.as_str(), job.name.as_str())).collect();
    assert_eq!(named, [("crm", "lost-triggers")]);
}

#[tokio::test]
async fn a_trigger_further_on_in_a_list_that_breaks_off_is_found_when_the_list_goes_on() {
    let world = world().await;
    let moved_at = world.clock.now();
    let later = |minutes: i64| Timestamp(moved_at.0 + minutes * 60_000);
    world.deals.moved("7", "contractsent", moved_at, Actor::Human);
    world.deals.edited("7", later(50));
    for (id, at) in [("1", later(29)), ("2", later(30))] {
        world.deals.moved(id, "contractsent", at, Actor::Import);
    }
    world.deals.lists_by(2);
    world.deals.breaks_off_after(1);
    let cut = world.sweep().await;
    assert_eq!((cut.outcome(), cut.found), (JobOutcome::Failed, 0), "{}", cut.note);
    world.deals.goes_on();
    let run = world.sweep().await;
    assert_eq!((run.outcome(), run.found), (JobOutcome::Done, 1), "{}", run.note);
    assert_eq!((world.office.envelopes().len(), found(&world).await), (1, 1));
    // It is listed still, but the list that broke off is walked to its end.
    assert_eq!(world.sweep().await.looked, 0);
}

#[tokio::test]
async fn a_flow_seen_first_while_the_crm_is_away_misses_nothing_of_that_time() {
    let world = World::new().await;
    // In this order: the first run comes by itself, as soon as there is a list.
    world.deals.breaks_off_after(0);
    world.deals.lists();
    assert_eq!(world.sweep().await.outcome(), JobOutcome::Failed);
    world.deals.goes_on();
    world.deals.moved("7", "contractsent", world.clock.now(), Actor::Human);
    world.clock.advance(60 * MINUTE);
    // A run that comes by itself may be faster: which of them finds it, nobody decides.
    world.sweep().await;
    assert_eq!(found(&world).await, 1);
}

#[tokio::test]
async fn a_flow_whose_records_cannot_be_taken_holds_up_no_other_flow() {
    let world = world().await;
    let contract = world.deals.get("7");
    // One more than are kept beside a place.
    for number in 0..101 {
        let id = (1000 + number).to_string();
        world.deals.set(&id, contract.clone());
        world.deals.moved(&id, "contractsent", world.clock.now(), Actor::Human);
        world.office.refuse(Status::unavailable("restarting"));
    }
    world.deals.moved("7", "billme", world.clock.now(), Actor::Human);
    let run = world.sweep().await;
    assert_eq!((run.outcome(), run.found, run.attention), (JobOutcome::Failed, 1, true), "{}", run.note);
    assert!(run.note.contains("could not be taken"), "{}", run.note);
    let flows =
        |world: &World| world.office.envelopes().into_iter().map(|made| made.flow).collect::<Vec<_>>();
    assert_eq!(flows(&world), ["billed"]);
    let run = world.sweep().await;
    assert_eq!((run.outcome(), run.found), (JobOutcome::Done, 101), "{}", run.note);
}

#[tokio::test]
async fn a_record_that_the_crm_could_not_read_is_asked_for_again() {
    let world = world().await;
    world.deals.moved("7", "contractsent", world.clock.now(), Actor::Human);
    // Another deal moves the place on, far beyond the overlap: no list shows it again.
    let later = Timestamp(world.clock.now().0 + 60 * 60_000);
    world.deals.moved("70", "contractsent", later, Actor::Import);
    for _ in 0..2 {
        world.deals.fails_to_read("7");
        let run = world.sweep().await;
        assert_eq!((run.found, run.attention), (0, true), "{}", run.note);
        assert!(run.note.contains("could not read"), "{}", run.note);
    }
    let run = world.sweep().await;
    assert_eq!((run.found, run.attention), (1, false), "{}", run.note);
}

#[tokio::test]
async fn a_connection_whose_flows_no_sweep_serves_needs_no_portal_id() {
    let world = World::new().await;
    world.books.lists();
    let run = world.sweep_of("books").await;
    assert_eq!((run.outcome(), run.attention), (JobOutcome::Done, false), "{}", run.note);
}

#[tokio::test]
async fn a_flow_whose_list_the_crm_does_not_give_ends_no_other_flows_sweep() {
    let world = world().await;
    world.deals.fails_to_list("contractsent");
    world.deals.moved("7", "billme", world.clock.now(), Actor::Human);
    let run = world.sweep().await;
    assert_eq!((run.outcome(), run.found, run.attention), (JobOutcome::Failed, 1, true), "{}", run.note);
    assert!(run.note.contains("order-form") && !run.note.contains("billed"), "{}", run.note);
    // What it kept from it is asked for when it lists again.
    world.deals.goes_on();
    world.deals.moved("7", "contractsent", world.clock.now(), Actor::Human);
    let run = world.sweep().await;
    assert_eq!((run.outcome(), run.found, run.attention), (JobOutcome::Done, 1, false), "{}", run.note);
}

#[tokio::test]
async fn what_a_webhook_told_and_is_still_tried_is_no_finding() {
    let world = world().await;
    let at = world.clock.now();
    for _ in 0..1000 {
        world.office.refuse(Status::unavailable("restarting"));
    }
    world.deals.moved("7", "contractsent", at, Actor::Human);
    let told = world.change_at(1, "dealstage", "contractsent", Actor::Human, at).await;
    let run = world.sweep().await;
    assert_eq!((run.outcome(), run.looked, run.found), (JobOutcome::Done, 1, 0), "{}", run.note);
    assert!(!run.attention, "{}", run.note);
    world.office.relents();
    world.until_handled(TRIGGERS, told).await;
    assert_eq!(world.sweep().await.found, 0);
    assert_eq!((world.office.envelopes().len(), found(&world).await), (1, 0));
}

#[tokio::test]
async fn what_a_person_discarded_is_taken_up_by_no_sweep_until_the_deal_moves_anew() {
    let world = world().await;
    let at = world.clock.now();
    world.deals.moved("7", "contractsent", at, Actor::Human);
    world.office.refuse(Status::invalid_argument("parties[0].email: not an e-mail address"));
    // Not even that can be said on the record: it lies as a dead letter.
    world.deals.fail([unknown_property()]);
    let told = world.change_at(1, "dealstage", "contractsent", Actor::Human, at).await;
    world.until_handled(TRIGGERS, told).await;
    let [letter] = world.dead_letters().await.try_into().expect("one dead letter");
    assert_eq!(world.sweep().await.found, 0, "it waits for a person");
    let request = DiscardDeadLetterRequest {
        request_id: "d1".to_owned(),
        consumer: letter.consumer,
        position: letter.position,
        reason: "the deal is a test".to_owned(),
    };
    assert!(world.client().discard_dead_letter(request).await.expect("an answer").into_inner().found);
    assert_eq!(world.sweep().await.found, 0);
    // Nor by another telling of the same change.
    let again = world.change_at(2, "dealstage", "contractsent", Actor::Human, at).await;
    world.until_handled(TRIGGERS, again).await;
    assert!(world.office.envelopes().is_empty());
    assert_eq!(world.ignored().await, [TriggerIgnored::Discarded]);

    world.clock.advance(MINUTE);
    world.deals.moved("7", "contractsent", world.clock.now(), Actor::Human);
    let run = world.sweep().await;
    assert_eq!((run.found, world.office.envelopes().len()), (1, 1), "{}", run.note);
}
