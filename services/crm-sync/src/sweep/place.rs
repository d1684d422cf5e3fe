//! How far the sweep of one connection has come: one place for each flow and property.

use std::collections::{BTreeMap, BTreeSet};

use crms::Wanted;
use domain::time::Timestamp;
use runtime::config::Flow;
use runtime::random::derive_id;
use serde_json::{Value, json};

/// Records kept beside a place that could not be dealt with, at most.
pub const LEFT_MAX: usize = 100;

/// How far one list was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The newest change that was seen, by the CRM's clock.
    pub at: Timestamp,
    /// Nothing that happened before is looked at: before, there was no such flow.
    pub from: Timestamp,
    /// While a walk has not come to the list's end: what it looks at changed then or later. The list is in the order of
    /// a record's last change of anything, so further on stands what changed before [`Mark::at`].
    pub walk: Option<Timestamp>,
    /// Records that fit and could not be dealt with: asked for again.
    pub left: BTreeSet<String>,
}

/// All of it, as a job keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<String, Mark>);

impl Marks {
    /// What a job kept. What this version cannot read begins anew.
    pub fn read(words: Option<&str>) -> Marks {
        let kept = words.and_then(|words| serde_json::from_str::<BTreeMap<String, Value>>(words).ok());
        let mark = |value: &Value| {
            let left = value["left"].as_array().into_iter().flatten();
            Some(Mark {
                at: Timestamp(value["at"].as_i64()?),
                from: Timestamp(value["from"].as_i64()?),
                walk: value["walk"].as_i64().map(Timestamp),
                left: left.filter_map(|id| id.as_str().map(str::to_owned)).collect(),
            })
        };
        let marks = kept.unwrap_or_default();
        Marks(marks.iter().filter_map(|(key, value)| Some((key.clone(), mark(value)?))).collect())
    }

    /// The words to keep.
    pub fn words(&self) -> String {
        let words = |mark: &Mark| {
            let walk = mark.walk.map(|walk| walk.0);
            json!({"at": mark.at.0, "from": mark.from.0, "walk": walk, "left": mark.left})
        };
        let all: BTreeMap<&String, Value> = self.0.iter().map(|(key, mark)| (key, words(mark))).collect();
        json!(all).to_string()
    }

    /// The mark of this key.
    pub fn get(&self, key: &str) -> Option<Mark> {
        self.0.get(key).cloned()
    }

    /// Begins here with a key that has no mark yet.
    pub fn first_seen(&mut self, key: &str, at: Timestamp) {
        let mark = || Mark { at, from: at, walk: None, left: BTreeSet::new() };
        self.0.entry(key.to_owned()).or_insert_with(mark);
    }

    /// Sets the mark of this key.
    pub fn set(&mut self, key: &str, mark: Mark) {
        self.0.insert(key.to_owned(), mark);
    }

    /// Forgets what belongs to no flow any more.
    pub fn keep_only(&mut self, keys: &BTreeSet<String>) {
        self.0.retain(|key, _| keys.contains(key));
    }

    /// Records that wait for another try.
    pub fn left(&self) -> usize {
        self.0.values().map(|mark| mark.left.len()).sum()
    }
}

/// Names what a flow waits for: a flow that waits for something else from now on is a new one.
pub fn key(flow: &Flow, wanted: &Wanted) -> String {
    let condition = flow.when.condition.as_deref().unwrap_or_default();
    let parts =
        [flow.name.as_str(), flow.when.connection.as_str(), &flow.when.event, condition, &wanted.property];
    hex::encode(derive_id("lost triggers", &parts))
}

/// That much earlier.
pub fn before(at: Timestamp, by: std::time::Duration) -> Timestamp {
    Timestamp(at.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_survive_their_words_and_words_of_another_kind_begin_anew() {
        let mut marks = Marks::default();
        let left = ["7".to_owned()].into();
        let walked = Mark { at: Timestamp(5), from: Timestamp(3), walk: None, left };
        marks.set("a", walked.clone());
        marks.set("b", Mark { walk: Some(Timestamp(4)), ..walked });
        assert_eq!(Marks::read(Some(&marks.words())), marks);
        let earlier = r#"{"a": {"at": 5, "from": 3, "left": []}}"#;
        assert_eq!(
            Marks::read(Some(earlier)).get("a").map(|mark| (mark.at, mark.walk)),
            Some((Timestamp(5), None))
        );
        assert_eq!(Marks::read(Some("1800000000000")), Marks::default());
        assert_eq!(Marks::read(None), Marks::default());
    }
}
