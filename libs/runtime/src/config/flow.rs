//! One flow: what leads to an envelope, and what is written back.

use std::collections::BTreeMap;
use std::fmt;

use domain::ids::{ConnectionId, FlowName};
use schemars::JsonSchema;
use serde::Deserialize;

use super::span::{self, Span};

/// Texts of a record by property; each may be an expression.
pub type Properties = BTreeMap<String, String>;

/// What leads to an envelope, and what is written back.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Flow {
    /// Its name; unique in the file, and part of the key that keeps one trigger to one envelope.
    #[serde(deserialize_with = "span::parsed")]
    #[schemars(with = "String")]
    pub name: FlowName,
    /// What starts it.
    pub when: When,
    /// What is to be signed, by whom.
    pub envelope: EnvelopePlan,
    /// What is written back, to which records.
    #[serde(default)]
    pub write: Vec<Write>,
}

/// What starts a flow.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The connection the event comes from.
    #[serde(deserialize_with = "span::parsed")]
    #[schemars(with = "String")]
    pub connection: ConnectionId,
    /// The vendor's name of the event.
    pub event: String,
    /// A condition over the event; without one, every such event starts the flow.
    #[serde(default, rename = "if")]
    pub condition: Option<String>,
}

/// What is to be signed, by whom.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvelopePlan {
    /// The connection of the signature provider.
    #[serde(deserialize_with = "span::parsed")]
    #[schemars(with = "String")]
    pub provider: ConnectionId,
    /// What the signers read as the title; the flow's name if absent.
    #[serde(default)]
    pub title: Option<String>,
    /// Where the document is fetched from. One of `document_url`, `template` and `upload`.
    #[serde(default)]
    pub document_url: Option<String>,
    /// The provider's template.
    #[serde(default)]
    pub template: Option<String>,
    /// What is filled into the template's fields.
    #[serde(default)]
    pub prefill: Properties,
    /// The record's property that holds the document.
    #[serde(default)]
    pub upload: Option<String>,
    /// Who signs, in this order.
    #[serde(default)]
    pub parties: Vec<PartyPlan>,
    /// Who sends it.
    #[serde(default)]
    pub send: Send,
    /// How long it may be signed; the provider's own rule if absent.
    #[serde(default)]
    pub expires_after: Option<Span>,
    /// When signers are reminded, counted from sending.
    #[serde(default)]
    pub remind_after: Vec<Span>,
    /// Adopts a document that exists at the provider already, where the event comes from the provider itself.
    /// Such a flow has neither a document nor parties.
    #[serde(default)]
    pub adopt: bool,
}

/// One signer. A person's own name and address may stand in it, so only the role is ever printed.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartyPlan {
    /// The role in the document.
    pub role: String,
    /// The signer's name; may be an expression.
    pub name: String,
    /// The signer's e-mail address; may be an expression.
    pub email: String,
}

impl fmt::Debug for PartyPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartyPlan").field("role", &self.role).finish_non_exhaustive()
    }
}

/// Who sends an envelope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Send {
    /// A person, after a look at the draft.
    #[default]
    Review,
    /// We do, as soon as the draft is ready.
    Auto,
}

/// What is written back to one record.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The connection of the CRM.
    #[serde(deserialize_with = "span::parsed")]
    #[schemars(with = "String")]
    pub connection: ConnectionId,
    /// Which record: `trigger` is the one that started the flow; anything else is an expression that gives an id.
    pub record: String,
    /// The kind of record.
    #[serde(default = "deal")]
    pub object: String,
    /// Written as soon as the envelope exists.
    #[serde(default)]
    pub link: Properties,
    /// Written when it was sent.
    #[serde(default)]
    pub on_sent: Properties,
    /// Written when a signer opened it.
    #[serde(default)]
    pub on_viewed: Properties,
    /// Written when everybody has signed.
    #[serde(default)]
    pub on_completed: Properties,
    /// Written when a signer declined.
    #[serde(default)]
    pub on_declined: Properties,
    /// Written when it was cancelled.
    #[serde(default)]
    pub on_voided: Properties,
    /// Written when its deadline passed.
    #[serde(default)]
    pub on_expired: Properties,
    /// Written when it could not be made or sent.
    #[serde(default)]
    pub on_failed: Properties,
}

impl Write {
    /// The record that started the flow.
    pub const TRIGGER: &str = "trigger";

    /// Every moment with what it writes, by its name in the file.
    pub fn moments(&self) -> [(&'static str, &Properties); 8] {
        [
            ("link", &self.link),
            ("on_sent", &self.on_sent),
            ("on_viewed", &self.on_viewed),
            ("on_completed", &self.on_completed),
            ("on_declined", &self.on_declined),
            ("on_voided", &self.on_voided),
            ("on_expired", &self.on_expired),
            ("on_failed", &self.on_failed),
        ]
    }
}

impl Flow {
    /// Every text that may be an expression, with its path below the flow.
    pub fn templates(&self) -> Vec<(String, &str)> {
        let mut found = Vec::new();
        let plan = &self.envelope;
        let single = [
            ("title", &plan.title),
            ("document_url", &plan.document_url),
            ("template", &plan.template),
            ("upload", &plan.upload),
        ];
        for (key, text) in single {
            found.extend(text.as_deref().map(|text| (format!("envelope.{key}"), text)));
        }
        found.extend(
            plan.prefill.iter().map(|(key, text)| (format!("envelope.prefill.{key}"), text.as_str())),
        );
        for (index, party) in plan.parties.iter().enumerate() {
            let texts = [("role", &party.role), ("name", &party.name), ("email", &party.email)];
            found
                .extend(texts.map(|(key, text)| (format!("envelope.parties[{index}].{key}"), text.as_str())));
        }
        for (index, write) in self.write.iter().enumerate() {
            found.push((format!("write[{index}].record"), &write.record));
            for (moment, properties) in write.moments() {
                found.extend(
                    properties
                        .iter()
                        .map(|(key, text)| (format!("write[{index}].{moment}.{key}"), text.as_str())),
                );
            }
        }
        found
    }
}

fn deal() -> String {
    "deal".to_owned()
}
