//! The search over an index that lags behind (crm.md §2.8).

use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use simulation::clock;

use super::state::{Portal, Values};

const GROUPS_MAX: usize = 5;
const FILTERS_MAX: usize = 18;
const PAGE_MAX: usize = 200;
/// No query shows more than this, whatever the page.
const WINDOW_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Query {
    #[serde(default)]
    filter_groups: Vec<Group>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    sorts: Vec<Sort>,
    limit: Option<usize>,
    after: Option<Value>,
}

#[derive(Deserialize)]
struct Group {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    high_value: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sort {
    property_name: String,
    #[serde(default)]
    direction: String,
}

/// The answer, or the code of what is wrong with the query.
pub(super) fn run(portal: &Portal, query: &Query, as_of: Timestamp) -> Result<Value, &'static str> {
    let filters: usize = query.filter_groups.iter().map(|group| group.filters.len()).sum();
    let limit = query.limit.unwrap_or(10);
    let after = query.after.as_ref().map_or(Some(0), |after| match after {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|number| usize::try_from(number).ok()),
        Value::Null => Some(0),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    });
    let after = after.ok_or("INVALID_AFTER")?;
    if query.filter_groups.len() > GROUPS_MAX || filters > FILTERS_MAX || query.sorts.len() > 1 {
        return Err("TOO_MANY_FILTERS");
    }
    if limit > PAGE_MAX || after + limit > WINDOW_MAX {
        return Err("OUT_OF_WINDOW");
    }

    let mut found: Vec<Values> = Vec::new();
    for deal in portal.deals.values().filter(|deal| !deal.archived) {
        let Some(values) = deal.as_of(as_of) else { continue };
        if matches(query, &values)? {
            found.push(values);
        }
    }
    if let Some(sort) = query.sorts.first() {
        let key = |values: &Values| sortable(values.get(&sort.property_name).map_or("", String::as_str));
        found.sort_by_key(key);
        if sort.direction == "DESCENDING" {
            found.reverse();
        }
    }

    let page: Vec<Value> =
        found.iter().skip(after).take(limit).map(|values| shown(values, &query.properties)).collect();
    let mut answer = json!({"total": found.len(), "results": page});
    if found.len() > after + limit {
        answer["paging"] = json!({"next": {"after": (after + limit).to_string()}});
    }
    Ok(answer)
}

fn matches(query: &Query, values: &Values) -> Result<bool, &'static str> {
    let mut any = query.filter_groups.is_empty();
    for group in &query.filter_groups {
        let mut all = true;
        for filter in &group.filters {
            all &= fits(filter, values.get(&filter.property_name).map_or("", String::as_str))?;
        }
        any |= all;
    }
    Ok(any)
}

fn fits(filter: &Filter, value: &str) -> Result<bool, &'static str> {
    let (known, wanted) = (sortable(value), sortable(&filter.value));
    Ok(match filter.operator.as_str() {
        "EQ" => known == wanted,
        "NEQ" => known != wanted,
        "LT" => !value.is_empty() && known < wanted,
        "LTE" => !value.is_empty() && known <= wanted,
        "GT" => !value.is_empty() && known > wanted,
        "GTE" => !value.is_empty() && known >= wanted,
        "BETWEEN" => !value.is_empty() && known >= wanted && known <= sortable(&filter.high_value),
        "IN" => filter.values.iter().any(|option| option == value),
        "NOT_IN" => filter.values.iter().all(|option| option != value),
        "HAS_PROPERTY" => !value.is_empty(),
        "NOT_HAS_PROPERTY" => value.is_empty(),
        "CONTAINS_TOKEN" => value.split_whitespace().any(|token| token.eq_ignore_ascii_case(&filter.value)),
        "NOT_CONTAINS_TOKEN" => {
            !value.split_whitespace().any(|token| token.eq_ignore_ascii_case(&filter.value))
        }
        _ => return Err("INVALID_OPERATOR"),
    })
}

/// A value in a form that compares as HubSpot does: times as milliseconds, numbers as numbers, the rest as text.
fn sortable(value: &str) -> (i64, String) {
    let time = clock::read_iso(value).map(|at| at.0);
    match value.parse::<i64>().ok().or(time) {
        Some(number) => (number, String::new()),
        None => (i64::MIN, value.to_lowercase()),
    }
}

fn shown(values: &Values, asked: &[String]) -> Value {
    let always = ["createdate", "hs_lastmodifieddate", "hs_object_id"];
    let names = asked.iter().map(String::as_str).chain(always);
    let value = |name: &str| values.get(name).cloned().map_or(Value::Null, Value::from);
    let properties: Map<String, Value> = names.map(|name| (name.to_owned(), value(name))).collect();
    json!({
        "id": value("hs_object_id"), "properties": properties, "createdAt": value("createdate"),
        "updatedAt": value("hs_lastmodifieddate"), "archived": false,
    })
}
