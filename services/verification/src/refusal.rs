//! What is not believed: said to the sender, counted, kept within bounds.

use contracts::intake::{IntakeEvent, Quarantined, delivery_to_wire, quarantine_group};
use contracts::seal::Sealer;
use contracts::wire::verification as wire;
use domain::envelope::Digest;
use domain::ids::CommandId;
use domain::intake::{RawDelivery, Refusal};
use event_log::{Category, Entity, EventLog, Expected, TraceContext, event_id};
use runtime::clock::Clock;
use runtime::random::new_id;
use sha2::{Digest as _, Sha256};

use crate::append::{StoreError, commit, raw};
use crate::connections::Known;
use crate::quarantine::{Keep, Quarantine};

/// Takes what was refused.
pub struct Refusals {
    log: EventLog,
    clock: Clock,
    quarantine: Quarantine,
}

impl Refusals {
    pub fn new(log: EventLog, clock: Clock) -> Self {
        Self { log, clock, quarantine: Quarantine::default() }
    }

    /// Keeps as much of a refused delivery as there is room for; durable when it returns.
    pub async fn take(
        &self,
        known: &Known,
        delivery: RawDelivery,
        refusal: Refusal,
        trace: &TraceContext,
    ) -> Result<(), StoreError> {
        let connection = delivery.connection.clone();
        metrics::counter!("verification_refused_total", "connection" => connection.to_string(), "reason" => refusal.code())
            .increment(1);
        let keep = self.quarantine.admit(&connection, self.clock.now());
        if keep == Keep::Nothing {
            metrics::counter!("verification_refused_unrecorded_total", "connection" => connection.to_string())
                .increment(1);
            return Ok(());
        }
        tracing::warn!(%connection, reason = refusal.code(), body_bytes = delivery.body.len(), "delivery refused");
        self.keep(known, delivery, refusal, keep, trace).await
    }

    async fn keep(
        &self,
        known: &Known,
        delivery: RawDelivery,
        refusal: Refusal,
        keep: Keep,
        trace: &TraceContext,
    ) -> Result<(), StoreError> {
        let connection = delivery.connection.clone();
        let delivery_connection = connection.clone();
        let command = CommandId::from_bytes(new_id());
        let id = event_id(&command, 0);
        let entity =
            Entity::new(Category::Intake, &known.tenant, format!("q-{}", hex::encode(command.as_bytes())))?;
        let key = self.log.keys().key(&quarantine_group(&connection)).await?;
        let sealer = Sealer::new(key.as_bytes());

        let (at, bytes) = (delivery.received_at, delivery.body.len());
        let sha256 = Digest(Sha256::digest(&delivery.body).into());
        let content = match keep {
            Keep::Content => {
                let delivery: wire::Delivery = delivery_to_wire(delivery);
                Some(raw(&self.log, contracts::wire::encode(&delivery), &id, &sealer).await?)
            }
            Keep::Record | Keep::Nothing => None,
        };
        let event = IntakeEvent::Quarantined(Quarantined {
            connection,
            reason: refusal,
            bytes: u64::try_from(bytes).unwrap_or(u64::MAX),
            sha256,
            received_at: at,
            delivery: content,
            key_group: quarantine_group(&delivery_connection),
            content_bytes: 0,
        });
        let commit = commit(command, &id, &event, &sealer, at, trace, entity.id());
        self.log.append(&entity, Expected::Absent, commit).await?;
        Ok(())
    }
}
