//! The vectors of crm.md §2.2.5 and a scheme to judge them.

use std::sync::Arc;

use crms::WebhookSettings;
use domain::intake::{RawDelivery, Refusal};
use domain::time::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use signatures::{VerifyKey, WebhookScheme};
use url::Url;

#[derive(Clone, Deserialize)]
pub struct Vector {
    pub kind: String,
    pub name: String,
    #[serde(default)]
    pub secret: String,
    #[serde(default)]
    pub method: String,
    #[serde(default)]
    pub url: String,
    #[serde(default)]
    pub timestamp: Value,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub signature: String,
}

impl Vector {
    /// One of our own vectors, by the start of their name.
    pub fn named(name: &str) -> Self {
        all().into_iter().find(|vector| vector.name.starts_with(name)).unwrap()
    }

    pub fn at(&self) -> i64 {
        self.timestamp.as_i64().unwrap()
    }

    pub fn scheme(&self) -> Arc<dyn WebhookScheme> {
        scheme(&self.url, None, Value::Null)
    }

    pub fn delivery(&self) -> RawDelivery {
        let url: Url = self.url.parse().unwrap();
        let path_and_query = self.url.split_once(url.host_str().unwrap()).unwrap().1.to_owned();
        RawDelivery {
            connection: "hubspot-main".parse().unwrap(),
            method: self.method.clone(),
            path_and_query,
            headers: vec![
                ("x-hubspot-request-timestamp".into(), self.at().to_string().into_bytes()),
                ("x-hubspot-signature-v3".into(), self.signature.clone().into_bytes()),
            ],
            body: self.body.clone().into_bytes(),
            received_at: Timestamp(self.at()),
        }
    }

    pub fn judge(&self, delivery: &RawDelivery, now: i64) -> Result<usize, Refusal> {
        self.scheme().verify(
            delivery,
            &[key("c0", "another-secret"), key("c1", &self.secret)],
            Timestamp(now),
        )
    }
}

pub fn all() -> Vec<Vector> {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors.json")).unwrap();
    vectors.into_iter().filter_map(|vector| serde_json::from_value(vector).ok()).collect()
}

pub fn key(id: &str, secret: &str) -> VerifyKey {
    VerifyKey::new(id, SecretString::from(secret.to_owned())).unwrap()
}

pub fn scheme(url: &str, account: Option<&str>, options: Value) -> Arc<dyn WebhookScheme> {
    let settings = WebhookSettings {
        connection: "hubspot-main".parse().unwrap(),
        webhook_url: Some(url.parse().unwrap()),
        account: account.map(str::to_owned),
        options: options.as_object().cloned().unwrap_or_default(),
    };
    crms::scheme("hubspot", settings).unwrap()
}
