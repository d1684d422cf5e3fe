//! HubSpot's own settings of a connection.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::connection::ConnectError;

/// Where objects live, with the type's place.
const BASE_PATH: &str = "/crm/v3/objects/{type}";
/// Requests in ten seconds of the smallest plan (crm.md §2.11).
const REQUESTS_PER_TEN_SECONDS: u32 = 100;
/// More than any plan allows; simulators under load may be given this much.
const REQUESTS_PER_TEN_SECONDS_MAX: u64 = 1_000_000;

/// Every option there is.
const KNOWN: [&str; 6] = [
    "app_id",
    "base_path",
    "requests_per_ten_seconds",
    "allow_legacy_v1",
    "allow_legacy_v2",
    "replay_window_seconds",
];
/// HubSpot's own window, and the widest (crm.md §2.2.2).
const REPLAY_WINDOW_SECONDS_MAX: u64 = 300;
/// Below this, clocks that differ a little refuse everything.
const REPLAY_WINDOW_SECONDS_MIN: u64 = 10;

/// The options, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) app_id: Option<String>,
    pub(super) base_path: String,
    pub(super) requests_per_ten_seconds: u32,
    pub(super) legacy: Legacy,
    /// How old a delivery may be, or how far ahead of our clock.
    pub(super) replay_window: Duration,
}

/// Which signatures without a timestamp are believed where the present one is missing. None, unless asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Legacy {
    pub(super) v1: bool,
    pub(super) v2: bool,
}

impl Options {
    pub(super) fn read(options: &Map<String, Value>) -> Result<Self, ConnectError> {
        if options.keys().any(|name| !KNOWN.contains(&name.as_str())) {
            return Err(problem(
                "options",
                "known are app_id, base_path, requests_per_ten_seconds, allow_legacy_v1, allow_legacy_v2 and \
                 replay_window_seconds",
            ));
        }
        let base_path = match options.get("base_path") {
            None => BASE_PATH.to_owned(),
            Some(Value::String(path)) if path.starts_with('/') && path.contains("{type}") => path.clone(),
            Some(_) => return Err(problem("base_path", "must begin with / and contain {type}")),
        };
        let requests_per_ten_seconds = match options.get("requests_per_ten_seconds") {
            None => REQUESTS_PER_TEN_SECONDS,
            Some(value) => value
                .as_u64()
                .filter(|number| (10..=REQUESTS_PER_TEN_SECONDS_MAX).contains(number))
                .and_then(|number| u32::try_from(number).ok())
                .ok_or(problem("requests_per_ten_seconds", "must be a number from 10 to 1000000"))?,
        };
        let app_id = match options.get("app_id") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(Value::Number(id)) => Some(id.to_string()),
            Some(_) => return Err(problem("app_id", "must be text, for example \"9900\"")),
        };
        let legacy = Legacy {
            v1: flag(options, "allow_legacy_v1")?.unwrap_or(false),
            v2: flag(options, "allow_legacy_v2")?.unwrap_or(false),
        };
        let window = match options.get("replay_window_seconds") {
            None => REPLAY_WINDOW_SECONDS_MAX,
            Some(value) => value
                .as_u64()
                .filter(|seconds| (REPLAY_WINDOW_SECONDS_MIN..=REPLAY_WINDOW_SECONDS_MAX).contains(seconds))
                .ok_or(problem("replay_window_seconds", "must be a number from 10 to 300"))?,
        };
        let replay_window = Duration::from_secs(window);
        Ok(Self { app_id, base_path, requests_per_ten_seconds, legacy, replay_window })
    }

    /// What an operator should know of settings that are allowed.
    pub(super) fn warnings(&self) -> Vec<&'static str> {
        let v1 = "options.allow_legacy_v1: signatures of version 1 have no timestamp: whoever once saw a delivery can send \
                  it again for ever; only deduplication stands in between";
        let v2 = "options.allow_legacy_v2: signatures of version 2 have no timestamp: whoever once saw a delivery can send \
                  it again for ever; only deduplication stands in between";
        [(self.legacy.v1, v1), (self.legacy.v2, v2)]
            .into_iter()
            .filter(|(on, _)| *on)
            .map(|(_, what)| what)
            .collect()
    }
}

fn flag(options: &Map<String, Value>, name: &'static str) -> Result<Option<bool>, ConnectError> {
    match options.get(name) {
        None => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(*on)),
        Some(_) => Err(problem(name, "must be true or false")),
    }
}

fn problem(setting: &'static str, problem: &'static str) -> ConnectError {
    ConnectError::Setting { setting, problem }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Options, ConnectError> {
        Options::read(value.as_object().unwrap())
    }

    #[test]
    fn an_app_id_may_be_written_as_number_or_text() {
        assert_eq!(read(json!({"app_id": 9900})), read(json!({"app_id": "9900"})));
    }

    #[test]
    fn an_option_that_is_unknown_or_cannot_be_used_is_refused() {
        for bad in [
            json!({"app-id": "9900"}),
            json!({"base_path": "/crm/v3/objects/deals"}),
            json!({"base_path": "crm/{type}"}),
            json!({"requests_per_ten_seconds": 0}),
            json!({"requests_per_ten_seconds": "many"}),
            json!({"allow_legacy_v1": "yes"}),
            json!({"replay_window_seconds": 301}),
            json!({"replay_window_seconds": 0}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
