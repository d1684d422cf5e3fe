//! What the action "send a webhook" of a HubSpot workflow sends (crm.md §2.5): one record, with the properties that were
//! picked for it. It has no event id, no time and no author.
//!
//! Each property is a signal of its own, named after the workflow and not `propertyChange`: the body says what the
//! property *is*, not that it changed, and a flow must ask for that by name.

use std::collections::BTreeMap;

use domain::intake::{Actor, Meaning, NoMeaning, RecordChange, SIGNALS_MAX, Signal};
use domain::personal::Personal;
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use signatures::sha256_hex;

use super::wire::{Id, Ours, Text, bounded, cut, object_type};

/// The same body within the same so many milliseconds is the same enrolment (crm.md §2.5). Later it counts again: a
/// record may be enrolled twice. What was replayed then meets the envelope that it made the first time, but not once that
/// has ended without a contract: then it starts another, as an enrolment would, and nothing signed tells them apart.
const SAME_ENROLMENT_MS: i64 = 600_000;

/// The body. Without any of the first three nobody knows which record is meant.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Enrolment<'a> {
    portal_id: Id,
    object_type_id: String,
    object_id: Id,
    #[serde(borrow, default)]
    properties: BTreeMap<String, &'a RawValue>,
}

/// One signal per property, or one without any; `None` when the body is something else.
pub(super) fn split(body: &[u8], received_at: Timestamp, ours: &Ours) -> Option<Vec<Signal>> {
    let enrolment: Enrolment<'_> = serde_json::from_slice(body).ok()?;
    if enrolment.properties.len() > SIGNALS_MAX {
        return None;
    }
    let account = enrolment.portal_id.into_text();
    let object_type = object_type("object", Some(&enrolment.object_type_id));
    let object_id = enrolment.object_id.into_text();
    let foreign = ours.portal_id.as_ref().is_some_and(|portal| *portal != account);
    let bucket = received_at.0.div_euclid(SAME_ENROLMENT_MS);
    let enrolled = format!("workflow|{account}|{object_type}|{object_id}|{}|{bucket}", sha256_hex(body));
    let signal = |property: &str, value: String, raw: &[u8]| Signal {
        dedupe: bounded(format!("{enrolled}|{property}")),
        also: None,
        subject: format!("{object_type}:{object_id}"),
        event: cut(format!("{object_type}.workflow")),
        occurred_at: None,
        meaning: if foreign {
            Meaning::Nothing(NoMeaning::NotOurs)
        } else {
            Meaning::Record(RecordChange {
                account: account.clone(),
                object_type: object_type.clone(),
                object_id: object_id.clone(),
                property: property.to_owned(),
                value: Personal::new(value),
                changed_at: received_at,
                actor: Actor::Workflow,
                actor_id: String::new(),
            })
        },
        raw: raw.to_vec(),
    };
    if enrolment.properties.is_empty() || foreign {
        return Some(vec![signal("", String::new(), body)]);
    }
    let properties = enrolment.properties.iter().map(|(property, raw)| {
        let value = serde_json::from_str::<Text>(raw.get()).map(Text::into_text).unwrap_or_default();
        signal(property, value, raw.get().as_bytes())
    });
    Some(properties.collect())
}
