//! Answers that go wrong as ordered: `POST /__sim/faults`.

use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const RULES_MAX: usize = 1_000;
const HOLD_DEFAULT: Duration = Duration::from_secs(30);

/// What a rule does to a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// This answer instead of the real one; nothing is applied, unless `after_apply`.
    Answer {
        /// HTTP status.
        status: u16,
        /// A text is sent as it is, anything else as JSON.
        body: Option<Value>,
        /// Headers by name.
        headers: Map<String, Value>,
        /// The change is applied first, and its own answer is lost.
        after_apply: bool,
    },
    /// The change is applied, then silence, then the line is closed.
    TimeoutAfterApply(Duration),
    /// Silence, then the line is closed; nothing is applied.
    TimeoutBeforeApply(Duration),
    /// The line is closed at once; nothing is applied.
    DropConnection,
    /// The real answer, later.
    Delay(Duration),
    /// An HTML page of a proxy with 502; nothing is applied.
    Html502,
    /// The change is applied, but the answer breaks off in its middle.
    TruncateBody,
    /// The real answer; its second half comes later.
    SlowBody(Duration),
}

impl Action {
    /// The name used on the wire and in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Answer { .. } => "status",
            Self::TimeoutAfterApply(_) => "timeout_after_apply",
            Self::TimeoutBeforeApply(_) => "timeout_before_apply",
            Self::DropConnection => "drop_connection",
            Self::Delay(_) => "delay_ms",
            Self::Html502 => "html_502",
            Self::TruncateBody => "truncate_body",
            Self::SlowBody(_) => "slow_body_ms",
        }
    }

    fn read(action: &Value, hold: Duration) -> Result<Self, String> {
        let name = action.as_str().or_else(|| action.as_object()?.keys().next().map(String::as_str));
        let members = action.as_object().cloned().unwrap_or_default();
        let number = |name: &str| members.get(name).and_then(Value::as_u64);
        if let Some(status) = number("status") {
            let status = u16::try_from(status).ok().filter(|status| (200..600).contains(status));
            let headers = members.get("headers").and_then(Value::as_object).cloned().unwrap_or_default();
            let status = status.ok_or("status must be between 200 and 599")?;
            let after_apply = members.get("after_apply").and_then(Value::as_bool).unwrap_or(false);
            return Ok(Self::Answer { status, body: members.get("body").cloned(), headers, after_apply });
        }
        match name {
            Some("timeout_after_apply") => Ok(Self::TimeoutAfterApply(hold)),
            Some("timeout_before_apply") => Ok(Self::TimeoutBeforeApply(hold)),
            Some("drop_connection") => Ok(Self::DropConnection),
            Some("delay_ms") => Ok(Self::Delay(Duration::from_millis(number("delay_ms").unwrap_or(0)))),
            Some("html_502") => Ok(Self::Html502),
            Some("slow_body_ms") => {
                Ok(Self::SlowBody(Duration::from_millis(number("slow_body_ms").unwrap_or(0))))
            }
            Some("truncate_body") => Ok(Self::TruncateBody),
            Some(_) | None => Err("unknown action".to_owned()),
        }
    }
}

/// One order: which requests, how often, what happens to them.
#[derive(Clone, Debug)]
pub struct Rule {
    /// HTTP method; any if absent.
    pub method: Option<String>,
    /// Path prefix, or with a leading `~` a part of the path; any if absent.
    pub path: Option<String>,
    /// Matching requests to let through first.
    pub after: u32,
    /// How many requests it still applies to.
    pub times: u32,
    /// What happens to them.
    pub action: Action,
}

/// The wire form of a [`Rule`].
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct RuleWire {
    #[serde(rename = "match", default)]
    pub matches: MatchWire,
    #[serde(default)]
    pub after: u32,
    #[serde(default = "once")]
    pub times: u32,
    pub hold_ms: Option<u64>,
    pub action: Value,
}

#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct MatchWire {
    pub method: Option<String>,
    pub path: Option<String>,
}

fn once() -> u32 {
    1
}

impl TryFrom<RuleWire> for Rule {
    type Error = String;

    fn try_from(wire: RuleWire) -> Result<Self, String> {
        let hold = wire.hold_ms.map_or(HOLD_DEFAULT, Duration::from_millis);
        let action = Action::read(&wire.action, hold)?;
        let MatchWire { method, path } = wire.matches;
        Ok(Self { method, path, after: wire.after, times: wire.times, action })
    }
}

impl Rule {
    fn fits(&self, method: &str, path: &str) -> bool {
        let path_fits = match self.path.as_deref() {
            Some(wanted) => {
                wanted.strip_prefix('~').map_or_else(|| path.starts_with(wanted), |part| path.contains(part))
            }
            None => true,
        };
        path_fits && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
    }
}

/// The orders in force, oldest first; the first that fits wins.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    /// Adds an order. At most 1,000 are kept; the oldest leave first.
    pub fn add(&self, rule: Rule) {
        let mut rules = self.0.lock();
        if rules.len() >= RULES_MAX {
            rules.remove(0);
        }
        rules.push(rule);
    }

    /// What to do to this request, if anything; counts down.
    pub(crate) fn take(&self, method: &str, path: &str) -> Option<Action> {
        let mut rules = self.0.lock();
        let index = rules.iter().position(|rule| rule.fits(method, path))?;
        let rule = &mut rules[index];
        if rule.after > 0 {
            rule.after -= 1;
            return None;
        }
        rule.times = rule.times.saturating_sub(1);
        let action = rule.action.clone();
        if rule.times == 0 {
            rules.remove(index);
        }
        Some(action)
    }

    /// The orders still in force.
    pub fn rules(&self) -> Vec<Rule> {
        self.0.lock().clone()
    }

    /// Forgets every order.
    pub fn clear(&self) {
        self.0.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rule(wire: Value) -> Rule {
        Rule::try_from(serde_json::from_value::<RuleWire>(wire).unwrap()).unwrap()
    }

    #[test]
    fn a_rule_applies_as_often_as_ordered_and_only_where_it_fits() {
        let faults = Faults::default();
        faults.add(rule(
            json!({"match": {"method": "PATCH", "path": "~/deals/"}, "times": 2, "action": "html_502"}),
        ));
        assert_eq!(faults.take("GET", "/crm/deals/1"), None);
        assert_eq!(faults.take("patch", "/crm/deals/1"), Some(Action::Html502));
        assert_eq!(faults.take("PATCH", "/crm/contacts/1"), None);
        assert_eq!(faults.take("PATCH", "/crm/deals/2"), Some(Action::Html502));
        assert_eq!(faults.take("PATCH", "/crm/deals/3"), None);
    }

    #[test]
    fn actions_are_read_from_a_word_or_an_object() {
        let action = |action: Value| rule(json!({"hold_ms": 5, "action": action})).action;
        assert_eq!(action(json!("timeout_after_apply")), Action::TimeoutAfterApply(Duration::from_millis(5)));
        assert_eq!(action(json!({"delay_ms": 9})), Action::Delay(Duration::from_millis(9)));
        assert!(matches!(action(json!({"status": 503, "body": "no"})), Action::Answer { status: 503, .. }));
        assert!(Action::read(&json!("explode"), HOLD_DEFAULT).is_err());
    }
}
