//! Reading vendors' JSON leniently: take what is needed, ignore what is new, never fail on the rest.

use std::collections::BTreeMap;

use domain::ids::ProviderEnvelopeId;
use domain::time::Timestamp;
use serde_json::Value;

/// Most correlation entries kept of one envelope.
const CORRELATION_ENTRIES_MAX: usize = 50;
/// Longest correlation key, in bytes; longer ones are dropped.
const CORRELATION_KEY_BYTES_MAX: usize = 100;
/// Longest correlation value, in bytes; longer ones are dropped.
const CORRELATION_VALUE_BYTES_MAX: usize = 1024;
/// Longest event name, in bytes; longer ones are cut.
const EVENT_BYTES_MAX: usize = 100;

/// The first non-empty text that stands at one of the JSON pointers.
pub(crate) fn text<'a>(value: &'a Value, pointers: &[&str]) -> Option<&'a str> {
    pointers
        .iter()
        .filter_map(|pointer| value.pointer(pointer)?.as_str())
        .find(|text| !text.trim().is_empty())
}

/// The first non-empty text at one of the pointers that can be an envelope id.
pub(crate) fn envelope_id(value: &Value, pointers: &[&str]) -> Option<ProviderEnvelopeId> {
    text(value, pointers)?.parse().ok()
}

/// The first RFC 3339 time at one of the pointers, cut to milliseconds.
pub(crate) fn time(value: &Value, pointers: &[&str]) -> Option<Timestamp> {
    pointers.iter().find_map(|pointer| parse_time(value.pointer(pointer)?.as_str()?))
}

/// An RFC 3339 time with any number of fractional digits, cut to milliseconds.
pub(crate) fn parse_time(text: &str) -> Option<Timestamp> {
    let parsed: jiff::Timestamp = text.trim().parse().ok()?;
    Some(Timestamp(parsed.as_millisecond()))
}

/// The first non-negative whole number at one of the pointers.
pub(crate) fn number(value: &Value, pointers: &[&str]) -> Option<u64> {
    pointers.iter().find_map(|pointer| value.pointer(pointer)?.as_u64())
}

/// The first list at one of the pointers; empty if there is none.
pub(crate) fn list<'a>(value: &'a Value, pointers: &[&str]) -> &'a [Value] {
    pointers.iter().find_map(|pointer| value.pointer(pointer)?.as_array()).map_or(&[], Vec::as_slice)
}

/// The correlation data at the first pointer that holds an object: nested keys joined by dots, values as text.
pub(crate) fn correlation(value: &Value, pointers: &[&str]) -> BTreeMap<String, String> {
    let mut entries = BTreeMap::new();
    if let Some(found) = pointers.iter().filter_map(|pointer| value.pointer(pointer)).find(|v| v.is_object())
    {
        flatten(found, String::new(), &mut entries);
    }
    entries
}

/// The recursion is bounded by the depth limit of the JSON parser.
fn flatten(value: &Value, key: String, entries: &mut BTreeMap<String, String>) {
    let text = match value {
        Value::Object(members) => {
            for (name, member) in members {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(member, key, entries);
            }
            return;
        }
        Value::Null => return,
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
    };
    let fits = key.len() <= CORRELATION_KEY_BYTES_MAX && text.len() <= CORRELATION_VALUE_BYTES_MAX;
    if fits && entries.len() < CORRELATION_ENTRIES_MAX {
        entries.insert(key, text);
    }
}

/// An event's name, cut to its limit at a character's edge.
pub(crate) fn event_name(name: &str) -> String {
    let end = name.floor_char_boundary(EVENT_BYTES_MAX.min(name.len()));
    name.get(..end).unwrap_or_default().to_owned()
}

/// A status word that the contract does not list: it changes nothing by itself, and somebody should look.
pub(crate) fn strange_status(word: &str) {
    tracing::warn!(status = crate::error::stable(word), "the vendor says a status that nobody here knows");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn microseconds_are_cut_to_milliseconds_and_offsets_are_honoured() {
        assert_eq!(parse_time("1970-01-01T00:00:01.234567Z"), Some(Timestamp(1234)));
        assert_eq!(parse_time("1970-01-01T01:00:01+01:00"), Some(Timestamp(1000)));
        assert_eq!(parse_time("yesterday"), None);
    }

    #[test]
    fn correlation_is_flat_text_and_bounded() {
        let value =
            json!({"metadata": {"a": 1, "b": {"c": true, "d": null}, "e": "x", "f": "y".repeat(2000)}});
        let flat = correlation(&value, &["/nowhere", "/metadata"]);
        let expected = [("a", "1"), ("b.c", "true"), ("e", "x")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(flat, BTreeMap::from(expected));

        let many: serde_json::Map<String, Value> = (0..200).map(|i| (format!("k{i}"), json!(i))).collect();
        assert_eq!(correlation(&json!({"metadata": many}), &["/metadata"]).len(), CORRELATION_ENTRIES_MAX);
    }

    #[test]
    fn a_long_event_name_is_cut_between_characters() {
        assert_eq!(event_name(&"é".repeat(99)), "é".repeat(50));
    }
}
