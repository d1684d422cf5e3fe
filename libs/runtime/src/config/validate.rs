//! What a configuration must be beyond its form: connections.

use domain::ids::ConnectionId;

use super::connection::{Connection, KindRule, SECRET_FIELDS, SourceIpsMode};
use super::mistake::{KEY_MISSING, Mistake, UNKNOWN_NAME, VALUE};
use super::unknown::closest;
use super::{Configuration, oauth, validate_flow};

/// Everything that is wrong, in no particular order.
pub(super) fn all(configuration: &Configuration, rules: &[KindRule]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for tenant in configuration.tenants.keys() {
        mistakes.extend(plain_name(&format!("tenants.{tenant}"), tenant.as_str()));
    }
    for (id, connection) in &configuration.connections {
        mistakes.extend(plain_name(&format!("connections.{id}"), id.as_str()));
        check_connection(configuration, id, connection, rules, &mut mistakes);
    }
    mistakes.extend(configuration.connections.keys().filter_map(|id| credit_pool(configuration, id)));
    validate_flow::all(configuration, &mut mistakes);
    mistakes
}

/// A pool is of one vendor: credits of two are not the same.
fn credit_pool(configuration: &Configuration, id: &ConnectionId) -> Option<Mistake> {
    let kind = |id: &ConnectionId| configuration.connections.get(id).map(|connection| &connection.kind);
    let others = configuration.sharing_credits_with(id);
    let stranger = others.iter().find(|other| *other < id && kind(other) != kind(id))?;
    let what = format!("connection `{stranger}` of this pool is of another kind");
    let mend = "give each vendor's credits a pool of their own";
    Some(Mistake::new(VALUE, format!("connections.{id}.credit_pool"), what, mend))
}

/// Names that stand in an address or a subject are of plain letters.
fn plain_name(path: &str, name: &str) -> Option<Mistake> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (!name.chars().all(plain))
        .then(|| Mistake::new(VALUE, path, "this name stands in web addresses", "use a-z, 0-9, - and _ only"))
}

fn check_connection(
    configuration: &Configuration,
    id: &ConnectionId,
    connection: &Connection,
    rules: &[KindRule],
    mistakes: &mut Vec<Mistake>,
) {
    let path = format!("connections.{id}");
    if !configuration.tenants.contains_key(&connection.tenant) {
        let tenants = configuration.tenants.keys().map(|tenant| tenant.as_str());
        let mend = suggestion(connection.tenant.as_str(), tenants, "add it under `tenants`");
        let what = format!("there is no tenant `{}`", connection.tenant);
        mistakes.push(Mistake::new(UNKNOWN_NAME, format!("{path}.tenant"), what, mend));
    }
    let token_url = connection.oauth.as_ref().and_then(|oauth| oauth.token_url.as_ref());
    let urls = [
        ("base_url", Some(&connection.base_url)),
        ("webhook_url", connection.webhook_url.as_ref()),
        ("oauth.token_url", token_url),
    ];
    for (key, url) in urls {
        if url.is_some_and(|url| !is_http_url(url)) {
            let what = "this is not a web address";
            let mend = "write scheme and host, for example https://api.example.com";
            mistakes.push(Mistake::new(VALUE, format!("{path}.{key}"), what, mend));
        }
    }
    super::limits::check(&connection.limits, &connection.quarantine, &path, mistakes);
    for field in SECRET_FIELDS {
        check_window(connection, field, &path, mistakes);
    }
    let Some(rule) = rules.iter().find(|rule| rule.kind == connection.kind) else {
        let kinds: Vec<&str> = rules.iter().map(|rule| rule.kind).collect();
        let mend =
            suggestion(&connection.kind, kinds.iter().copied(), &format!("known: {}", kinds.join(", ")));
        let what = format!("there is no kind `{}`", connection.kind);
        mistakes.push(Mistake::new(UNKNOWN_NAME, format!("{path}.kind"), what, mend));
        return;
    };
    check_sources(connection, rule, &path, mistakes);
    mistakes.extend(oauth::check(connection, rule, &path));
    let needs =
        [(rule.call, "cannot call its vendor without"), (rule.verify, "would believe no webhook without")];
    for (position, (field, why)) in needs.into_iter().enumerate() {
        let elsewhere = position == 0 && oauth::replaces_key(connection, field);
        if (position == 0 || rule.call != rule.verify) && connection.secrets(field).is_empty() && !elsewhere {
            let what = format!("a connection of kind `{}` {why} `{field}`", rule.kind);
            mistakes.push(Mistake::new(
                KEY_MISSING,
                &path,
                what,
                format!("add `{field}` with {{env: NAME}}"),
            ));
        }
    }
    for field in SECRET_FIELDS {
        if field != rule.call
            && !rule.verifying().any(|verifying| verifying == field)
            && !connection.secrets(field).is_empty()
        {
            let what = format!("a connection of kind `{}` does not use `{field}`", rule.kind);
            let mend = format!("its keys go under `{}` and `{}`", rule.call, rule.verify);
            mistakes.push(Mistake::new(KEY_MISSING, format!("{path}.{field}"), what, mend));
        }
    }
}

/// A fence that does not stand, or that nobody can pass, is worse than none.
fn check_sources(connection: &Connection, rule: &KindRule, path: &str, mistakes: &mut Vec<Mistake>) {
    let sources = &connection.source_ips;
    for (position, region) in sources.regions.iter().enumerate() {
        if !rule.regions.contains(&region.as_str()) {
            let path = format!("{path}.source_ips.regions[{position}]");
            let what = format!("a connection of kind `{}` has no region `{region}`", rule.kind);
            let mend = match rule.regions {
                [] => "this vendor publishes no addresses; name them under `addresses`".to_owned(),
                regions => format!("known: {}", regions.join(", ")),
            };
            mistakes.push(Mistake::new(UNKNOWN_NAME, path, what, mend));
        }
    }
    if sources.mode != SourceIpsMode::Off && sources.regions.is_empty() && sources.addresses.is_empty() {
        let what = "no address is expected";
        let mend = "name `regions` or `addresses`, or write mode: off";
        mistakes.push(Mistake::new(VALUE, format!("{path}.source_ips"), what, mend));
    }
}

fn check_window(connection: &Connection, field: &str, path: &str, mistakes: &mut Vec<Mistake>) {
    for (position, key) in connection.secrets(field).into_iter().enumerate() {
        if let (Some(from), Some(until)) = (key.not_before, key.not_after)
            && from >= until
        {
            let path = format!("{path}.{field}[{position}]");
            let what = "this key is never in force";
            mistakes.push(Mistake::new(VALUE, path, what, "put not_before before not_after"));
        }
    }
}

fn is_http_url(text: &str) -> bool {
    text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    })
}

/// "did you mean …", or what else helps.
pub(super) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str>, otherwise: &str) -> String {
    closest(name, known).map_or_else(|| otherwise.to_owned(), |close| format!("did you mean `{close}`?"))
}
