//! What a configuration must be beyond its form: flows.

use std::collections::BTreeSet;

use domain::ids::ConnectionId;
use serde_json::json;

use super::Configuration;
use super::flow::{EnvelopePlan, Flow, Write};
use super::mistake::{EXPRESSION, FLOW, LOOP, Mistake, UNKNOWN_NAME};
use super::validate::suggestion;
use crate::expressions::{Expressions, is_template};

/// Stands for a value that is only known when a flow runs.
const ANY_VALUE: &str = "\u{1}any value\u{1}";

pub(super) fn all(configuration: &Configuration, mistakes: &mut Vec<Mistake>) {
    let mut names = BTreeSet::new();
    for (index, flow) in configuration.flows.iter().enumerate() {
        let path = format!("flows[{index}]");
        if !names.insert(&flow.name) {
            let what = format!("there are two flows named `{}`", flow.name);
            mistakes.push(Mistake::new(FLOW, format!("{path}.name"), what, "give each flow its own name"));
        }
        check_connections(configuration, flow, &path, mistakes);
        check_plan(&flow.envelope, &format!("{path}.envelope"), mistakes);
        check_expressions(flow, &path, mistakes);
        check_writes(configuration, flow, &path, mistakes);
    }
}

fn check_connections(configuration: &Configuration, flow: &Flow, path: &str, mistakes: &mut Vec<Mistake>) {
    let mut named = vec![
        ("when.connection".to_owned(), &flow.when.connection),
        ("envelope.provider".to_owned(), &flow.envelope.provider),
    ];
    named.extend(
        flow.write
            .iter()
            .enumerate()
            .map(|(index, write)| (format!("write[{index}].connection"), &write.connection)),
    );
    let mut tenants = BTreeSet::new();
    for (key, id) in named {
        if let Some(connection) = configuration.connections.get(id) {
            // A tenant nobody knows is a mistake of the connection already.
            if configuration.tenants.contains_key(&connection.tenant) {
                tenants.insert(&connection.tenant);
            }
            continue;
        }
        let known = configuration.connections.keys().map(ConnectionId::as_str);
        let mend = suggestion(id.as_str(), known, "add it under `connections`");
        mistakes.push(Mistake::new(
            UNKNOWN_NAME,
            format!("{path}.{key}"),
            format!("there is no connection `{id}`"),
            mend,
        ));
    }
    if tenants.len() > 1 {
        let what = "its connections belong to different tenants";
        mistakes.push(Mistake::new(FLOW, path, what, "use connections of one tenant"));
    }
}

fn check_plan(plan: &EnvelopePlan, path: &str, mistakes: &mut Vec<Mistake>) {
    let mut wrong = |key: &str, what: &str, mend: &str| {
        let path = if key.is_empty() { path.to_owned() } else { format!("{path}.{key}") };
        mistakes.push(Mistake::new(FLOW, path, what, mend));
    };
    let sources = [&plan.document_url, &plan.template, &plan.upload].into_iter().flatten().count();
    match (plan.adopt, sources) {
        (true, 0) if plan.parties.is_empty() => {}
        (true, _) => wrong("", "an adopted document exists already", "remove the document and the parties"),
        (false, 0) => wrong("", "there is no document", "add document_url, template or upload"),
        (false, 1) => {}
        (false, _) => wrong("", "there are two documents", "keep one of document_url, template and upload"),
    }
    if !plan.adopt && plan.parties.is_empty() {
        wrong("", "nobody signs", "add parties");
    }
    if plan.template.is_none() && !plan.prefill.is_empty() {
        wrong("prefill", "only a template has fields to fill", "add template, or remove prefill");
    }
    let pauses = plan.remind_after.iter().chain(&plan.expires_after);
    if pauses.into_iter().any(|span| span.0.is_zero()) {
        wrong("", "a span of time is zero", "write a span such as 2d");
    }
    if let Some(expiry) = plan.expires_after
        && plan.remind_after.iter().any(|span| *span >= expiry)
    {
        wrong("remind_after", "a reminder comes after the deadline", "remind earlier, or expire later");
    }
}

fn check_expressions(flow: &Flow, path: &str, mistakes: &mut Vec<Mistake>) {
    let mut add = |key: &str, errors: Result<Expressions, Vec<crate::expressions::ExpressionError>>| {
        for error in errors.err().into_iter().flatten() {
            let mend = "mend the expression (Jinja)";
            mistakes.push(Mistake::new(EXPRESSION, format!("{path}.{key}"), error.to_string(), mend));
        }
    };
    for (key, text) in flow.templates().into_iter().filter(|(_, text)| is_template(text)) {
        add(&key, Expressions::compile([text], []));
    }
    if let Some(condition) = &flow.when.condition {
        add("when.if", Expressions::compile([], [condition.as_str()]));
    }
}

/// A stage that is both trigger and target would make envelopes for ever. What a condition accepts cannot be
/// solved in general, so every written value is put to every condition of the same connection.
fn check_writes(configuration: &Configuration, flow: &Flow, path: &str, mistakes: &mut Vec<Mistake>) {
    for (index, write) in flow.write.iter().enumerate() {
        for (moment, properties) in write.moments() {
            for (property, value) in properties {
                let started = configuration.flows.iter().find(|other| {
                    other.when.connection == write.connection
                        && starts(configuration, other, write, property, value)
                });
                let Some(started) = started else { continue };
                let what = format!("this write would start the flow `{}`", started.name);
                let mend = "write another value, or narrow that flow's `if`";
                let path = format!("{path}.write[{index}].{moment}.{property}");
                mistakes.push(Mistake::new(LOOP, path, what, mend));
            }
        }
    }
}

/// Whether our own change of `property` to `value` would start `flow`, as far as can be told here.
fn starts(configuration: &Configuration, flow: &Flow, write: &Write, property: &str, value: &str) -> bool {
    let Some(condition) = &flow.when.condition else {
        // Without a condition, any change of a property starts it; the making of a record does not.
        return flow.when.event.to_ascii_lowercase().contains("property");
    };
    let value = if is_template(value) { ANY_VALUE } else { value };
    let account = configuration.connections.get(&write.connection);
    let account =
        account.and_then(|connection| connection.portal_id.as_ref().or(connection.account.as_ref()));
    let event = json!({
        "event": flow.when.event, "account": account, "object_type": write.object, "object_id": "0",
        "property": property, "value": value, "actor": "integration",
    });
    // A condition that asks for more than this cannot be judged before the flow runs.
    Expressions::default().condition(condition, &event).unwrap_or(false)
}
