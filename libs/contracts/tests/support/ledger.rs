//! Events of the loss ledger.

use contracts::ledger::{LedgerEvent, Parked, Settled, Settlement};
use domain::time::Timestamp;

use super::AT;

pub fn ledger_events() -> Vec<(&'static str, LedgerEvent)> {
    let settled = |settlement, reason: &str| {
        LedgerEvent::Settled(Settled {
            connection: "atlas-main".parse().unwrap(),
            received_at: AT,
            settlement,
            reason: reason.to_owned(),
            at: Timestamp(AT.0 + 12),
        })
    };
    let parked = Parked {
        connection: "atlas-main".parse().unwrap(),
        provider_id: "env_4f2a".parse().unwrap(),
        named: true,
        received_at: AT,
        intake_entity: "s-0303".to_owned(),
        intake_position: 77,
        at: Timestamp(AT.0 + 12),
    };
    vec![
        ("signal_parked", LedgerEvent::Parked(parked)),
        ("signal_settled-applied", settled(Settlement::Applied, "")),
        ("signal_settled-ignored", settled(Settlement::Ignored, "late")),
        ("signal_settled-unmatched", settled(Settlement::Unmatched, "nobodys")),
        ("signal_settled-refused", settled(Settlement::Refused, "input_missing")),
        ("signal_settled-discarded", settled(Settlement::Discarded, "dead_letter")),
    ]
}
