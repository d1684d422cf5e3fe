//! One change of an input.

use bolero::TypeGenerator;
use serde_json::Value;

/// Longest input a change makes, in bytes: beyond it a parser meets nothing new, only later.
const BYTES_MAX: usize = 16 * 1024;

/// What parsers stumble over.
const TOKENS: [&str; 30] = [
    "null",
    "true",
    "{}",
    "[]",
    "[[]]",
    "\"\"",
    "0",
    "-1",
    "1e999",
    "0.5",
    "-0.0",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "\"\\u0000\"",
    "\"\\ud83d\"",
    "\"\u{feff}\u{202e}ß\"",
    "\"9999-12-31T23:59:60.999999999Z\"",
    "\"2026-02-30T00:00:00Z\"",
    "\"document.draft\"",
    "\"document.completed\"",
    "\"signed\"",
    "\"envelope.signed\"",
    "\"recipient_completed\"",
    "\"deal.propertyChange\"",
    "\"object.propertyChange\"",
    "{\"id\":{\"id\":[]}}",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    "\"%3a%2F%\"",
    "\"env_01JX8Z3V5T\"",
];

/// One change of an input. Places count modulo its length.
#[derive(Clone, Debug, TypeGenerator)]
pub enum Change {
    /// One bit flips.
    Flip(u16, u8),
    /// One byte becomes another.
    Set(u16, u8),
    /// A byte comes in.
    Insert(u16, u8),
    /// Some bytes go.
    Remove(u16, u8),
    /// Some bytes come twice.
    Repeat(u16, u8),
    /// Everything behind goes.
    Cut(u16),
    /// A token comes in.
    Token(u16, u8),
    /// A JSON node becomes a token.
    Node(u16, u8),
    /// A JSON node moves to the place of another.
    Move(u16, u16),
    /// A JSON node goes.
    Drop(u16),
    /// Part of another good input comes in.
    Splice(u16, u16, u16),
}

impl Change {
    pub(crate) fn apply(&self, mut bytes: Vec<u8>, seeds: &[Vec<u8>]) -> Vec<u8> {
        let place = |place: u16| usize::from(place) % (bytes.len() + 1);
        let changed = match *self {
            Change::Flip(at, bit) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (bit % 8);
                }
                bytes
            }
            Change::Set(at, new) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = new;
                }
                bytes
            }
            Change::Insert(at, new) => {
                bytes.insert(place(at), new);
                bytes
            }
            Change::Remove(at, count) => {
                let start = place(at);
                let end = (start + usize::from(count)).min(bytes.len());
                bytes.drain(start..end);
                bytes
            }
            Change::Repeat(at, count) => {
                let start = place(at);
                let end = (start + usize::from(count)).min(bytes.len());
                let again = bytes[start..end].to_vec();
                bytes.splice(end..end, again);
                bytes
            }
            Change::Cut(at) => {
                bytes.truncate(place(at));
                bytes
            }
            Change::Token(at, which) => {
                let at = place(at);
                bytes.splice(at..at, token(which).bytes());
                bytes
            }
            Change::Node(which, new) => in_json(bytes, |value| {
                if let Ok(new) = serde_json::from_str(token(new)) {
                    replace(value, &mut usize::from(which % 97), new);
                }
            }),
            Change::Move(from, to) => in_json(bytes, |value| {
                if let Some(moved) = node(value, &mut usize::from(from % 97)).cloned() {
                    replace(value, &mut usize::from(to % 97), moved);
                }
            }),
            Change::Drop(which) => in_json(bytes, |value| {
                replace(value, &mut usize::from(which % 97), Value::Null);
                strip_nulls(value);
            }),
            Change::Splice(at, seed, from) => {
                let at = place(at);
                let other = seeds.get(usize::from(seed) % seeds.len().max(1)).map_or(&[][..], Vec::as_slice);
                let from = usize::from(from) % (other.len() + 1);
                bytes.splice(at..at, other[from..].iter().copied());
                bytes
            }
        };
        if changed.len() > BYTES_MAX { changed[..BYTES_MAX].to_vec() } else { changed }
    }
}

fn token(which: u8) -> &'static str {
    TOKENS[usize::from(which) % TOKENS.len()]
}

/// Changes the bytes as JSON, where they are JSON.
fn in_json(bytes: Vec<u8>, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let Ok(mut value) = serde_json::from_slice(&bytes) else { return bytes };
    change(&mut value);
    value.to_string().into_bytes()
}

/// The children of a node.
fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Object(values) => values.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The node reached when `left` have been passed, in depth-first order.
fn node<'a>(value: &'a Value, left: &mut usize) -> Option<&'a Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    children(value).into_iter().find_map(|child| node(child, left))
}

/// Puts `new` where [`node`] arrives; says whether it did.
fn replace(value: &mut Value, left: &mut usize, new: Value) -> bool {
    if *left == 0 {
        *value = new;
        return true;
    }
    *left -= 1;
    match value {
        Value::Array(values) => values.iter_mut().any(|child| replace(child, left, new.clone())),
        Value::Object(values) => values.values_mut().any(|child| replace(child, left, new.clone())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn strip_nulls(value: &mut Value) {
    match value {
        Value::Array(values) => {
            values.retain(|child| !child.is_null());
            values.iter_mut().for_each(strip_nulls);
        }
        Value::Object(values) => {
            values.retain(|_, child| !child.is_null());
            values.values_mut().for_each(strip_nulls);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
