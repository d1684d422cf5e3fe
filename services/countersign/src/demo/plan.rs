//! Which journeys, in which order, and how they went.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::stream::{self, StreamExt as _};
use serde_json::json;

use crate::journeys::{self, Journey, JourneyReport, Listener, Stage};
use crate::terminal::{Terminal, Tone};

/// Journeys that run beside each other.
const AT_ONCE: usize = 4;

/// A journey that was played.
pub struct Played {
    /// Which one.
    pub journey: &'static Journey,
    /// What it was about, or what differs from what must be.
    pub outcome: Result<JourneyReport>,
    /// How long it took.
    pub took: Duration,
}

impl Played {
    /// Whether it ended as it must.
    pub fn is_well(&self) -> bool {
        self.outcome.is_ok()
    }
}

/// The journeys of these names, or all.
///
/// # Errors
/// When there is no journey of a name; the message lists all.
pub fn choose(only: &[String]) -> Result<Vec<&'static Journey>> {
    let known: Vec<&str> = journeys::ALL.iter().map(|journey| journey.name).collect();
    for name in only {
        ensure!(
            journeys::named(name).is_some(),
            "no journey is called {name}; there are: {}",
            known.join(", ")
        );
    }
    let wanted = |journey: &&Journey| only.is_empty() || only.iter().any(|name| name == journey.name);
    Ok(journeys::ALL.iter().filter(wanted).collect())
}

/// Plays the journeys, telling what happens: first those that run beside each other, then one by one.
pub async fn play(stage: &Stage, chosen: &[&'static Journey], terminal: Terminal) -> Vec<Played> {
    let started = Instant::now();
    let (alone, together): (Vec<_>, Vec<_>) = chosen.iter().partition(|journey| journey.alone);
    let width = chosen.iter().map(|journey| journey.name.len()).max().unwrap_or_default();
    let one = |journey: &'static Journey| one(stage, journey, terminal, started, width);
    let mut played: Vec<Played> = stream::iter(together).map(one).buffer_unordered(AT_ONCE).collect().await;
    for journey in alone {
        played.push(one(journey).await);
    }
    let place = |played: &Played| chosen.iter().position(|journey| journey.name == played.journey.name);
    played.sort_by_key(place);
    played
}

async fn one(
    stage: &Stage,
    journey: &'static Journey,
    terminal: Terminal,
    started: Instant,
    width: usize,
) -> Played {
    let name = journey.name;
    let say = move |tone: Tone, text: &str| {
        let at = started.elapsed();
        let seconds = terminal.toned(Tone::Quiet, format_args!("{:>6.2} s", at.as_secs_f64()));
        terminal.line(format_args!("{seconds}  {name:<width$}  {}", terminal.toned(tone, text)));
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        terminal.object(&json!({"event": "progress", "journey": name, "at_ms": ms, "text": text}));
    };
    let listener: Listener = Arc::new(move |text| say(Tone::Plain, text));
    let began = Instant::now();
    let outcome = journey.run(&stage.heard_by(listener)).await;
    match &outcome {
        Ok(_) => say(Tone::Good, "done, as it must be"),
        Err(difference) => say(Tone::Bad, &format!("DIFFERS: {difference:#}")),
    }
    Played { journey, outcome, took: began.elapsed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journey_that_does_not_exist_is_refused_with_the_names_of_those_that_do() {
        let refused =
            choose(&["nowhere".to_owned()]).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("template_auto_send"));
        assert_eq!(choose(&["template_auto_send".to_owned()]).unwrap().len(), 1);
        assert_eq!(choose(&[]).unwrap().len(), journeys::ALL.len());
    }
}
