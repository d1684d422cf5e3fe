//! A consumer's desk on a real log: what is settled, what waits, and what was skipped.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::Arc;
use std::time::Duration;

use contracts::intake::{Accepted, IntakeEvent, Raw};
use contracts::ledger::{LedgerEvent, Settlement};
use contracts::seal::Sealer;
use contracts::wire::ledger::Tally;
use domain::envelope::Digest;
use domain::ids::{CommandId, ConnectionId, TenantId};
use domain::intake::{Claim, EnvelopeNews, Meaning};
use domain::time::Timestamp;
use event_log::{
    Category, Commit, Consumer, Delivery, EmbeddedSettings, Entity, EventLog, Expected, Handler, NewEvent,
    Outcome, Position, Recorded, Settings, TraceContext, event_id,
};
use ledger::{Answered, Desk, Settler, Signal, Waits, hour_of, names};
use projection::{Projection, Rows, View, ViewError};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const CONSUMER: &str = "test-signals";
const AT: Timestamp = Timestamp(1_800_000_123_456);

struct Book;

impl View for Book {
    fn name(&self) -> &'static str {
        "book"
    }

    fn version(&self) -> u32 {
        1
    }

    fn apply(&self, recorded: &Recorded, rows: &mut Rows<'_>) -> Result<(), ViewError> {
        for event in &recorded.events {
            let fact = contracts::ledger::decode(&event.kind, event.schema, &event.payload);
            if let LedgerEvent::Settled(settled) = fact.map_err(ViewError::undecodable)? {
                ledger::count_settled(rows, &settled)?;
            }
        }
        Ok(())
    }
}

/// Settles what it is told to settle, and gives up the rest.
struct Clerk {
    settler: Settler,
    gives_up: Position,
    times: u32,
}

#[async_trait::async_trait]
impl Handler for Clerk {
    async fn handle(&self, delivery: &Delivery) -> Outcome {
        let recorded = &delivery.recorded;
        if recorded.position == self.gives_up {
            return Outcome::GiveUp { reason: "no".to_owned() };
        }
        let connection = connection();
        let signal = Signal {
            tenant: recorded.entity.tenant(),
            event: &recorded.events[0].id,
            connection: &connection,
            received_at: AT,
            correlation_id: "",
        };
        for time in 0..self.times {
            let reason = if time == 0 { "" } else { "late" };
            let settlement = if time == 0 { Settlement::Applied } else { Settlement::Ignored };
            self.settler.settle(&signal, settlement, reason, AT).await.unwrap();
        }
        Outcome::Done
    }
}

struct World {
    log: EventLog,
    desk: Desk,
    view: Projection<Book>,
    shutdown: CancellationToken,
    _dir: TempDir,
}

fn connection() -> ConnectionId {
    "atlas-main".parse().unwrap()
}

impl World {
    async fn new() -> World {
        let dir = TempDir::new().unwrap();
        let settings = Settings::Embedded(EmbeddedSettings::in_dir(dir.path().join("log")));
        let log = EventLog::open(settings).await.unwrap();
        let view =
            Projection::open(dir.path().join("view"), log.clone(), Category::Envelopes, Book).await.unwrap();
        let settles = |meaning: &Meaning| matches!(meaning, Meaning::Envelope(_));
        let desk = Desk::new(log.clone(), Category::Envelopes, CONSUMER, settles);
        let shutdown = CancellationToken::new();
        let (running, token) = (view.clone(), shutdown.clone());
        #[expect(clippy::disallowed_methods, reason = "a test ends with its runtime")]
        tokio::spawn(async move { running.run(token).await });
        World { log, desk, view, shutdown, _dir: dir }
    }

    async fn signal(&self, number: u32) -> Position {
        let news = EnvelopeNews {
            provider_id: format!("p-{number}").parse().unwrap(),
            claim: Claim::Sent,
            correlation: Default::default(),
            revision: None,
            parties: Vec::new(),
            conclusive: true,
        };
        let accepted = IntakeEvent::Accepted(Box::new(Accepted {
            connection: connection(),
            delivery_id: "d".to_owned(),
            key_id: "k1".to_owned(),
            event: "envelope.sent".to_owned(),
            dedupe: Digest([0; 32]),
            subject: "p".to_owned(),
            occurred_at: None,
            received_at: AT,
            meaning: Meaning::Envelope(news),
            replayed: false,
            raw: Raw::Inline(b"{}".to_vec()),
        }));
        let command_id = CommandId::from_bytes([u8::try_from(number).unwrap(); 16]);
        let id = event_id(&command_id, 0);
        let encoded = contracts::intake::encode(&accepted, &id, &Sealer::new(&[7; 32]));
        self.store(number, command_id, encoded.kind, encoded.schema, encoded.payload).await
    }

    /// What a later version wrote.
    async fn unreadable(&self, number: u32) -> Position {
        let command_id = CommandId::from_bytes([u8::try_from(number).unwrap(); 16]);
        self.store(number, command_id, "intake.of_tomorrow", 1, vec![1, 2, 3]).await
    }

    async fn store(
        &self,
        number: u32,
        command_id: CommandId,
        kind: &str,
        schema: u32,
        payload: Vec<u8>,
    ) -> Position {
        let tenant: TenantId = "acme".parse().unwrap();
        let event = NewEvent {
            id: event_id(&command_id, 0),
            kind: kind.to_owned(),
            schema,
            occurred_at: AT,
            payload: payload.into(),
        };
        let commit = Commit {
            command_id,
            correlation_id: String::new(),
            causation_id: None,
            trace: TraceContext::default(),
            events: vec![event],
        };
        let entity = Entity::new(Category::Intake, &tenant, format!("s-{number}")).unwrap();
        self.log.append(&entity, Expected::Absent, commit).await.unwrap().position
    }

    /// Lets the clerk work until everything up to `position` is finished.
    async fn work(&self, gives_up: Position, times: u32, position: Position) {
        let (token, log) = (CancellationToken::new(), self.log.clone());
        let clerk = Arc::new(Clerk { settler: self.desk.settler().clone(), gives_up, times });
        let consumer = Consumer::new(CONSUMER, Category::Intake);
        let finished = async {
            while self.log.consumed(CONSUMER).await.unwrap() < position {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            token.cancel();
        };
        let (followed, ()) = tokio::join!(log.follow(consumer, clerk, token.clone()), finished);
        followed.unwrap();
    }

    async fn ask(&self, intake_position: Position) -> Answered {
        let waits = Waits { since_ms: Some(0), intake_position: intake_position.0, ..Default::default() };
        self.desk.answer(&self.view, &waits, || Ok(Vec::new())).await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn get(tallies: &[Tally], hour_ms: i64, name: &str) -> u64 {
    let of_hour = tallies.iter().filter(|tally| tally.hour_ms == hour_ms);
    of_hour.flat_map(|tally| &tally.counts).filter(|count| count.name == name).map(|count| count.count).sum()
}

/// The number of this name of one connection over all hours.
fn of(answered: &Answered, connection: &str, name: &str) -> u64 {
    let tallies = answered.tallies.iter().filter(|tally| tally.connection == connection).cloned();
    get(&tallies.collect::<Vec<_>>(), 0, name)
}

#[tokio::test]
async fn a_signal_told_again_is_settled_once_and_by_its_first_word() {
    let world = World::new().await;
    let position = world.signal(1).await;
    world.work(Position::ZERO, 3, position).await;
    let answered = world.ask(position).await;
    for hour in [0, hour_of(AT)] {
        assert_eq!(get(&answered.tallies, hour, "settled.applied"), 1, "{answered:?}");
        assert_eq!(get(&answered.tallies, hour, "settled.ignored.late"), 0);
    }
    assert!(answered.complete && answered.handled >= position);
}

#[tokio::test]
async fn what_is_not_handled_yet_is_in_flight_and_what_was_given_up_is_a_dead_letter_until_it_is_discarded() {
    let world = World::new().await;
    let first = world.signal(1).await;
    let second = world.signal(2).await;
    world.work(first, 1, second).await;
    let third = world.signal(3).await;
    let answered = world.desk.answer(&world.view, &Waits::default(), || Ok(Vec::new())).await.unwrap();
    assert_eq!(get(&answered.tallies, 0, names::DEAD_LETTER), 1, "{answered:?}");
    assert_eq!(get(&answered.tallies, 0, names::IN_FLIGHT), 1);
    assert_eq!(get(&answered.tallies, 0, "settled.applied"), 1);
    assert!(answered.intake_head >= third);

    world.desk.discard(first, AT).await.unwrap();
    world.log.discard_dead_letter(CONSUMER, first).await.unwrap();
    let answered = world.desk.answer(&world.view, &Waits::default(), || Ok(Vec::new())).await.unwrap();
    assert_eq!(get(&answered.tallies, 0, names::DEAD_LETTER), 0, "{answered:?}");
    assert_eq!(get(&answered.tallies, 0, "settled.discarded.dead_letter"), 1);
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_read_is_counted_without_a_name_and_can_be_discarded() {
    let world = World::new().await;
    let first = world.unreadable(1).await;
    let second = world.signal(2).await;
    let answered = world.desk.answer(&world.view, &Waits::default(), || Ok(Vec::new())).await.unwrap();
    assert_eq!(of(&answered, names::NAMELESS, names::IN_FLIGHT), 1, "{answered:?}");
    world.work(first, 1, second).await;
    let answered = world.ask(second).await;
    assert!(answered.complete && answered.handled >= second);
    assert_eq!(of(&answered, names::NAMELESS, names::DEAD_LETTER), 1, "{answered:?}");
    assert_eq!(of(&answered, "atlas-main", "settled.applied"), 1);

    world.desk.discard(first, AT).await.unwrap();
    assert!(world.log.discard_dead_letter(CONSUMER, first).await.unwrap());
    let answered = world.ask(second).await;
    assert_eq!(get(&answered.tallies, 0, names::DEAD_LETTER), 0, "{answered:?}");
}

#[tokio::test]
async fn a_signal_that_its_consumer_skipped_is_named_by_nobody() {
    let world = World::new().await;
    let position = world.signal(1).await;
    // The fixture of a loss: the checkpoint says that it was handled, and it was not.
    let skipped: Vec<u8> = (0..16).flat_map(|_| position.0.to_be_bytes()).collect();
    world.log.state().put(&format!("cursor/{CONSUMER}"), None, skipped.into()).await.unwrap();
    let answered = world.ask(position).await;
    assert!(answered.complete && answered.handled >= position);
    assert_eq!(answered.tallies, Vec::new(), "neither settled nor waiting");
}

#[tokio::test]
async fn what_waits_is_named_as_far_as_it_was_looked_for_and_dead_letters_always_are() {
    let world = World::new().await;
    let first = world.signal(1).await;
    let second = world.signal(2).await;
    world.work(first, 1, second).await;
    for number in 3..6 {
        world.signal(number).await;
    }
    let named = async |desk: &Desk| -> Vec<String> {
        let unsettled = desk.unsettled().await.unwrap().into_iter();
        let name = |told: Accepted| match told.meaning {
            Meaning::Envelope(news) => news.provider_id.to_string(),
            Meaning::Record(_) | Meaning::Nothing(_) => panic!("only envelopes are told here"),
        };
        unsettled.map(name).collect()
    };
    assert_eq!(named(&world.desk).await, ["p-1", "p-3", "p-4", "p-5"]);
    // The consumer hangs at the third while more comes in than is looked through.
    assert_eq!(named(&world.desk.clone().looking_through(1)).await, ["p-1", "p-3"]);
}
