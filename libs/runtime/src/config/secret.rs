//! Secrets: named in the file, held elsewhere, never printed.

use std::fmt;
use std::path::{Path, PathBuf};

use domain::time::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::connection::SECRET_FIELDS;
use super::mistake::{Mistake, SECRET_REFERENCE};
use super::oauth;
use super::places::{Node, Places};

/// Largest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 8 * 1024;

/// Where a secret is: exactly one of `env` and `file`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// Its name in logs and events, so that a rotation can be followed; the place's own name if absent.
    #[serde(default)]
    pub id: Option<String>,
    /// The environment variable that holds it.
    #[serde(default)]
    pub env: Option<String>,
    /// The file that holds it.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// In force from this time on.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub not_before: Option<jiff::Timestamp>,
    /// In force up to this time.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub not_after: Option<jiff::Timestamp>,
}

/// Where secrets are looked up: the process's environment, or what a test sets in its place.
#[derive(Clone)]
pub struct Environment(std::sync::Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + std::marker::Send + Sync;

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "secrets named in the configuration are read here only"
        )]
        Self::new(|name| std::env::var(name).ok())
    }

    /// Any other source of values by name.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(std::sync::Arc::new(lookup))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

impl SecretRef {
    /// The name under which the secret shows in logs and events.
    pub fn name(&self) -> String {
        let file =
            || self.file.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy().into());
        self.id.clone().or_else(|| self.env.clone()).or_else(file).unwrap_or_else(|| "key".to_owned())
    }

    /// The secret itself, without the white space around it.
    ///
    /// # Errors
    /// When it is absent, empty, too long, or has white space inside. The text names the place, never the value.
    pub fn resolve(&self, environment: &Environment) -> Result<SecretString, String> {
        let (place, found) = match (&self.env, &self.file) {
            (Some(name), None) => {
                let found = (environment.0)(name).ok_or("is not set".to_owned());
                (format!("the environment variable {name}"), found)
            }
            (None, Some(path)) => (format!("the file {}", path.display()), read(path)),
            (Some(_), Some(_)) | (None, None) => return Err("name one of `env` and `file`".to_owned()),
        };
        let secret = SecretString::from(found.map_err(|why| format!("{place} {why}"))?);
        let trimmed = secret.expose_secret().trim();
        if trimmed.is_empty() {
            return Err(format!("{place} is empty"));
        }
        if trimmed.chars().any(char::is_whitespace) {
            return Err(format!("{place} has white space inside: it may hold more than the secret"));
        }
        Ok(SecretString::from(trimmed))
    }
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::metadata(path).map_err(|error| format!("cannot be read: {}", error.kind()))?.len();
    if bytes > SECRET_BYTES_MAX {
        return Err(format!("is longer than {SECRET_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {}", error.kind()))
}

/// A key webhooks are verified with, in force for a while or for ever.
#[derive(Clone, Debug)]
pub struct VerifyKey {
    /// Its name in logs and events.
    pub id: String,
    /// The key itself.
    pub secret: SecretString,
    /// In force from this time on (included).
    pub not_before: Option<Timestamp>,
    /// In force up to this time (excluded).
    pub not_after: Option<Timestamp>,
}

impl VerifyKey {
    /// Whether the key counts at `now`.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.not_before.is_none_or(|from| from <= now) && self.not_after.is_none_or(|until| now < until)
    }
}

/// All keys of one purpose of one connection, those not in force included.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<VerifyKey>);

impl KeySet {
    /// A set of keys, in the order in which they are tried.
    pub const fn new(keys: Vec<VerifyKey>) -> Self {
        Self(keys)
    }

    /// The keys that count at `now`, with their names.
    pub fn in_force(&self, now: Timestamp) -> Vec<(String, SecretString)> {
        self.0
            .iter()
            .filter(|key| key.is_in_force(now))
            .map(|key| (key.id.clone(), key.secret.clone()))
            .collect()
    }

    /// Every key with its window, for an operator's overview.
    pub fn keys(&self) -> &[VerifyKey] {
        &self.0
    }
}

/// Secrets written into the file instead of a reference, and references that refer to nothing.
pub(super) fn literals(places: &Places) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (name, _, connection) in children(places.root(), "connections").into_iter().flat_map(entries) {
        for (field, line, value) in entries(connection) {
            if SECRET_FIELDS.contains(&field.as_str()) {
                check(value, &format!("connections.{name}.{field}"), *line, &mut mistakes);
            }
            for (inner, line, value) in entries(value).iter().filter(|_| field == "oauth") {
                if oauth::SECRET_FIELDS.contains(&inner.as_str()) {
                    check(value, &format!("connections.{name}.oauth.{inner}"), *line, &mut mistakes);
                }
            }
        }
    }
    mistakes
}

fn check(node: &Node, path: &str, line: u64, mistakes: &mut Vec<Mistake>) {
    let mend = "write {env: NAME} or {file: PATH}";
    let what = match node {
        Node::Scalar => "a secret stands in the file, and must be replaced at the vendor",
        Node::Map(entries) => {
            let places = entries.iter().filter(|(key, ..)| key == "env" || key == "file").count();
            if places == 1 {
                return;
            }
            "a secret is in exactly one place"
        }
        Node::List(items) => {
            for (position, (line, item)) in items.iter().enumerate() {
                check(item, &format!("{path}[{position}]"), *line, mistakes);
            }
            return;
        }
        Node::Null => "a secret is missing",
    };
    mistakes.push(Mistake { line: Some(line), ..Mistake::new(SECRET_REFERENCE, path, what, mend) });
}

fn entries(node: &Node) -> &[(String, u64, Node)] {
    match node {
        Node::Map(entries) => entries,
        Node::List(_) | Node::Scalar | Node::Null => &[],
    }
}

fn children<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    entries(node).iter().find(|(name, ..)| name == key).map(|(_, _, child)| child)
}
