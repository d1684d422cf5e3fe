//! What start-up refuses: a server that would break the contract silently.

use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{AccountError, AccountErrorKind};

use super::monitor::{self, Sync};
use crate::error::OpenError;
use crate::patience::patiently;
use crate::{Durability, JetStreamSettings, Risk};

/// The first version with atomic batches; older ones ignore them without a word.
const VERSION_MIN: (u32, u32) = (2, 12);

pub(super) async fn server(client: &Client, context: &Context) -> Result<(), OpenError> {
    let found = client.server_info().version;
    if version(&found).is_none_or(|version| version < VERSION_MIN) {
        return Err(OpenError::ServerTooOld { found, needed: "2.12" });
    }
    let slow = |error: &AccountError| error.kind() == AccountErrorKind::TimedOut;
    let asked = patiently("JetStream's account", slow, || context.query_account()).await;
    asked.map(|_| ()).map_err(|error| OpenError::NoJetStream(error.to_string()))
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What an acknowledgement survives, as every monitored server says it; refuses less than a power cut unless
/// the operator accepted that risk.
pub(super) async fn durability(settings: &JetStreamSettings) -> Result<Durability, OpenError> {
    let accepts = |risk: Risk| settings.accept_risks.contains(&risk);
    match worst_sync(settings).await {
        Ok(Sync::Always) => Ok(Durability::PowerLoss),
        Ok(Sync::Every(_)) if accepts(Risk::LazySync) => Ok(Durability::ProcessOnly),
        Ok(Sync::Every(found)) => Err(OpenError::LazySync { found }),
        Err(_) if accepts(Risk::UncheckedSync) => Ok(Durability::Unchecked),
        Err(reason) => Err(OpenError::UncheckedSync { reason }),
    }
}

async fn worst_sync(settings: &JetStreamSettings) -> Result<Sync, String> {
    let urls = settings.monitoring_url.as_deref().ok_or("no monitoring address is configured")?;
    let mut worst = Sync::Always;
    for url in urls.split(',') {
        let slow = |error: &String| error == monitor::SILENT;
        match patiently("the monitoring address of NATS", slow, || monitor::sync(url.trim())).await? {
            Sync::Always => {}
            lazy @ Sync::Every(_) => worst = lazy,
        }
    }
    Ok(worst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ignores_batches_silently_is_too_old() {
        for (text, usable) in
            [("2.15.1", true), ("2.12.0", true), ("2.11.11", false), ("2.9.10", false), ("", false)]
        {
            assert_eq!(version(text).is_some_and(|version| version >= VERSION_MIN), usable, "{text}");
        }
    }
}
