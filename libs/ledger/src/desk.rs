//! What a consumer of signals answers when it is asked: what it settled, and by name what still waits.

use std::collections::BTreeMap;
use std::time::Duration;

use contracts::DecodeError;
use contracts::intake::{Accepted, IntakeEvent};
use contracts::ledger::Settlement;
use contracts::seal::Opener;
use contracts::wire::ledger::Tally;
use domain::ids::ConnectionId;
use domain::intake::Meaning;
use domain::time::Timestamp;
use event_log::{
    AppendError, Category, DeadLetter, EntityError, EventLog, Position, ReadError, Recorded, RecordedEvent,
    Tailed,
};
use futures::StreamExt as _;
use projection::{Projection, ProjectionError, View};

use crate::book::add_waiting;
use crate::{Settler, Signal, hour_of, names, tallies};

/// Pause between two looks at the checkpoint.
const LOOK_PAUSE: Duration = Duration::from_millis(50);
/// Longest wait for the consumer, and for the view.
const WAIT_MAX: Duration = Duration::from_secs(8);
/// Commits of the intake that are looked through for what is in flight.
const SCAN_MAX: usize = 20_000;
/// Reads of a view that moves on while it is read, before its movement is put up with.
const READS_MAX: usize = 20;

/// Why the ledger does not answer.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The log does not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The log does not take it.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// A tenant's name cannot stand in the log.
    #[error(transparent)]
    Entity(#[from] EntityError),
    /// The log holds what this version cannot read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The view does not answer.
    #[error(transparent)]
    Projection(#[from] ProjectionError),
}

/// One consumer's desk.
#[derive(Clone)]
pub struct Desk {
    log: EventLog,
    settler: Settler,
    category: Category,
    consumer: &'static str,
    settles: fn(&Meaning) -> bool,
    scan_max: usize,
}

/// What is asked of a desk.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    /// Only this connection; empty for all.
    pub connection: String,
    /// Also each hour that begins then or later: milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
    /// Signals up to this position of the intake are to be handled first, within some seconds; 0 for those there are,
    /// without waiting.
    pub intake_position: u64,
}

/// What a desk answers.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What was counted and what waits.
    pub tallies: Vec<Tally>,
    /// Every signal up to this position of the intake is handled.
    pub handled: Position,
    /// Position of the desk's own category that was counted up to.
    pub position: Position,
    /// Every signal that was counted lies at this position of the intake or before it.
    pub intake_head: Position,
    /// Whether everything in flight was found; `false` when the consumer is too far behind to look through it.
    pub complete: bool,
}

type Waiting = BTreeMap<(String, i64, &'static str), i64>;

/// A signal that nothing was said of yet.
struct Open {
    /// Where it waits.
    name: &'static str,
    /// When it was stored.
    recorded_at: Timestamp,
    /// The signal, without what is personal in it; `None` for one that this version cannot read.
    signal: Option<Box<Accepted>>,
}

impl Desk {
    /// The desk of `consumer`, which settles in `category` the signals that `settles` picks.
    pub fn new(
        log: EventLog,
        category: Category,
        consumer: &'static str,
        settles: fn(&Meaning) -> bool,
    ) -> Self {
        let settler = Settler::new(log.clone(), category);
        Self { log, settler, category, consumer, settles, scan_max: SCAN_MAX }
    }

    /// Looks through at most so many commits of the intake for what is in flight; 20 000 where nothing else is said.
    #[must_use]
    pub const fn looking_through(mut self, commits: usize) -> Self {
        self.scan_max = commits;
        self
    }

    /// Who settles here.
    pub const fn settler(&self) -> &Settler {
        &self.settler
    }

    /// Counts, as of one moment. `early` reads from the view which signals wait for their envelope.
    ///
    /// # Errors
    /// When the log or the view does not answer.
    pub async fn answer<V: View>(
        &self,
        view: &Projection<V>,
        asked: &Waits,
        early: impl Fn() -> Result<Vec<(ConnectionId, Timestamp)>, DeskError>,
    ) -> Result<Answered, DeskError> {
        let upto = match asked.intake_position {
            0 => self.log.head(Category::Intake).await?,
            position => Position(position),
        };
        let handled = self.reach(upto, asked.intake_position > 0).await?;
        view.wait_for(self.log.head(self.category).await?, WAIT_MAX).await?;
        let (mut counted, mut parked, mut position) = (Vec::new(), Vec::new(), view.position());
        for _ in 0..READS_MAX {
            counted = tallies(view, &asked.connection, asked.since_ms)?;
            parked = early()?;
            let now = view.position();
            if now == position {
                break;
            }
            position = now;
        }
        let mut waiting = Waiting::new();
        for (connection, received_at) in parked {
            *waiting.entry((connection.to_string(), hour_of(received_at), names::EARLY)).or_default() += 1;
        }
        let (open, complete) = self.open(handled, upto, position).await?;
        for Open { name, recorded_at, signal } in open {
            // What cannot be read counts for the connection without a name, in the hour it was stored: one record must
            // not keep the ledger from answering.
            let nameless = || (names::NAMELESS.to_owned(), recorded_at);
            let (connection, at) =
                signal.map_or_else(nameless, |signal| (signal.connection.to_string(), signal.received_at));
            *waiting.entry((connection, hour_of(at), name)).or_default() += 1;
        }
        waiting.retain(|(connection, ..), _| asked.connection.is_empty() || *connection == asked.connection);
        add_waiting(&mut counted, &waiting, asked.since_ms);
        let intake_head = self.log.head(Category::Intake).await?;
        Ok(Answered { tallies: counted, handled, position, intake_head, complete })
    }

    /// Settles what a dead letter holds, because a person discards it; its position is the one in the intake. What
    /// this version cannot read of it stays unsettled, and is lost in the ledger's eyes.
    ///
    /// # Errors
    /// When the log does not answer or does not take it.
    pub async fn discard(&self, position: Position, at: Timestamp) -> Result<(), DeskError> {
        let letters = self.log.dead_letters(self.consumer).await?;
        let Some(letter) = letters.into_iter().find(|letter| letter.position == position) else {
            return Ok(());
        };
        let Some(recorded) = self.settler.commit_at(&letter.entity, position.0).await? else { return Ok(()) };
        // What cannot be read names no connection to settle it for: it is let go without a word.
        let (mine, _) = self.mine(&recorded);
        for (event, accepted) in mine {
            let signal = Signal {
                tenant: recorded.entity.tenant(),
                event: &event.id,
                connection: &accepted.connection,
                received_at: accepted.received_at,
                correlation_id: &recorded.correlation_id,
            };
            self.settler.settle(&signal, Settlement::Discarded, "dead_letter", at).await?;
        }
        Ok(())
    }

    /// The signals that came in and of which nothing was said yet: on their way to the consumer, tried again by it, or
    /// waiting for a person as dead letters. Without what is personal in them. All dead letters, and of the others those
    /// in the first 20 000 commits that the consumer has not finished: one commit that is retried for days holds its
    /// position back, and must not keep everybody from an answer.
    ///
    /// # Errors
    /// When the log does not answer.
    pub async fn unsettled(&self) -> Result<Vec<Accepted>, DeskError> {
        let told = self.log.head(self.category).await?;
        let upto = self.log.head(Category::Intake).await?;
        let handled = self.log.consumed(self.consumer).await?;
        let (open, _) = self.open(handled, upto, told).await?;
        Ok(open.into_iter().filter_map(|open| open.signal).map(|signal| *signal).collect())
    }

    async fn reach(&self, upto: Position, wait: bool) -> Result<Position, DeskError> {
        let reached = async {
            loop {
                let handled = self.log.consumed(self.consumer).await?;
                if handled >= upto || !wait {
                    return Ok::<_, DeskError>(handled);
                }
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        };
        match tokio::time::timeout(WAIT_MAX, reached).await {
            Ok(handled) => handled,
            Err(_) => Ok(self.log.consumed(self.consumer).await?),
        }
    }

    /// Every signal that nothing was said of up to `counted`, and whether that is all of them.
    async fn open(
        &self,
        handled: Position,
        upto: Position,
        counted: Position,
    ) -> Result<(Vec<Open>, bool), DeskError> {
        let mut open = Vec::new();
        let letters = self.log.dead_letters(self.consumer).await?;
        for letter in &letters {
            if let Some(recorded) = self.settler.commit_at(&letter.entity, letter.position.0).await? {
                self.look(&recorded, counted, names::DEAD_LETTER, &mut open).await?;
            }
        }
        let complete = self.in_flight(handled, upto, counted, &letters, &mut open).await?;
        Ok((open, complete))
    }

    /// What lies between what is handled and where the question ends; `false` when there is too much of it.
    async fn in_flight(
        &self,
        handled: Position,
        upto: Position,
        counted: Position,
        letters: &[DeadLetter],
        open: &mut Vec<Open>,
    ) -> Result<bool, DeskError> {
        if handled >= upto {
            return Ok(true);
        }
        let mut tail = self.log.tail(Category::Intake, handled);
        for _ in 0..self.scan_max {
            match tail.next().await.transpose()? {
                Some(Tailed::Commit(recorded)) if recorded.position <= upto => {
                    let given_up = letters.iter().any(|letter| letter.position == recorded.position);
                    if !given_up {
                        self.look(&recorded, counted, names::IN_FLIGHT, open).await?;
                    }
                    if recorded.position == upto {
                        return Ok(true);
                    }
                }
                Some(Tailed::CaughtUp(position)) if position < upto => {}
                Some(Tailed::Commit(_) | Tailed::CaughtUp(_)) | None => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Adds the signals of a commit that nothing was said about up to `counted`.
    async fn look(
        &self,
        recorded: &Recorded,
        counted: Position,
        name: &'static str,
        open: &mut Vec<Open>,
    ) -> Result<(), DeskError> {
        let (mine, unreadable) = self.mine(recorded);
        let one = |signal| Open { name, recorded_at: recorded.recorded_at, signal };
        open.extend((0..unreadable).map(|_| one(None)));
        for (event, accepted) in mine {
            if !self.settler.told_until(recorded.entity.tenant(), &event.id, counted).await? {
                open.push(one(Some(accepted)));
            }
        }
        Ok(())
    }

    /// The signals of a commit that this consumer settles, without what is personal in them, and how many events of
    /// it this version cannot read.
    fn mine<'a>(&self, recorded: &'a Recorded) -> (Vec<(&'a RecordedEvent, Box<Accepted>)>, i64) {
        let (mut mine, mut unreadable) = (Vec::new(), 0);
        for event in &recorded.events {
            let opener = Opener::new(None);
            let fact =
                contracts::intake::decode(&event.kind, event.schema, &event.payload, &event.id, &opener);
            match fact {
                Ok(IntakeEvent::Accepted(accepted)) if (self.settles)(&accepted.meaning) => {
                    mine.push((event, accepted));
                }
                Ok(_) => {}
                Err(_) => unreadable += 1,
            }
        }
        (mine, unreadable)
    }
}
