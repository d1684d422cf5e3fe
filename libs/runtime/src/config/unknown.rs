//! Keys that nobody knows, found by comparing the file with its own schema.

use serde_json::Value;

use super::mistake::{Mistake, UNKNOWN_KEY};
use super::places::{Node, Places, join};

/// Every key of the file that the schema has no place for.
pub(super) fn keys(places: &Places, schema: &Value) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    walk(places.root(), schema, schema, "", &mut mistakes);
    mistakes
}

fn walk(node: &Node, schema: &Value, root: &Value, path: &str, mistakes: &mut Vec<Mistake>) {
    let schema = resolve(schema, root);
    match node {
        Node::Map(entries) => {
            let known = schema.get("properties").and_then(Value::as_object);
            let others = schema.get("additionalProperties");
            for (key, line, child) in entries {
                let path = join(path, key);
                if let Some(expected) = known.and_then(|known| known.get(key)) {
                    walk(child, expected, root, &path, mistakes);
                } else if let Some(expected) = others.filter(|others| others.is_object()) {
                    walk(child, expected, root, &path, mistakes);
                } else if others == Some(&Value::Bool(false)) {
                    let known = known.into_iter().flat_map(|known| known.keys()).map(String::as_str);
                    let unknown =
                        Mistake::new(UNKNOWN_KEY, path, "unknown key", advice(key, known.collect()));
                    mistakes.push(Mistake { line: Some(*line), ..unknown });
                }
            }
        }
        Node::List(items) => {
            let Some(expected) = schema.get("items") else { return };
            for (position, (_, child)) in items.iter().enumerate() {
                walk(child, expected, root, &format!("{path}[{position}]"), mistakes);
            }
        }
        Node::Scalar | Node::Null => {}
    }
}

/// Follows references and the `anyOf` that stands for an optional value.
fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let mut schema = schema;
    // References in our own schema are at most this deep.
    for _ in 0..8 {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            schema = root.pointer(name.trim_start_matches('#')).unwrap_or(schema);
        } else if let Some(present) =
            schema.get("anyOf").and_then(Value::as_array).and_then(|choices| choices.first())
        {
            schema = present;
        } else {
            break;
        }
    }
    schema
}

fn advice(key: &str, known: Vec<&str>) -> String {
    closest(key, known.iter().copied())
        .map(|close| format!("did you mean `{close}`?"))
        .unwrap_or_else(|| format!("known here: {}", known.join(", ")))
}

/// The known name that differs in the fewest letters, if it is close enough to be meant.
pub(super) fn closest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len() / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, other) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}
