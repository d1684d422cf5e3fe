//! Connections, their keys, and when each was last of use.

use std::collections::BTreeSet;

use anyhow::Result;
use contracts::wire::verification::ListKeysRequest;

use super::args::{Ask, ConnectionsVerb};
use super::services::by_verification;
use super::{subscription, time};
use crate::terminal::{Column, Terminal};

/// Runs the verb.
///
/// # Errors
/// What verification refuses, or why it could not be asked.
pub async fn run(verb: ConnectionsVerb) -> Result<()> {
    match verb {
        ConnectionsVerb::List(ask) => list(ask).await,
        ConnectionsVerb::Subscribe { at, name } => subscription::subscribe(&at, &name).await,
        ConnectionsVerb::RotateKey { at, finish } => subscription::rotate(&at, finish).await,
        ConnectionsVerb::Credits { connection, ask } => super::credits::run(connection, &ask).await,
    }
}

async fn list(ask: Ask) -> Result<()> {
    let answer = ask.verification()?.list_keys(ListKeysRequest::default()).await;
    let keys = by_verification(&ask, answer)?.keys;
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let in_force = if key.in_force { "yes" } else { "no" };
            vec![
                key.connection.clone(),
                key.key_id.clone(),
                in_force.to_owned(),
                time(key.not_before_ms),
                time(key.not_after_ms),
                time(key.last_used_at_ms),
                key.verified.to_string(),
                if key.safe_to_remove { "yes" } else { "no" }.to_owned(),
                key.kept_because.clone(),
            ]
        })
        .collect();
    let headings = [
        Column::text("connection"),
        Column::text("key"),
        Column::text("in force"),
        Column::text("from"),
        Column::text("until"),
        Column::text("last used"),
        Column::count("verified"),
        Column::text("safe to remove"),
        Column::text("kept because"),
    ];
    Terminal::new(ask.json).table(&headings, &rows);
    Ok(())
}

/// Whether every connection has a key in force, and what an operator should know of the others; for the doctor.
///
/// # Errors
/// What verification refuses, or why it could not be asked.
pub(super) async fn keys(ask: &Ask) -> Result<(bool, String)> {
    let answer = by_verification(ask, ask.verification()?.list_keys(ListKeysRequest::default()).await)?;
    let connections: BTreeSet<&str> = answer.keys.iter().map(|key| key.connection.as_str()).collect();
    let in_force = answer.keys.iter().filter(|key| key.in_force);
    let believed: BTreeSet<&str> = in_force.map(|key| key.connection.as_str()).collect();
    let mut what = vec![format!("{} of {} connections have one in force", believed.len(), connections.len())];
    what.extend(connections.difference(&believed).map(|name| format!("{name} BELIEVES NO WEBHOOK")));
    let over = answer.keys.iter().filter(|key| key.safe_to_remove);
    what.extend(over.map(|key| format!("{} of {} is safe to remove", key.key_id, key.connection)));
    what.extend(answer.warnings.iter().map(|warning| format!("{}: {}", warning.connection, warning.what)));
    Ok((believed.len() == connections.len(), what.join("; ")))
}
