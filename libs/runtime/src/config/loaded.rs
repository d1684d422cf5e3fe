//! A configuration that is ready for use: checked, its secrets read, its expressions compiled.

use std::collections::BTreeMap;

use domain::ids::{ConnectionId, FlowName};
use domain::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::flow::{Flow, Write};
use super::mistake::{ConfigurationError, EXPRESSION, Mistake, SECRET_UNUSABLE};
use super::oauth::OAuthCredentials;
use super::secret::{Environment, KeySet, SecretRef, VerifyKey};
use super::{Configuration, Connection, KindRule};
use crate::expressions::{Expressions, is_template};

/// How a key of a vendor's test environment begins.
const TEST_KEY_PREFIX: &str = "test_";

/// What one connection needs to call and to verify.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Keys for our calls: the first in force is used.
    pub call: KeySet,
    /// Keys webhooks are verified with: all in force count.
    pub verify: KeySet,
    /// Access by OAuth, in place of a key for calls.
    pub oauth: Option<OAuthCredentials>,
}

impl Credentials {
    /// The key for a call at `now`; `None` when every key's window is over.
    pub fn call_key(&self, now: Timestamp) -> Option<SecretString> {
        self.call.in_force(now).into_iter().next().map(|(_, secret)| secret)
    }

    /// Whether calls made at `now` carry this very key, so that a vendor may sign with it what it learns by them.
    pub fn calls_with(&self, key: &VerifyKey, now: Timestamp) -> bool {
        self.call_key(now).is_some_and(|secret| secret.expose_secret() == key.secret.expose_secret())
    }
}

/// A configuration that is ready for use.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    configuration: Configuration,
    credentials: BTreeMap<ConnectionId, Credentials>,
    expressions: Expressions,
}

impl Loaded {
    /// Reads and checks `text`, and reads every secret it names.
    ///
    /// # Errors
    /// Every mistake found.
    pub fn new(
        text: &str,
        rules: &[KindRule],
        environment: &Environment,
    ) -> Result<Self, ConfigurationError> {
        let configuration = super::parse(text, rules)?;
        let mut mistakes = Vec::new();
        let credentials = configuration
            .connections
            .iter()
            .map(|(id, connection)| {
                (id.clone(), credentials(id, connection, rules, environment, &mut mistakes))
            })
            .collect();
        let expressions = compile(&configuration, &mut mistakes);
        if mistakes.is_empty() {
            return Ok(Self { configuration, credentials, expressions });
        }
        Err(ConfigurationError::new(super::places::Places::read(text)?.locate(mistakes)))
    }

    /// The file's content.
    pub const fn configuration(&self) -> &Configuration {
        &self.configuration
    }

    /// One connection by its key.
    pub fn connection(&self, id: &ConnectionId) -> Option<&Connection> {
        self.configuration.connections.get(id)
    }

    /// The secrets of one connection.
    pub fn credentials(&self, id: &ConnectionId) -> Option<&Credentials> {
        self.credentials.get(id)
    }

    /// One flow by its name.
    pub fn flow(&self, name: &FlowName) -> Option<&Flow> {
        self.configuration.flows.iter().find(|flow| flow.name == *name)
    }

    /// All flows, in the order of the file.
    pub fn flows(&self) -> &[Flow] {
        &self.configuration.flows
    }

    /// The compiled expressions of all flows.
    pub const fn expressions(&self) -> &Expressions {
        &self.expressions
    }
}

fn compile(configuration: &Configuration, mistakes: &mut Vec<Mistake>) -> Expressions {
    let flows = &configuration.flows;
    let templates: Vec<&str> = flows
        .iter()
        .flat_map(Flow::templates)
        .map(|(_, text)| text)
        .filter(|text| is_template(text) && *text != Write::TRIGGER)
        .collect();
    let conditions = flows.iter().filter_map(|flow| flow.when.condition.as_deref());
    Expressions::compile(templates, conditions).unwrap_or_else(|errors| {
        mistakes.extend(
            errors
                .into_iter()
                .map(|error| Mistake::new(EXPRESSION, "flows", error.to_string(), "mend the expression")),
        );
        Expressions::default()
    })
}

fn credentials(
    id: &ConnectionId,
    connection: &Connection,
    rules: &[KindRule],
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> Credentials {
    let Some(rule) = rules.iter().find(|rule| rule.kind == connection.kind) else {
        return Credentials::default();
    };
    let mut read = |field: &str| {
        let keys = connection.secrets(field).into_iter().enumerate().filter_map(|(position, reference)| {
            let path = format!("connections.{id}.{field}[{position}]");
            key(reference, &path, connection.allow_test_keys, environment)
                .map_err(|mistake| {
                    if !mistakes.contains(&mistake) {
                        mistakes.push(mistake);
                    }
                })
                .ok()
        });
        keys.collect::<Vec<VerifyKey>>()
    };
    let call = KeySet::new(read(rule.call));
    let verify = KeySet::new(rule.verifying().flat_map(read).collect());
    let oauth = connection.oauth.as_ref();
    let oauth = oauth.and_then(|oauth| super::oauth::credentials(id, oauth, environment, mistakes));
    Credentials { call, verify, oauth }
}

fn key(
    reference: &SecretRef,
    path: &str,
    allow_test_keys: bool,
    environment: &Environment,
) -> Result<VerifyKey, Mistake> {
    let secret = reference
        .resolve(environment)
        .map_err(|why| Mistake::new(SECRET_UNUSABLE, path, why, "set it to the secret alone, on one line"))?;
    if secret.expose_secret().starts_with(TEST_KEY_PREFIX) && !allow_test_keys {
        return Err(Mistake::new(
            SECRET_UNUSABLE,
            path,
            "this is a key of a test environment",
            "use a live key, or set allow_test_keys: true on the connection",
        ));
    }
    Ok(VerifyKey {
        id: reference.name(),
        secret,
        not_before: reference.not_before.map(timestamp),
        not_after: reference.not_after.map(timestamp),
    })
}

fn timestamp(at: jiff::Timestamp) -> Timestamp {
    Timestamp(at.as_millisecond())
}
