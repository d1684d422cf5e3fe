//! HubSpot's batches: one signal per event (crm.md §2.3). What is no batch may be what a workflow sends.

use domain::intake::{Actor, Meaning, NoMeaning, RecordChange, SIGNALS_MAX, Signal};
use domain::personal::Personal;
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use signatures::sha256_hex;

use super::{OBJECTS, workflow};

/// Longest dedupe key, in bytes; a longer one is replaced by its hash.
const DEDUPE_BYTES_MAX: usize = 512;
/// Longest event name, in bytes; a longer one is cut.
const EVENT_BYTES_MAX: usize = 100;

/// What tells our events from others'. What is `None` is not checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Ours {
    pub(super) portal_id: Option<String>,
    pub(super) app_id: Option<String>,
}

/// One event, as far as we read it. Numbers of 64 bits become text at once.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_id: Option<Id>,
    portal_id: Id,
    app_id: Option<Id>,
    occurred_at: i64,
    /// The older tables call it `eventType`.
    subscription_type: Option<String>,
    event_type: Option<String>,
    object_id: Option<Id>,
    primary_object_id: Option<Id>,
    object_type_id: Option<String>,
    #[serde(default)]
    property_name: String,
    property_value: Option<Text>,
    #[serde(default)]
    change_source: String,
    source_id: Option<Id>,
}

/// An id, as number or as text.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Id {
    Number(u64),
    Signed(i64),
    Text(String),
}

impl Id {
    pub(super) fn into_text(self) -> String {
        match self {
            Id::Number(number) => number.to_string(),
            Id::Signed(number) => number.to_string(),
            Id::Text(text) => text,
        }
    }
}

/// A property's value: text by contract, read leniently.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Text(String),
    Other(serde_json::Value),
}

/// Splits a verified body. A bad event costs only itself; a body that is neither a batch nor what a workflow sends is one
/// unreadable signal.
pub(super) fn split(body: &[u8], received_at: Timestamp, ours: &Ours) -> Vec<Signal> {
    match serde_json::from_slice::<Vec<&RawValue>>(body) {
        Ok(events) if events.len() <= SIGNALS_MAX => {
            events.into_iter().map(|event| read(event.get(), ours)).collect()
        }
        Ok(_) => vec![unreadable(body)],
        Err(_) => workflow::split(body, received_at, ours).unwrap_or_else(|| vec![unreadable(body)]),
    }
}

fn read(raw: &str, ours: &Ours) -> Signal {
    let event: Option<Event> = serde_json::from_str(raw).ok();
    event.and_then(|event| signal(event, raw, ours)).unwrap_or_else(|| unreadable(raw.as_bytes()))
}

fn signal(event: Event, raw: &str, ours: &Ours) -> Option<Signal> {
    let subscription = event.subscription_type.or(event.event_type)?;
    let (family, kind) = subscription.split_once('.')?;
    let object_type = object_type(family, event.object_type_id.as_deref());
    let object_id = event.object_id.or(event.primary_object_id).map(Id::into_text);
    let account = event.portal_id.into_text();
    let event_id = event.event_id.map(Id::into_text).unwrap_or_default();
    let occurred_at = Timestamp(event.occurred_at);

    let key = [
        account.as_str(),
        &subscription,
        object_id.as_deref().unwrap_or_default(),
        &event_id,
        &event.occurred_at.to_string(),
        &event.property_name,
    ]
    .join("|");
    let foreign_app =
        ours.app_id.is_some() && event.app_id.map(Id::into_text).is_some_and(|id| Some(id) != ours.app_id);
    let foreign_portal = ours.portal_id.as_ref().is_some_and(|portal| *portal != account);
    let meaning = match (kind, &object_id) {
        _ if foreign_app || foreign_portal => Meaning::Nothing(NoMeaning::NotOurs),
        ("propertyChange", None) => return None,
        ("propertyChange" | "creation" | "deletion" | "restore" | "merge", Some(object_id)) => {
            Meaning::Record(RecordChange {
                account,
                object_type: object_type.clone(),
                object_id: object_id.clone(),
                property: event.property_name,
                value: Personal::new(event.property_value.map(Text::into_text).unwrap_or_default()),
                changed_at: occurred_at,
                actor: actor(&event.change_source),
                actor_id: event.source_id.map(Id::into_text).unwrap_or_default(),
            })
        }
        ("creation" | "deletion" | "restore" | "merge", None)
        | ("associationChange" | "privacyDeletion", _) => Meaning::Nothing(NoMeaning::NotOurs),
        _ => Meaning::Nothing(NoMeaning::UnknownEvent),
    };

    let hash = || sha256_hex(raw.as_bytes());
    Some(Signal {
        dedupe: bounded(key),
        also: None,
        subject: object_id.map_or_else(|| format!("event:{}", hash()), |id| format!("{object_type}:{id}")),
        event: cut(format!("{object_type}.{kind}")),
        occurred_at: Some(occurred_at),
        meaning,
        raw: raw.as_bytes().to_vec(),
    })
}

impl Text {
    pub(super) fn into_text(self) -> String {
        match self {
            Text::Text(text) => text,
            Text::Other(serde_json::Value::Null) => String::new(),
            Text::Other(value) => value.to_string(),
        }
    }
}

fn unreadable(bytes: &[u8]) -> Signal {
    let hash = sha256_hex(bytes);
    Signal {
        subject: format!("unreadable:{hash}"),
        dedupe: format!("sha256:{hash}"),
        also: None,
        event: "unreadable".to_owned(),
        occurred_at: None,
        meaning: Meaning::Nothing(NoMeaning::Unreadable),
        raw: bytes.to_vec(),
    }
}

/// Both forms of a subscription get one name: `object.propertyChange` of type `0-3` is `deal.propertyChange`.
pub(super) fn object_type(family: &str, type_id: Option<&str>) -> String {
    let type_id = type_id.filter(|_| family == "object");
    let known = type_id.and_then(|id| OBJECTS.iter().find(|(_, known, _)| *known == id));
    known.map_or(type_id.unwrap_or(family), |(name, ..)| name).to_lowercase()
}

/// Who a change is from, by the word that webhooks and histories have for it.
pub(super) fn actor(change_source: &str) -> Actor {
    match change_source {
        "CRM_UI" | "MOBILE_IOS" | "MOBILE_ANDROID" => Actor::Human,
        "INTEGRATION" | "API" => Actor::Integration,
        "IMPORT" => Actor::Import,
        "AUTOMATION_PLATFORM" | "WORKFLOWS" => Actor::Workflow,
        _ => Actor::Unknown,
    }
}

/// A dedupe key as long as one may be.
pub(super) fn bounded(key: String) -> String {
    if key.len() <= DEDUPE_BYTES_MAX { key } else { sha256_hex(key.as_bytes()) }
}

pub(super) fn cut(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(EVENT_BYTES_MAX));
    name
}
