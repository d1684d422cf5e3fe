//! The ledger: what the vendors told, what we counted, what became of it. It must balance.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use anyhow::{Result, anyhow};
use contracts::wire::crmsync::{GetSyncRequest, ListDeadLettersRequest};
use contracts::wire::envelope::Stage as At;
use contracts::wire::verification::{GetLedgerRequest, LedgerLine};
use serde_json::{Value, json};

use super::plan::Played;
use crate::journeys::{Stage, eventually};
use crate::sheets::{Desks, Question, read};
use crate::terminal::{Column, Terminal, Tone};

/// One line per connection, by its name.
pub type Reading = BTreeMap<String, LedgerLine>;

/// What one vendor says it told us, in events.
#[derive(Clone, Copy, Default)]
struct Told {
    /// Answered 200.
    heard: u64,
    /// Not answered, or not with success: we may have taken it all the same.
    unsure: u64,
    /// Waiting for a next try.
    open: u64,
}

impl Told {
    /// How many events we may have counted. What ingress parked because the verdict came too late is counted once.
    const fn counted(self, own: u64) -> RangeInclusive<u64> {
        let least = self.heard + own;
        least..=least + self.unsure
    }
}

/// The ledger, counted up to this position at least.
///
/// # Errors
/// When verification does not answer.
pub async fn reading(stage: &Stage, position: u64) -> Result<Reading> {
    eventually("the ledger to count what is in the log", async || {
        let request = GetLedgerRequest { min_position: position, ..Default::default() };
        let ledger = stage.verification().get_ledger(request).await?.into_inner();
        Ok(Some(ledger.lines.into_iter().map(|line| (line.connection.clone(), line)).collect()))
    })
    .await
}

/// Tells the ledger of this run, and whether it balances.
///
/// # Errors
/// When a service or a simulator does not answer.
pub async fn tell(stage: &Stage, played: &[Played], before: &Reading, terminal: Terminal) -> Result<bool> {
    terminal.heading("Ledger");
    let came_in = intake(stage, played, before, terminal).await?;
    let became = envelopes(stage, played, terminal).await?;
    let written = records(stage, played, terminal).await?;
    let settled = settled(stage, terminal).await?;
    Ok(came_in && became && written && settled)
}

/// The same reading as `countersign ledger`: nothing that came in is unaccounted for.
async fn settled(stage: &Stage, terminal: Terminal) -> Result<bool> {
    let desks = Desks {
        verification: stage.verification(),
        orchestrator: stage.envelopes(),
        crm_sync: stage.crm_sync(),
    };
    let sheets = read(&desks, &Question::default()).await;
    let sheets = sheets.map_err(|(who, status)| anyhow!("{who:?} does not answer: {status}"))?;
    let mut balanced = true;
    for sheet in &sheets {
        for line in sheet.lines.iter().filter(|line| line.left + line.right > 0) {
            let even = line.verdict.unexplained() == 0;
            balanced &= even;
            let (left, right) = (line.left, line.right);
            verdict(terminal, even, &format!("{}: {} ({left} = {right})", sheet.connection, line.says));
        }
        terminal.object(&json!({
            "event": "ledger", "connection": sheet.connection, "unexplained": sheet.unexplained(),
        }));
    }
    Ok(balanced)
}

/// received = accepted + duplicate + quarantined, and received is what the vendors told.
async fn intake(stage: &Stage, played: &[Played], before: &Reading, terminal: Terminal) -> Result<bool> {
    let own: u64 = played.iter().flat_map(|journey| &journey.outcome).map(|report| report.own_webhooks).sum();
    let at = stage.addresses().clone();
    let vendors = [
        ("atlas-main", at.atlas.clone(), own),
        ("atlas-next", at.atlas, 0),
        ("hubspot-main", at.hubspot, 0),
        ("pandadoc-sales", at.pandadoc, 0),
    ];
    let mut rows = Vec::new();
    let mut balanced = true;
    for (connection, simulator, own) in vendors {
        let before = before.get(connection).cloned().unwrap_or_default();
        let settled = eventually("the ledger to have counted everything", async || {
            let told = told(stage, &simulator, connection).await?;
            let now = reading(stage, 0).await?.remove(connection).unwrap_or_default();
            let received = now.received - before.received;
            let may_be = told.counted(own);
            Ok((told.open == 0 && may_be.contains(&received)).then_some((told, now)))
        })
        .await;
        let Ok((told, now)) = settled else {
            balanced = false;
            rows.push(vec![connection.to_owned(), "does not balance with what the vendor told".to_owned()]);
            continue;
        };
        let (received, accepted) = (now.received - before.received, now.accepted - before.accepted);
        let (duplicate, quarantined) =
            (now.duplicate - before.duplicate, now.quarantined - before.quarantined);
        balanced &= received == accepted + duplicate + quarantined;
        let told = told.heard + own;
        let numbers = [told, received, accepted, duplicate, quarantined].map(|number| number.to_string());
        rows.push(std::iter::once(connection.to_owned()).chain(numbers).collect());
        terminal.object(&json!({
            "event": "ledger", "connection": connection, "told": told, "received": received,
            "accepted": accepted, "duplicate": duplicate, "quarantined": quarantined,
        }));
    }
    if !terminal.is_json() {
        let headings = [
            Column::text("connection"),
            Column::count("told by vendor"),
            Column::count("received"),
            Column::count("accepted"),
            Column::count("duplicate"),
            Column::count("quarantined"),
        ];
        terminal.table(&headings, &rows);
    }
    verdict(terminal, balanced, "told by vendor = received = accepted + duplicate + quarantined");
    Ok(balanced)
}

/// Events of the simulator's deliveries, by what became of them.
async fn told(stage: &Stage, simulator: &str, connection: &str) -> Result<Told> {
    let all = stage.get(&format!("{simulator}/__sim/deliveries")).await?;
    let mut told = Told::default();
    for delivery in all.as_array().into_iter().flatten() {
        // One account may report to several connections.
        if delivery["url"].as_str().is_some_and(|url| !url.ends_with(&format!("/{connection}"))) {
            continue;
        }
        let body: Value = serde_json::from_str(delivery["body"].as_str().unwrap_or_default())?;
        let events = body.as_array().map_or(1, |batch| u64::try_from(batch.len()).unwrap_or(u64::MAX));
        for attempt in delivery["attempts"].as_array().into_iter().flatten() {
            match attempt["status"].as_u64() {
                Some(200) => told.heard += events,
                // Refused for good: counted nowhere. Trouble of ours may come after it was taken.
                Some(..500) => {}
                Some(_) | None => told.unsure += events,
            }
        }
        told.open += u64::from(delivery["state"] == "pending" || delivery["state"] == "held");
    }
    Ok(told)
}

/// Every envelope of a journey ended.
async fn envelopes(stage: &Stage, played: &[Played], terminal: Terminal) -> Result<bool> {
    let mut ends: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut asked, mut closed) = (0, 0);
    for chapter in played.iter().flat_map(|journey| &journey.outcome).flat_map(|report| &report.chapters) {
        let envelope = stage.envelope(&chapter.envelope).await?;
        let word = match envelope.stage() {
            At::Completed => "completed",
            At::Declined => "declined",
            At::Voided => "voided",
            At::Expired => "expired",
            At::Failed => "failed",
            At::Deleted => "deleted",
            At::Unspecified
            | At::Absent
            | At::Requested
            | At::Creating
            | At::Preparing
            | At::InReview
            | At::NeedsAttention
            | At::AwaitingApproval
            | At::Sending
            | At::Sent
            | At::Viewed
            | At::PartiallySigned
            | At::AwaitingPayment => "open",
        };
        *ends.entry(word).or_default() += 1;
        asked += 1;
        closed += u64::from(word != "open");
    }
    let parts: Vec<String> = ends.iter().map(|(word, count)| format!("{count} {word}")).collect();
    terminal.object(&json!({"event": "ledger", "envelopes": asked, "ends": ends}));
    verdict(terminal, asked == closed, &format!("{asked} envelopes asked for = {}", parts.join(" + ")));
    Ok(asked == closed)
}

/// Every write was made once: what we applied is what the CRM took, and nothing was given up.
async fn records(stage: &Stage, played: &[Played], terminal: Terminal) -> Result<bool> {
    let (mut wanted, mut synced, mut applied, mut taken) = (0, 0, 0, 0);
    let calls = stage.calls(&stage.addresses().hubspot, "PATCH", "/crm/").await?;
    for chapter in played.iter().flat_map(|journey| &journey.outcome).flat_map(|report| &report.chapters) {
        let request = GetSyncRequest { envelope_id: chapter.envelope.clone(), ..Default::default() };
        for state in stage.crm_sync().get_sync(request).await?.into_inner().states {
            wanted += 1_u64;
            synced += u64::from(state.applied_version >= state.desired_version);
            applied += state.writes;
        }
        let of_deal = calls.iter().filter(|call| call.path.ends_with(&format!("/{}", chapter.deal)));
        taken += u64::try_from(of_deal.filter(|call| call.status == Some(200)).count())?;
    }
    let letters = stage.crm_sync().list_dead_letters(ListDeadLettersRequest::default()).await?.into_inner();
    let dead = letters.dead_letters.len();
    let balanced = wanted == synced && applied == taken && dead == 0;
    terminal.object(&json!({
        "event": "ledger", "records": wanted, "synced": synced, "writes_applied": applied,
        "writes_taken": taken, "dead_letters": dead,
    }));
    verdict(
        terminal,
        wanted == synced && dead == 0,
        &format!("{wanted} deals = {synced} synced; {dead} dead letters"),
    );
    verdict(terminal, applied == taken, &format!("{applied} writes applied = {taken} calls the CRM took"));
    Ok(balanced)
}

fn verdict(terminal: Terminal, balanced: bool, sentence: &str) {
    let mark = if balanced { terminal.toned(Tone::Good, "✓") } else { terminal.toned(Tone::Bad, "✗") };
    terminal.line(format_args!("  {mark} {sentence}"));
}

#[cfg(test)]
mod tests {
    use super::Told;

    #[test]
    fn what_was_heard_is_never_missing_and_only_what_is_unsure_may_be_more() {
        let told = Told { heard: 10, unsure: 1, open: 0 };
        assert_eq!(told.counted(2), 12..=13);
    }
}
