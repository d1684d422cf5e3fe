//! The sum, for any order of what can happen to signals.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use contracts::wire::ledger::{Count, Tally};
use ledger::{HOUR_MS, Half, Sheet, Standing, Verdict, balance, names, standings};
use proptest::prelude::*;

const CONNECTIONS: [&str; 2] = ["atlas-main", "hubspot-main"];

/// What one service counts, by connection, hour and name.
#[derive(Clone, Default)]
struct Book(BTreeMap<(usize, i64, String), i64>);

impl Book {
    fn add(&mut self, (connection, hour): (usize, i64), name: &str, times: i64) {
        for hour in [0, hour] {
            *self.0.entry((connection, hour, name.to_owned())).or_default() += times;
        }
    }

    fn tallies(&self) -> Vec<Tally> {
        let tally = |((connection, hour_ms, name), count): (&(usize, i64, String), &i64)| Tally {
            connection: CONNECTIONS[*connection].to_owned(),
            hour_ms: *hour_ms,
            counts: vec![Count { name: name.clone(), count: u64::try_from(*count).unwrap() }],
        };
        self.0.iter().map(tally).collect()
    }
}

/// A signal that was accepted and is not settled; where it came in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    InFlight,
    Early,
    DeadLetter,
}

#[derive(Clone, Default)]
struct Model {
    intake: Book,
    /// Of the orchestrator (0) and of crm-sync (1).
    settled: [Book; 2],
    open: Vec<((usize, i64), Open)>,
    quarantined: Vec<(usize, i64)>,
}

#[derive(Clone, Debug)]
enum Step {
    Accept { connection: usize, hour: i64, meaning: bool },
    Duplicate { connection: usize, hour: i64, times: i64 },
    Quarantine { connection: usize, hour: i64 },
    Refuse { connection: usize, hour: i64, times: i64 },
    Release { which: usize, new: i64, known: i64 },
    Park { which: usize },
    GiveUp { which: usize },
    Settle { which: usize, how: usize },
}

impl Model {
    fn accept(&mut self, place: (usize, i64), meaning: bool) {
        let name = match (meaning, place.0) {
            (false, _) => "accepted.nothing.not_ours",
            (true, 0) => names::ENVELOPE_NEWS,
            (true, _) => names::RECORD_CHANGES,
        };
        for name in [names::RECEIVED, names::ACCEPTED, name] {
            self.intake.add(place, name, 1);
        }
        if meaning {
            self.open.push((place, Open::InFlight));
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Accept { connection, hour, meaning } => self.accept((connection, hour), meaning),
            Step::Duplicate { connection, hour, times } => {
                self.intake.add((connection, hour), names::RECEIVED, times);
                self.intake.add((connection, hour), names::DUPLICATE, times);
            }
            Step::Quarantine { connection, hour } => {
                self.intake.add((connection, hour), names::RECEIVED, 1);
                self.intake.add((connection, hour), names::QUARANTINED, 1);
                self.quarantined.push((connection, hour));
            }
            Step::Refuse { connection, hour, times } => {
                self.intake.add((connection, hour), names::RECEIVED, times);
                self.intake.add((connection, hour), names::REFUSED, times);
            }
            Step::Release { which, new, known } if !self.quarantined.is_empty() => {
                let place = self.quarantined.swap_remove(which % self.quarantined.len());
                (0..new).for_each(|_| self.accept(place, true));
                self.intake.add(place, names::RECEIVED, known);
                self.intake.add(place, names::DUPLICATE, known);
                self.intake.add(place, names::RECEIVED, -1);
                self.intake.add(place, names::RELEASED, 1);
            }
            Step::Park { which } => self.change(which, Open::Early),
            Step::GiveUp { which } => self.change(which, Open::DeadLetter),
            Step::Settle { which, how } if !self.open.is_empty() => {
                let (place, _) = self.open.swap_remove(which % self.open.len());
                let name = ["settled.applied", "settled.ignored.late", "settled.unmatched.nobodys"][how % 3];
                self.settled[place.0].add(place, name, 1);
            }
            Step::Release { .. } | Step::Settle { .. } => {}
        }
    }

    fn change(&mut self, which: usize, to: Open) {
        if let Some(index) = which.checked_rem(self.open.len()) {
            self.open[index].1 = to;
        }
    }

    fn sheets(&self) -> Vec<Sheet> {
        let mut books = self.settled.clone();
        for (place, open) in &self.open {
            let name = match open {
                Open::InFlight => names::IN_FLIGHT,
                Open::Early => names::EARLY,
                Open::DeadLetter => names::DEAD_LETTER,
            };
            books[place.0].add(*place, name, 1);
        }
        let [envelopes, records] = books.map(|book| book.tallies());
        let intake = self.intake.tallies();
        let half = |tallies| Half { tallies, complete: true };
        balance(&intake, &intake, half(&envelopes), half(&records))
    }
}

fn step() -> impl Strategy<Value = Step> {
    let place = || (0..2_usize, (1..4_i64).prop_map(|hour| hour * HOUR_MS));
    prop_oneof![
        4 => (place(), any::<bool>()).prop_map(|((connection, hour), meaning)| Step::Accept { connection, hour, meaning }),
        1 => (place(), 1..20_i64).prop_map(|((connection, hour), times)| Step::Duplicate { connection, hour, times }),
        2 => place().prop_map(|(connection, hour)| Step::Quarantine { connection, hour }),
        1 => (place(), 1..900_i64).prop_map(|((connection, hour), times)| Step::Refuse { connection, hour, times }),
        2 => (any::<usize>(), 0..3_i64, 0..3_i64).prop_map(|(which, new, known)| Step::Release { which, new, known }),
        1 => any::<usize>().prop_map(|which| Step::Park { which }),
        1 => any::<usize>().prop_map(|which| Step::GiveUp { which }),
        4 => (any::<usize>(), any::<usize>()).prop_map(|(which, how)| Step::Settle { which, how }),
    ]
}

proptest! {
    #[test]
    fn it_balances_at_every_moment_in_whatever_order_things_happen(steps in prop::collection::vec(step(), 0..60)) {
        let mut model = Model::default();
        for step in &steps {
            model.take(step);
            for sheet in model.sheets() {
                prop_assert_eq!(sheet.unexplained(), 0, "{:?}", sheet);
            }
        }
    }

    #[test]
    fn a_signal_that_nobody_settles_and_nobody_holds_is_missed_where_it_came_in(
        steps in prop::collection::vec(step(), 0..60),
        which in any::<usize>(),
    ) {
        let mut model = Model::default();
        steps.iter().for_each(|step| model.take(step));
        model.accept((0, HOUR_MS), true);
        let lost = model.open.swap_remove(which % model.open.len()).0;
        for sheet in model.sheets() {
            let here = sheet.connection == CONNECTIONS[lost.0] && [0, lost.1].contains(&sheet.hour_ms);
            prop_assert_eq!(sheet.unexplained(), u64::from(here), "{:?}", sheet);
        }
    }
}

fn tally(name: &str, count: u64) -> Vec<Tally> {
    let counts = vec![Count { name: name.to_owned(), count }];
    vec![Tally { connection: "atlas-main".to_owned(), hour_ms: 0, counts }]
}

fn verdict(before: u64, after: u64, settled: u64, complete: bool) -> Verdict {
    let (before, after) = (tally(names::ENVELOPE_NEWS, before), tally(names::ENVELOPE_NEWS, after));
    let settled = tally("settled.applied", settled);
    let sheets =
        balance(&before, &after, Half { tallies: &settled, complete }, Half { tallies: &[], complete: true });
    sheets[0].lines.iter().find(|line| line.says.starts_with("news")).unwrap().verdict
}

#[test]
fn what_comes_in_while_it_is_read_is_neither_lost_nor_too_much() {
    assert_eq!(verdict(10, 14, 12, true), Verdict::Balanced);
    assert_eq!(verdict(10, 14, 9, true), Verdict::Lost(1));
    assert_eq!(verdict(10, 14, 15, true), Verdict::Surplus(1));
}

#[test]
fn a_consumer_that_is_too_far_behind_to_tell_is_not_accused() {
    assert_eq!(verdict(10, 10, 4, false), Verdict::Behind(6));
    assert_eq!(Verdict::Behind(6).unexplained(), 0);
}

#[test]
fn what_a_consumer_cannot_read_may_be_what_is_missing_and_accuses_nobody() {
    let news = tally(names::ENVELOPE_NEWS, 10);
    let nameless = Tally { connection: names::NAMELESS.to_owned(), ..tally(names::DEAD_LETTER, 1).remove(0) };
    let verdicts = |settled: u64| {
        let mut settled = tally("settled.applied", settled);
        settled.push(nameless.clone());
        let (of_news, of_changes) =
            (Half { tallies: &settled, complete: true }, Half { tallies: &[], complete: true });
        let sheets = balance(&news, &news, of_news, of_changes);
        let nobodys = sheets.iter().find(|sheet| sheet.connection == names::NAMELESS).unwrap();
        assert_eq!((nobodys.unexplained(), nobodys.get(names::DEAD_LETTER)), (0, 1));
        let named = sheets.iter().find(|sheet| sheet.connection == "atlas-main").unwrap();
        named.lines.iter().find(|line| line.says.starts_with("news")).unwrap().verdict
    };
    assert_eq!(verdicts(10), Verdict::Balanced);
    assert_eq!(verdicts(9), Verdict::Behind(1));
    assert_eq!(verdicts(8), Verdict::Lost(2), "one record explains no two");
    assert_eq!(verdicts(11), Verdict::Surplus(1));
}

#[test]
fn a_loss_that_steady_traffic_excuses_in_the_whole_shows_in_the_hour_that_is_over() {
    let of = |name: &str, whole: u64, first: u64, second: u64| -> Vec<Tally> {
        let hours = [(0, whole), (HOUR_MS, first), (2 * HOUR_MS, second)];
        hours.map(|(hour_ms, count)| Tally { hour_ms, ..tally(name, count).remove(0) }).to_vec()
    };
    // One of the ten of the first hour is lost; of the second hour's, three came between the two readings.
    let before = of(names::ENVELOPE_NEWS, 15, 10, 5);
    let after = of(names::ENVELOPE_NEWS, 18, 10, 8);
    let settled = of("settled.applied", 16, 9, 7);
    let judged = |complete| {
        let of_news = Half { tallies: &settled, complete };
        balance(&before, &after, of_news, Half { tallies: &[], complete: true })
    };
    let sheets = judged(true);
    let news = |sheet: &Sheet| sheet.lines.iter().find(|line| line.says.starts_with("news")).unwrap().verdict;
    let verdicts: Vec<Verdict> = sheets.iter().map(news).collect();
    assert_eq!(verdicts, [Verdict::Balanced, Verdict::Lost(1), Verdict::Balanced]);
    let lines_of_the_news = |sheets: Vec<Sheet>| -> Vec<Sheet> {
        let only = |mut sheet: Sheet| {
            sheet.lines.retain(|line| line.says.starts_with("news"));
            sheet
        };
        sheets.into_iter().map(only).collect()
    };
    let lost = standings(&lines_of_the_news(sheets));
    assert_eq!(lost["atlas-main"], Standing { unexplained: 1, behind: 0 });
    let behind = standings(&lines_of_the_news(judged(false)));
    assert_eq!(behind["atlas-main"], Standing { unexplained: 0, behind: 1 });
}
