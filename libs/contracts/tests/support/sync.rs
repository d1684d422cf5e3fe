//! Events of the category sync.

use domain::ids::EnvelopeId;
use domain::sync::{Phase, Planned, SkipReason, SyncEvent, Taken, TriggerIgnored, ValueHash};

use super::{AT, record};

pub fn sync_events() -> Vec<(&'static str, SyncEvent)> {
    let at = AT;
    let flow = || "order-form".parse().unwrap();
    let taken = Taken {
        envelope: EnvelopeId::from_bytes([4; 16]),
        operation_key: "trg_be3da5ea3a15b3d4f1a8eb96c25c2437ca898061".parse().unwrap(),
        generation: 2,
    };
    let fields = [("dealstage", 1), ("esign_status", 2)];
    let planned = Planned {
        version: 7,
        phase: Phase::Sent,
        includes_link: true,
        fields: fields.map(|(field, byte)| (field.to_owned(), ValueHash([byte; 32]))).into(),
    };
    let (class, code) = ("rate_limited".to_owned(), "RATE_LIMITS".to_owned());
    vec![
        ("trigger_taken", SyncEvent::TriggerTaken { record: record(), flow: flow(), taken, at }),
        ("trigger_found", SyncEvent::TriggerFound { record: record(), flow: flow(), changed_at: AT, at }),
        (
            "trigger_ignored",
            SyncEvent::TriggerIgnored { record: record(), flow: flow(), reason: TriggerIgnored::Echo, at },
        ),
        ("planned", SyncEvent::Planned { planned, at }),
        ("applied", SyncEvent::Applied { version: 7, connection: None, at }),
        (
            "applied-connection",
            SyncEvent::Applied { version: 7, connection: Some("hubspot-main".parse().unwrap()), at },
        ),
        ("link_seen", SyncEvent::LinkSeen { at }),
        (
            "skipped",
            SyncEvent::Skipped { version: 7, phase: Phase::Final, reason: SkipReason::Unchanged, at },
        ),
        (
            "failed",
            SyncEvent::Failed { version: 7, class: class.clone(), code: code.clone(), in_doubt: true, at },
        ),
        ("dead_lettered", SyncEvent::DeadLettered { version: 7, class, code, at }),
        ("orphaned", SyncEvent::Orphaned { at }),
    ]
}
