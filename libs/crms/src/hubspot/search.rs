//! What changed lately: the search, and the history of a property (crm.md §2.7, §2.8).
//!
//! The search shows no more than 10,000 records of one query and sorts by one property only, so it is walked by the time
//! of change; where more than a page changed in the same millisecond, by the id within it. Its index lags behind: whoever
//! asks begins a little before where they were. It knows no history: that is read record by record, many at once.

use domain::personal::Personal;
use domain::time::Timestamp;
use outbound::Request;
use serde::Deserialize;
use serde_json::{Value, json};

use super::adapter::{HubSpot, parse_time};
use super::error::unreadable;
use super::wire::actor;
use crate::changes::{IDS_MAX, LastChange, LastChanges, Listed, Place, Wanted};
use crate::error::CrmError;

/// Most values named in one filter: the query is 3,000 characters at most.
const VALUES_MAX: usize = 40;

#[derive(Deserialize)]
struct Found {
    results: Vec<Hit>,
}

#[derive(Deserialize)]
struct Hit {
    id: String,
    #[serde(default)]
    properties: std::collections::BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    results: Vec<Past>,
    #[serde(default)]
    num_errors: u32,
    #[serde(default)]
    errors: Vec<Unread>,
}

/// Why some of a batch were not read.
#[derive(Deserialize)]
struct Unread {
    #[serde(default)]
    category: String,
    #[serde(default)]
    context: Context,
}

#[derive(Default, Deserialize)]
struct Context {
    #[serde(default)]
    ids: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Past {
    id: String,
    #[serde(default)]
    properties_with_history: std::collections::BTreeMap<String, Vec<Version>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    #[serde(default)]
    value: String,
    timestamp: String,
    #[serde(default)]
    source_type: String,
    source_id: Option<String>,
}

impl HubSpot {
    pub(super) async fn search(&self, wanted: &Wanted, place: &Place) -> Result<Listed, CrmError> {
        let url = self.address(&wanted.object_type, &["search"]);
        let query = query(wanted, place);
        let response = self.call(&self.searches, Request::post_json(url, "search_records", &query)).await?;
        let found: Found = response.json().map_err(|_| unreadable(&response))?;
        let changed = |hit: &Hit| parse_time(hit.properties.get(modified(&wanted.object_type))?.as_deref()?);
        let newest = found.results.iter().filter_map(changed).max();
        let ids: Vec<String> = found.results.into_iter().map(|hit| hit.id).take(IDS_MAX).collect();
        let next = after(place, &ids, newest);
        Ok(Listed { ids, newest, next })
    }

    pub(super) async fn histories(
        &self,
        object_type: &str,
        property: &str,
        ids: &[String],
    ) -> Result<LastChanges, CrmError> {
        if ids.is_empty() {
            return Ok(LastChanges::default());
        }
        let ids = &ids[..ids.len().min(IDS_MAX)];
        let inputs: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        let body = json!({
            "inputs": inputs, "properties": [property], "propertiesWithHistory": [property],
        });
        let url = self.address(object_type, &["batch", "read"]);
        let response = self.call(&self.outbound, Request::post_json(url, "read_histories", &body)).await?;
        let batch: Batch = response.json().map_err(|_| unreadable(&response))?;
        let failed = failed(&batch, ids);
        let found = batch.results.into_iter().filter_map(|past| last_change(past, property)).collect();
        Ok(LastChanges { found, failed })
    }
}

/// The property that says when a record was last changed.
fn modified(object_type: &str) -> &'static str {
    if object_type == "contact" { "lastmodifieddate" } else { "hs_lastmodifieddate" }
}

fn query(wanted: &Wanted, place: &Place) -> Value {
    let Wanted { object_type, property, values } = wanted;
    let (modified, since) = (modified(object_type), place.since.0.to_string());
    let fits = if values.is_empty() || values.len() > VALUES_MAX {
        json!({"propertyName": property, "operator": "HAS_PROPERTY"})
    } else {
        json!({"propertyName": property, "operator": "IN", "values": values})
    };
    let (filters, sort) = match &place.beyond {
        None => (vec![json!({"propertyName": modified, "operator": "GTE", "value": since}), fits], modified),
        Some(id) => {
            let then = json!({"propertyName": modified, "operator": "EQ", "value": since});
            let beyond = json!({"propertyName": "hs_object_id", "operator": "GT", "value": id});
            (vec![then, beyond, fits], "hs_object_id")
        }
    };
    json!({
        "filterGroups": [{"filters": filters}], "properties": [modified],
        "sorts": [{"propertyName": sort, "direction": "ASCENDING"}], "limit": IDS_MAX,
    })
}

/// Where the list goes on after a page.
fn after(place: &Place, ids: &[String], newest: Option<Timestamp>) -> Option<Place> {
    let full = ids.len() >= IDS_MAX;
    match (&place.beyond, full) {
        (None, false) => None,
        (None, true) => match newest {
            Some(newest) if newest > place.since => Some(Place::since(newest)),
            // All of it changed at once: within that time by id, from the first.
            Some(_) | None => Some(Place { beyond: Some("0".to_owned()), ..place.clone() }),
        },
        (Some(_), true) => Some(Place { beyond: ids.last().cloned(), ..place.clone() }),
        (Some(_), false) => Some(Place::since(Timestamp(place.since.0.saturating_add(1)))),
    }
}

/// Which of these the answer does not have although it does not say that they are gone.
fn failed(batch: &Batch, ids: &[String]) -> Vec<String> {
    let gone = |error: &Unread| error.category == "OBJECT_NOT_FOUND";
    let only_gone = !batch.errors.is_empty() && batch.errors.iter().all(gone);
    if only_gone || (batch.num_errors == 0 && batch.errors.is_empty()) {
        return Vec::new();
    }
    let said_gone =
        |id: &String| batch.errors.iter().any(|error| gone(error) && error.context.ids.contains(id));
    let read = |id: &String| batch.results.iter().any(|past| past.id == *id);
    ids.iter().filter(|id| !read(id) && !said_gone(id)).cloned().collect()
}

fn last_change(mut past: Past, property: &str) -> Option<LastChange> {
    let versions = past.properties_with_history.remove(property)?.into_iter();
    let timed = versions.filter_map(|version| Some((parse_time(&version.timestamp)?, version)));
    // The first of the newest: the vendor shows the newest first.
    let (changed_at, newest) = timed.reduce(|known, next| if next.0 > known.0 { next } else { known })?;
    Some(LastChange {
        object_id: past.id,
        value: Personal::new(newest.value),
        changed_at,
        actor: actor(&newest.source_type),
        actor_id: newest.source_id.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_walked_by_time_and_within_one_time_by_id_and_always_comes_to_its_end() {
        let place = Place::since(Timestamp(100));
        let page: Vec<String> = (1..=IDS_MAX).map(|id| id.to_string()).collect();
        assert_eq!(after(&place, &page, Some(Timestamp(140))), Some(Place::since(Timestamp(140))));
        let crowd = after(&place, &page, Some(Timestamp(100))).unwrap();
        assert_eq!(crowd.beyond.as_deref(), Some("0"));
        let further = after(&crowd, &page, Some(Timestamp(100))).unwrap();
        assert_eq!((further.since, further.beyond.as_deref()), (Timestamp(100), Some("50")));
        assert_eq!(after(&further, &page[..3], Some(Timestamp(100))), Some(Place::since(Timestamp(101))));
        assert_eq!(after(&place, &page[..3], Some(Timestamp(140))), None);
    }

    fn failed_of(said: &serde_json::Value) -> Vec<String> {
        let mut answer = json!({"status": "COMPLETE", "results": [{"id": "1"}]});
        answer.as_object_mut().unwrap().extend(said.as_object().unwrap().clone());
        let batch: Batch = serde_json::from_value(answer).unwrap();
        failed(&batch, &["1", "2", "3"].map(str::to_owned))
    }

    #[test]
    fn a_record_that_a_batch_lacks_is_gone_only_if_the_answer_does_not_say_that_reading_failed() {
        let gone = |ids: &[&str]| json!({"category": "OBJECT_NOT_FOUND", "context": {"ids": ids}});
        let failed = json!({"category": "INTERNAL_ERROR", "message": "(text)"});
        for none in [
            json!({}),
            json!({"numErrors": 0, "errors": []}),
            json!({"numErrors": 1, "errors": [gone(&["2", "3"])]}),
            json!({"numErrors": 2, "errors": [{"category": "OBJECT_NOT_FOUND"}]}),
        ] {
            assert!(failed_of(&none).is_empty(), "{none}");
        }
        assert_eq!(failed_of(&json!({"numErrors": 1})), ["2", "3"]);
        assert_eq!(failed_of(&json!({"numErrors": 2, "errors": [failed]})), ["2", "3"]);
        assert_eq!(failed_of(&json!({"numErrors": 2, "errors": [gone(&["2"]), failed]})), ["3"]);
    }
}
