//! Envelopes: shown, told, and wished for.

use anyhow::{Context, Result, anyhow};
use contracts::wire::envelope as wire;
use contracts::wire::envelope::{Envelope, Stage};
use serde_json::{Value, json};

use super::args::{Ask, EnvelopeVerb, List, One, Wish};
use super::services::by_orchestrator;
use super::{time, word};
use crate::demo::words;
use crate::terminal::{Column, Terminal, Tone};

/// Runs the verb.
///
/// # Errors
/// What the orchestrator refuses, or why it could not be asked.
pub async fn run(verb: EnvelopeVerb) -> Result<()> {
    match verb {
        EnvelopeVerb::List(wanted) => list(wanted).await,
        EnvelopeVerb::Get(one) => get(&one).await,
        EnvelopeVerb::Timeline(one) => timeline(&one).await,
        EnvelopeVerb::Early { connection, ask } => early(connection, &ask).await,
        EnvelopeVerb::Send(Wish { id, request_id, ask }) => {
            let request = wire::SendEnvelopeRequest { request_id: chosen(request_id), envelope_id: id };
            let answer = ask.envelopes()?.send_envelope(request).await;
            done(&ask, by_orchestrator(&ask, answer)?.envelope)
        }
        EnvelopeVerb::Remind(Wish { id, request_id, ask }) => {
            let request = wire::RemindEnvelopeRequest { request_id: chosen(request_id), envelope_id: id };
            let answer = ask.envelopes()?.remind_envelope(request).await;
            done(&ask, by_orchestrator(&ask, answer)?.envelope)
        }
        EnvelopeVerb::Reopen(Wish { id, request_id, ask }) => {
            let mut envelopes = ask.envelopes()?;
            let seen = envelopes
                .get_envelope(wire::GetEnvelopeRequest { envelope_id: id.clone(), min_position: 0 })
                .await;
            let generation = by_orchestrator(&ask, seen)?.envelope.map_or(0, |seen| seen.generation);
            let request_id = chosen(request_id);
            let request = wire::ReopenEnvelopeRequest { request_id, envelope_id: id, generation };
            let answer = envelopes.reopen_envelope(request).await;
            done(&ask, by_orchestrator(&ask, answer)?.envelope)
        }
        EnvelopeVerb::Void(Wish { id, request_id, ask }) => {
            let request = wire::VoidEnvelopeRequest { request_id: chosen(request_id), envelope_id: id };
            let answer = ask.envelopes()?.void_envelope(request).await;
            done(&ask, by_orchestrator(&ask, answer)?.envelope)
        }
    }
}

async fn early(connection: String, ask: &Ask) -> Result<()> {
    let request = wire::ListEarlyArrivalsRequest { connection, page_size: 1000, page_token: String::new() };
    let page = by_orchestrator(ask, ask.envelopes()?.list_early_arrivals(request).await)?;
    let terminal = Terminal::new(ask.json);
    if page.early_arrivals.is_empty() {
        terminal.line("no signal waits for its envelope");
        return Ok(());
    }
    let row = |one: &wire::EarlyArrival| {
        vec![
            one.connection.clone(),
            one.provider_id.clone(),
            if one.named { "names an envelope" } else { "a create was under way" }.to_owned(),
            time(one.waits_since_ms),
            time(one.lookup_at_ms),
        ]
    };
    let columns = ["connection", "provider id", "why it may be ours", "waits since", "looked up at"];
    terminal.table(&columns.map(Column::text), &page.early_arrivals.iter().map(row).collect::<Vec<_>>());
    if !page.next_page_token.is_empty() {
        terminal.line("there are more");
    }
    Ok(())
}

fn chosen(request_id: Option<String>) -> String {
    request_id.unwrap_or_else(|| format!("cli-{}", hex::encode(runtime::random::new_id())))
}

async fn list(List { stage: wanted, flow, provider_id, limit, ask }: List) -> Result<()> {
    let stages = wanted.iter().map(|name| stage_of(name)).collect::<Result<Vec<i32>>>()?;
    let filter = wire::EnvelopeFilter { stages, flow, provider_id, ..Default::default() };
    let request = wire::ListEnvelopesRequest { filter: Some(filter), page_size: limit, ..Default::default() };
    let page = by_orchestrator(&ask, ask.envelopes()?.list_envelopes(request).await)?;
    let terminal = Terminal::new(ask.json);
    if ask.json {
        page.envelopes.iter().for_each(|envelope| terminal.object(&object(facts(envelope))));
        return Ok(());
    }
    if page.envelopes.is_empty() {
        terminal.line("there are no such envelopes");
        return Ok(());
    }
    let row = |envelope: &Envelope| {
        let record =
            envelope.record.as_ref().map(|record| format!("{} {}", record.object_type, record.object_id));
        vec![
            time(envelope.requested_at_ms),
            stage(envelope),
            format!("{}/{}", envelope.signed_count, envelope.parties_total.max(envelope.signed_count)),
            envelope.flow.clone(),
            record.unwrap_or_default(),
            envelope.envelope_id.clone(),
        ]
    };
    let rows: Vec<Vec<String>> = page.envelopes.iter().map(row).collect();
    terminal.table(
        &[
            Column::text("asked for"),
            Column::text("stage"),
            Column::text("signed"),
            Column::text("flow"),
            Column::text("record"),
            Column::text("id"),
        ],
        &rows,
    );
    if !page.next_page_token.is_empty() {
        terminal.line("  there are more; --limit shows up to 1000");
    }
    Ok(())
}

async fn get(One { id, ask }: &One) -> Result<()> {
    let request = wire::GetEnvelopeRequest { envelope_id: id.clone(), min_position: 0 };
    let answer = by_orchestrator(ask, ask.envelopes()?.get_envelope(request).await)?;
    done(ask, answer.envelope)
}

/// Shows the envelope as it stands.
fn done(ask: &Ask, envelope: Option<Envelope>) -> Result<()> {
    let envelope = envelope.context("the orchestrator answered without an envelope")?;
    let terminal = Terminal::new(ask.json);
    let facts = facts(&envelope);
    for (name, value) in &facts {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Array(parties) => parties.iter().map(party).collect::<Vec<_>>().join(", "),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
        };
        if !matches!(text.as_str(), "" | "null" | "none") {
            terminal.line(format_args!("{name:<12} {text}"));
        }
    }
    terminal.object(&object(facts));
    Ok(())
}

fn party(party: &Value) -> String {
    let text = |name: &str| party[name].as_str().unwrap_or_default().to_owned();
    format!("{} {}", text("role"), text("standing"))
}

fn object(facts: Vec<(&'static str, Value)>) -> Value {
    Value::Object(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

async fn timeline(One { id, ask }: &One) -> Result<()> {
    let request = wire::GetEvidenceRequest { envelope_id: id.clone() };
    let evidence = by_orchestrator(ask, ask.envelopes()?.get_evidence(request).await)?;
    let terminal = Terminal::new(ask.json);
    let start = evidence.entries.first().map_or(0, |entry| entry.recorded_at_ms);
    for entry in &evidence.entries {
        let after_ms = entry.recorded_at_ms - start;
        let what = words::of_event(&entry.kind).unwrap_or_default();
        let kind = word(&entry.kind, "envelope.");
        terminal.line(format_args!("{:>10}  {kind:<24} {what}", format!("+{after_ms} ms")));
        terminal.object(&json!({
            "number": entry.number, "kind": entry.kind, "after_ms": after_ms, "recorded_at_ms": entry.recorded_at_ms,
            "event_id": entry.event_id, "caused_by": entry.causation_id, "correlation_id": entry.correlation_id,
        }));
    }
    let (tone, verdict) = match evidence.chain_intact {
        true => (Tone::Good, "every event's hash is the one the next event names"),
        false => (Tone::Bad, "THE CHAIN IS BROKEN: an event is not the one that was written"),
    };
    terminal.line(terminal.toned(tone, verdict));
    terminal.object(&json!({"chain_intact": evidence.chain_intact}));
    Ok(())
}

fn stage(envelope: &Envelope) -> String {
    word(envelope.stage().as_str_name(), "STAGE_")
}

fn stage_of(name: &str) -> Result<i32> {
    let full = format!("STAGE_{}", name.to_uppercase());
    Stage::from_str_name(&full).map(i32::from).ok_or_else(|| {
        anyhow!("--stage {name}: no such stage; for example in_review, sent, completed, needs_attention")
    })
}

/// What an operator needs; neither names nor addresses nor links.
fn facts(envelope: &Envelope) -> Vec<(&'static str, Value)> {
    let parties: Vec<Value> = envelope
        .parties
        .iter()
        .map(|party| json!({"role": party.role, "standing": word(party.standing().as_str_name(), "STANDING_")}))
        .collect();
    let artifact =
        envelope.artifact.as_ref().map(|artifact| word(artifact.state().as_str_name(), "ARTIFACT_STATE_"));
    let none = |name: &str, prefix: &str| match word(name, prefix).as_str() {
        "unspecified" => "none".to_owned(),
        named => named.to_owned(),
    };
    let record = envelope.record.as_ref();
    let record = record.map(|it| format!("{} {} {}", it.connection, it.object_type, it.object_id));
    vec![
        ("id", json!(envelope.envelope_id)),
        ("stage", json!(stage(envelope))),
        ("attention", json!(none(envelope.attention().as_str_name(), "ATTENTION_"))),
        ("held", json!(none(envelope.hold().as_str_name(), "HOLD_REASON_"))),
        ("title", json!(envelope.title)),
        ("flow", json!(envelope.flow)),
        ("record", json!(record)),
        ("provider", json!(envelope.provider)),
        ("provider_id", json!(envelope.provider_id)),
        ("parties", json!(parties)),
        ("requested", json!(time(envelope.requested_at_ms))),
        ("sent", json!(time(envelope.sent_at_ms))),
        ("completed", json!(time(envelope.completed_at_ms))),
        ("closed", json!(time(envelope.closed_at_ms))),
        ("confirmed", json!(envelope.confirmed)),
        ("document", json!(artifact)),
        ("version", json!(envelope.version)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_names_nor_addresses_nor_links_are_shown() {
        let party =
            wire::Party { name: "Dana".into(), email: "dana@buyer.test".into(), ..Default::default() };
        let envelope = Envelope {
            parties: vec![party],
            review_url: "http://atlas.test/review?rt=secret".into(),
            ..Default::default()
        };
        let shown = object(facts(&envelope)).to_string();
        assert!(
            !shown.contains("Dana") && !shown.contains("buyer.test") && !shown.contains("secret"),
            "{shown}"
        );
    }

    #[test]
    fn stages_are_named_as_they_are_shown() {
        assert_eq!(stage_of("in_review").unwrap(), i32::from(Stage::InReview));
        assert!(stage_of("lost").is_err());
    }
}
