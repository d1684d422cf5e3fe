//! Whether it adds up. Pure: tallies in, sheets out.
//!
//! The tallies of the intake are read twice, before and after the consumers': while signals keep coming in, what the
//! consumers count lies between the two. What they count less than *before* is lost; what they count more than
//! *after* was counted twice. When nothing comes in meanwhile both readings are the same and the sum is exact.

use std::collections::{BTreeMap, BTreeSet};

use contracts::wire::ledger::Tally;

use crate::names;

/// What one consumer counts.
#[derive(Clone, Copy, Debug)]
pub struct Half<'a> {
    /// Its tallies.
    pub tallies: &'a [Tally],
    /// Whether it found everything that is in flight.
    pub complete: bool,
}

/// The sums of one connection, in one hour or in all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The connection.
    pub connection: String,
    /// Begin of the hour in milliseconds since the Unix epoch; 0 for everything together.
    pub hour_ms: i64,
    /// Every number of it, by name, from all services.
    pub counts: BTreeMap<String, u64>,
    /// What must be equal.
    pub lines: Vec<Line>,
}

/// Two numbers that must be equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The equation in words.
    pub says: &'static str,
    /// Its left side.
    pub left: u64,
    /// Its right side.
    pub right: u64,
    /// Whether they are.
    pub verdict: Verdict,
}

/// Whether two numbers are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They are.
    Balanced,
    /// So many are missing on the right, and nobody can name them.
    Lost(u64),
    /// There are so many too many on the right.
    Surplus(u64),
    /// So many are missing on the right, and the consumer is too far behind to say whether they wait, or holds as many
    /// that cannot be read.
    Behind(u64),
}

impl Verdict {
    /// How many signals nobody can explain.
    pub const fn unexplained(self) -> u64 {
        match self {
            Verdict::Balanced | Verdict::Behind(_) => 0,
            Verdict::Lost(signals) | Verdict::Surplus(signals) => signals,
        }
    }

    /// How many signals nobody can say anything of yet.
    pub const fn behind(self) -> u64 {
        match self {
            Verdict::Balanced | Verdict::Lost(_) | Verdict::Surplus(_) => 0,
            Verdict::Behind(signals) => signals,
        }
    }
}

impl Sheet {
    /// How many signals of it nobody can explain.
    pub fn unexplained(&self) -> u64 {
        self.lines.iter().map(|line| line.verdict.unexplained()).sum()
    }

    /// How many signals of it nobody can say anything of yet.
    pub fn behind(&self) -> u64 {
        self.lines.iter().map(|line| line.verdict.behind()).sum()
    }

    /// One number; 0 if it was never counted.
    pub fn get(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    /// The numbers whose names begin so, without that beginning.
    pub fn parts(&self, prefix: &str) -> impl Iterator<Item = (&str, u64)> {
        let parts = self.counts.iter().filter(|(_, count)| **count > 0);
        parts.filter_map(move |(name, count)| Some((name.strip_prefix(prefix)?, *count)))
    }
}

/// What is amiss with one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Signals nobody can explain.
    pub unexplained: u64,
    /// Signals nobody can say anything of yet: no loss, and nothing that would show one either.
    pub behind: u64,
}

/// What is amiss, by connection: the larger of everything together and the hours one by one.
///
/// While signals keep coming in, everything together is known only to lie between two readings, and one that came in
/// meanwhile excuses one that is lost. Nothing comes into an hour that is over: there the sum is exact.
pub fn standings(sheets: &[Sheet]) -> BTreeMap<String, Standing> {
    let mut halves = BTreeMap::<String, (Standing, Standing)>::new();
    for sheet in sheets {
        let (whole, hours) = halves.entry(sheet.connection.clone()).or_default();
        let standing = if sheet.hour_ms == 0 { whole } else { hours };
        standing.unexplained += sheet.unexplained();
        standing.behind += sheet.behind();
    }
    let larger = |(whole, hours): (Standing, Standing)| Standing {
        unexplained: whole.unexplained.max(hours.unexplained),
        behind: whole.behind.max(hours.behind),
    };
    halves.into_iter().map(|(connection, both)| (connection, larger(both))).collect()
}

type Counts = BTreeMap<String, u64>;
type Place = (String, i64);

/// Lays the intake, read before and after, beside what became of it.
pub fn balance(before: &[Tally], after: &[Tally], orchestrator: Half<'_>, crm_sync: Half<'_>) -> Vec<Sheet> {
    let (before, after) = (by_place(before), by_place(after));
    let (envelopes, records) = (by_place(orchestrator.tallies), by_place(crm_sync.tallies));
    let places: BTreeSet<&Place> =
        [&before, &after, &envelopes, &records].into_iter().flat_map(BTreeMap::keys).collect();
    let none = Counts::new();
    // What a consumer cannot read may be what is missing of any connection.
    let nameless = |counts: &BTreeMap<Place, Counts>| {
        counts.get(&(names::NAMELESS.to_owned(), 0)).map_or(0, |counts| sum(counts, names::WAITING))
    };
    let (unread_news, unread_changes) = (nameless(&envelopes), nameless(&records));
    let sheet = |place: &Place| {
        let of = |counts: &BTreeMap<Place, Counts>| counts.get(place).unwrap_or(&none).clone();
        let (before, after, envelopes, records) = (of(&before), of(&after), of(&envelopes), of(&records));
        let mut lines = door(&after, place.1);
        if place.0 != names::NAMELESS {
            let name = names::ENVELOPE_NEWS;
            let says = "news of envelopes = settled by the orchestrator + waiting";
            lines.push(half(says, (&before, &after), name, &envelopes, (orchestrator.complete, unread_news)));
            let name = names::RECORD_CHANGES;
            let says = "changes of records = settled by crm-sync + waiting";
            lines.push(half(says, (&before, &after), name, &records, (crm_sync.complete, unread_changes)));
        }
        let mut counts = after;
        for (name, count) in envelopes.into_iter().chain(records) {
            *counts.entry(name).or_default() += count;
        }
        Sheet { connection: place.0.clone(), hour_ms: place.1, counts, lines }
    };
    places.into_iter().map(sheet).collect()
}

/// What must hold within the intake, whatever became of it.
fn door(counts: &Counts, hour_ms: i64) -> Vec<Line> {
    let get = |name: &str| counts.get(name).copied().unwrap_or_default();
    let believed = get(names::ACCEPTED) + get(names::DUPLICATE);
    let refused = (get(names::QUARANTINED) + get(names::REFUSED)).saturating_sub(get(names::RELEASED));
    let meanings = get(names::ENVELOPE_NEWS) + get(names::RECORD_CHANGES) + sum(counts, names::NOTHING);
    let says = "received = accepted + duplicate + quarantined - released + refused";
    let mut lines = vec![exact(says, get(names::RECEIVED), believed + refused)];
    let says = "accepted = news of envelopes + changes of records + without meaning";
    lines.push(exact(says, get(names::ACCEPTED), meanings));
    // Handing over is counted when it happens, so only all hours together must add up.
    if hour_ms == 0 && get(names::PARKED) > 0 {
        let waiting = get(names::PARKED_WAITING) + get(names::PARKED_DEAD_LETTER);
        let ended = get(names::HANDED_OVER) + get(names::PARKED_ERASED);
        lines.push(exact("parked = handed over + erased + waiting", get(names::PARKED), ended + waiting));
    }
    lines
}

fn exact(says: &'static str, left: u64, right: u64) -> Line {
    Line { says, left, right, verdict: verdict(left, left, right, true) }
}

fn half(
    says: &'static str,
    (before, after): (&Counts, &Counts),
    name: &str,
    consumer: &Counts,
    (complete, unread): (bool, u64),
) -> Line {
    let get = |counts: &Counts| counts.get(name).copied().unwrap_or_default();
    let right = sum(consumer, names::SETTLED) + sum(consumer, names::WAITING);
    let (least, most) = (get(before), get(after));
    let certain = complete && (unread == 0 || least.saturating_sub(right) > unread);
    Line { says, left: most.min(right.max(least)), right, verdict: verdict(least, most, right, certain) }
}

fn verdict(least: u64, most: u64, right: u64, complete: bool) -> Verdict {
    if right < least {
        let missing = least - right;
        if complete { Verdict::Lost(missing) } else { Verdict::Behind(missing) }
    } else if right > most {
        Verdict::Surplus(right - most)
    } else {
        Verdict::Balanced
    }
}

fn sum(counts: &Counts, prefix: &str) -> u64 {
    counts.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, count)| count).sum()
}

fn by_place(tallies: &[Tally]) -> BTreeMap<Place, Counts> {
    let mut places = BTreeMap::<Place, Counts>::new();
    for tally in tallies {
        let counts = places.entry((tally.connection.clone(), tally.hour_ms)).or_default();
        for count in &tally.counts {
            *counts.entry(count.name.clone()).or_default() += count.count;
        }
    }
    places
}
