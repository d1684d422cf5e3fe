//! The story of a journey: what happened, and how long after the trigger.

use anyhow::Result;
use contracts::wire::envelope::GetEvidenceRequest;
use serde_json::{Value, json};

use super::plan::Played;
use super::words;
use crate::journeys::{Chapter, Stage, Write};
use crate::terminal::{Terminal, Tone};

/// One thing that happened.
struct Moment {
    /// Milliseconds since the Unix epoch.
    at_ms: i64,
    who: &'static str,
    what: String,
}

/// Tells the timeline of a journey.
///
/// # Errors
/// When a service or a simulator does not answer.
pub async fn tell(stage: &Stage, played: &Played, terminal: Terminal) -> Result<()> {
    let (name, title) = (played.journey.name, played.journey.title);
    let took = u64::try_from(played.took.as_millis()).unwrap_or(u64::MAX);
    let report = match &played.outcome {
        Ok(report) => report,
        Err(difference) => {
            terminal.heading(format_args!("{title}: {}", terminal.toned(Tone::Bad, "not as it must be")));
            terminal.line(format_args!("  {difference:#}"));
            let difference = format!("{difference:#}");
            terminal.object(
                &json!({"event": "journey", "name": name, "ok": false, "took_ms": took, "difference": difference}),
            );
            return Ok(());
        }
    };
    terminal.heading(format_args!("{title} {}", terminal.toned(Tone::Quiet, format_args!("({name})"))));
    let mut stories = Vec::new();
    let mut untold = 0;
    for (index, chapter) in report.chapters.iter().enumerate() {
        if index > 0 && chapter.title.is_none() {
            untold += 1;
            continue;
        }
        if let Some(title) = chapter.title {
            terminal.line(format_args!("  {title}:"));
        }
        stories.push(story(stage, chapter, terminal).await?);
    }
    if untold > 0 {
        terminal.line(format_args!("  and {untold} more deals of this journey, with their envelopes"));
    }
    for remark in &report.remarks {
        terminal.line(format_args!("  {} {remark}", terminal.toned(Tone::Good, "✓")));
    }
    terminal.object(&json!({
        "event": "journey", "name": name, "ok": true, "took_ms": took, "envelopes": report.chapters.len(),
        "timelines": stories, "remarks": report.remarks,
    }));
    Ok(())
}

/// Tells one envelope's timeline.
async fn story(stage: &Stage, chapter: &Chapter, terminal: Terminal) -> Result<Value> {
    let mut moments = moments(stage, chapter).await?;
    moments.sort_by_key(|moment| moment.at_ms);
    let start = moments.first().map_or(0, |moment| moment.at_ms);
    for Moment { at_ms, who, what } in &moments {
        let after = format!("+{} ms", at_ms - start);
        let who = terminal.toned(Tone::Quiet, format_args!("{who:<8}"));
        terminal.line(format_args!("  {after:>10}  {who}  {what}"));
    }
    let told = moments
        .iter()
        .map(|moment| json!({"after_ms": moment.at_ms - start, "who": moment.who, "what": moment.what}));
    Ok(json!({
        "envelope": chapter.envelope, "deal": chapter.deal, "title": chapter.title,
        "moments": told.collect::<Vec<_>>(),
    }))
}

async fn moments(stage: &Stage, chapter: &Chapter) -> Result<Vec<Moment>> {
    let request = GetEvidenceRequest { envelope_id: chapter.envelope.clone() };
    let evidence = stage.envelopes().get_evidence(request).await?.into_inner();
    let mut moments: Vec<Moment> = evidence
        .entries
        .iter()
        .filter_map(|entry| {
            let what = words::of_event(&entry.kind)?.to_owned();
            Some(Moment { at_ms: entry.recorded_at_ms, who: "envelope", what })
        })
        .collect();
    let history = stage.deal_history(&chapter.deal).await?;
    let born = history.first().map(|write| write.update);
    let mut rest: &[Write] = &history;
    while let Some(first) = rest.first() {
        let (update, later) =
            rest.split_at(rest.iter().take_while(|write| write.update == first.update).count());
        rest = later;
        if Some(first.update) != born {
            moments.extend(of_deal(update));
        }
    }
    Ok(moments)
}

/// What one update of the deal was.
fn of_deal(update: &[Write]) -> Option<Moment> {
    let first = update.first()?;
    let at_ms = first.at.parse::<jiff::Timestamp>().ok()?.as_millisecond();
    let shown = |write: &Write| match write.property.as_str() {
        "dealstage" | "esign_status" => format!("{} = {}", write.property, write.value),
        property => property.to_owned(),
    };
    let what = update.iter().map(shown).collect::<Vec<_>>().join(", ");
    Some(if first.is_ours() {
        Moment { at_ms, who: "deal", what: format!("we write {what}") }
    } else {
        Moment { at_ms, who: "sales", what: format!("a person sets {what}") }
    })
}
