//! Access by OAuth 2.0 in place of a key for calls.

use domain::ids::ConnectionId;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use super::connection::{Connection, KindRule};
use super::mistake::{KEY_MISSING, Mistake, SECRET_UNUSABLE};
use super::secret::{Environment, SecretRef};

/// The field of a connection in whose place access by OAuth may stand.
const IN_PLACE_OF: &str = "api_key";
/// The fields that hold secrets.
pub(super) const SECRET_FIELDS: [&str; 2] = ["client_secret", "refresh_token"];

/// Access by OAuth 2.0.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth {
    /// The application's id at the vendor.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretRef,
    /// The refresh token that a person's consent gave. The vendor replaces it with every refresh; the later ones are
    /// kept sealed beside the log. Another one here takes their place.
    pub refresh_token: SecretRef,
    /// Where tokens are refreshed; the vendor's usual place on the host of `base_url` if absent.
    #[serde(default)]
    pub token_url: Option<String>,
}

/// Access by OAuth with its secrets read.
#[derive(Clone, Debug)]
pub struct OAuthCredentials {
    /// The application's id at the vendor.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretString,
    /// The refresh token of the consent.
    pub refresh_token: SecretString,
    /// Where tokens are refreshed, if not at the usual place.
    pub token_url: Option<String>,
}

/// Whether calls need no key, because access is by OAuth.
pub(super) fn replaces_key(connection: &Connection, field: &str) -> bool {
    connection.oauth.is_some() && field == IN_PLACE_OF
}

/// OAuth where it does not fit.
pub(super) fn check(connection: &Connection, rule: &KindRule, path: &str) -> Option<Mistake> {
    connection.oauth.as_ref()?;
    let path = format!("{path}.oauth");
    if rule.call != IN_PLACE_OF {
        let what = format!("a connection of kind `{}` is not called with OAuth", rule.kind);
        return Some(Mistake::new(KEY_MISSING, path, what, format!("use `{}`", rule.call)));
    }
    (!connection.secrets(IN_PLACE_OF).is_empty()).then(|| {
        let what = format!("calls are made either with `{IN_PLACE_OF}` or with `oauth`");
        Mistake::new(KEY_MISSING, path, what, "remove one of them")
    })
}

/// Reads the secrets.
pub(super) fn credentials(
    id: &ConnectionId,
    oauth: &OAuth,
    environment: &Environment,
    mistakes: &mut Vec<Mistake>,
) -> Option<OAuthCredentials> {
    let mut read = |field: &str, reference: &SecretRef| {
        let path = format!("connections.{id}.oauth.{field}");
        let mend = "set it to the secret alone, on one line";
        let found = reference.resolve(environment);
        found.map_err(|why| mistakes.push(Mistake::new(SECRET_UNUSABLE, path, why, mend))).ok()
    };
    let client_secret = read("client_secret", &oauth.client_secret);
    let refresh_token = read("refresh_token", &oauth.refresh_token);
    Some(OAuthCredentials {
        client_id: oauth.client_id.clone(),
        client_secret: client_secret?,
        refresh_token: refresh_token?,
        token_url: oauth.token_url.clone(),
    })
}
