//! What the log holds of one envelope.

use anyhow::{Context, Result, ensure};
use contracts::seal::Opener;
use domain::envelope::Event;
use event_log::{Category, EventLog, Position, Tailed};
use futures::StreamExt as _;

use crate::End;

/// The facts of one envelope, in order.
pub struct Read(Vec<Event>);

impl Read {
    pub async fn of(log: &EventLog, envelope: &str) -> Result<Self> {
        let mut tail = log.tail(Category::Envelopes, Position::ZERO);
        let mut facts = Vec::new();
        while let Tailed::Commit(recorded) = tail.next().await.context("the log ended")?? {
            if recorded.entity.id() != envelope {
                continue;
            }
            for event in &recorded.events {
                let opener = Opener::new(None);
                facts.push(contracts::envelope::decode(
                    &event.kind,
                    event.schema,
                    &event.payload,
                    &event.id,
                    &opener,
                )?);
            }
        }
        ensure!(!facts.is_empty(), "{envelope} is not in the log");
        Ok(Self(facts))
    }

    pub fn judge(&self, end: &End) -> Result<()> {
        let names: Vec<String> = self.0.iter().map(name).collect();
        let mut rest = names.iter();
        for wanted in end.facts {
            ensure!(rest.any(|found| found == wanted), "no {wanted} in its place: {names:?}");
        }
        for (claim, reason) in end.ignored {
            let wanted = format!("SignalIgnored({claim}, {reason})");
            let found = names.contains(&wanted);
            ensure!(found, "{claim} was not recorded as ignored because {reason}: {names:?}");
        }
        for unwanted in end.never {
            ensure!(!names.iter().any(|found| found == unwanted), "{unwanted} happened: {names:?}");
        }
        Ok(())
    }
}

/// The fact's name; of an ignored signal also claim and reason.
fn name(event: &Event) -> String {
    if let Event::SignalIgnored { claim, reason, .. } = event {
        return format!("SignalIgnored({claim}, {})", reason.code());
    }
    let printed = format!("{event:?}");
    printed.split([' ', '{']).next().unwrap_or_default().to_owned()
}
