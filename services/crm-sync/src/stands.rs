//! Whether a record still stands where its trigger put it.
//!
//! A flow fires when a property takes a value that its condition accepts. Until we write that property ourselves, a
//! value that the condition does not accept is somebody's later decision: a deal moved to "lost" while its envelope
//! was under review. What the condition says of other properties is nothing.

use domain::envelope::Envelope;
use domain::intake::RecordRef;
use runtime::config::{Flow, Loaded};
use serde_json::json;

/// How the operation key of an envelope begins that a trigger asked for.
pub const KEY_PREFIX: &str = "trg_";

/// What the trigger of one envelope says of its record.
pub struct Stands<'a> {
    loaded: &'a Loaded,
    flow: &'a Flow,
    record: &'a RecordRef,
    triggered: bool,
}

impl<'a> Stands<'a> {
    /// What `flow` says of `record`, if a change of that record asked for `envelope`.
    pub fn new(loaded: &'a Loaded, flow: &'a Flow, record: &'a RecordRef, envelope: &Envelope) -> Self {
        let by_trigger = |key: &str| key.starts_with(KEY_PREFIX);
        let triggered = envelope.record() == Some(record)
            && flow.when.connection == record.connection
            && envelope.order.as_ref().is_some_and(|order| by_trigger(order.operation_key.as_str()));
        Self { loaded, flow, record, triggered }
    }

    /// Whether the trigger says anything of `field`.
    pub fn speaks_of(&self, field: &str) -> bool {
        let condition = self.flow.when.condition.as_deref().unwrap_or_default();
        let quoted = [format!("\"{field}\""), format!("'{field}'")];
        self.triggered && quoted.iter().any(|name| condition.contains(name))
    }

    /// Whether the trigger would have fired on `value` of `field`; `None` if it does not say.
    pub fn at(&self, field: &str, value: &str) -> Option<bool> {
        let condition = self.flow.when.condition.as_deref().filter(|_| self.speaks_of(field))?;
        let change = json!({
            "event": self.flow.when.event,
            "account": null,
            "object_type": self.record.object_type,
            "object_id": self.record.object_id,
            "property": field,
            "value": value,
            "actor": "human",
        });
        self.loaded.expressions().condition(condition, &change).ok()
    }
}

#[cfg(test)]
mod tests {
    use domain::envelope::{Correlation, Document, Order, SendPolicy};
    use domain::parties::Parties;
    use domain::personal::Personal;
    use runtime::config::{Environment, KindRule};

    use super::*;

    const RULES: &[KindRule] = &[
        KindRule { kind: "signer", call: "api_keys", verify: "api_keys", regions: &[] },
        KindRule { kind: "sheets", call: "access_token", verify: "client_secrets", regions: &[] },
    ];

    const FLOWS: &str = r#"
tenants: {acme: {}}
connections:
  signer: {kind: signer, tenant: acme, base_url: "http://127.0.0.1:1", api_keys: [{id: k1, env: KEY}]}
  crm:
    kind: sheets
    tenant: acme
    base_url: http://127.0.0.1:2
    access_token: {env: KEY}
    client_secrets: [{id: c1, env: KEY}]
flows:
  - name: order-form
    when: {connection: crm, event: deal.propertyChange, if: 'property == "dealstage" and value == "contractsent"'}
    envelope:
      provider: signer
      document_url: "{{ record.pdf }}"
      parties: [{role: Customer, name: Dana, email: dana@buyer.test}]
      send: review
"#;

    /// What the trigger says of `field` at `value`, if the envelope has this operation key.
    fn told(operation_key: &str, field: &str, value: &str) -> Option<bool> {
        let loaded = Loaded::new(FLOWS, RULES, &Environment::new(|_| Some("key".to_owned()))).unwrap();
        let record = RecordRef {
            connection: "crm".parse().unwrap(),
            object_type: "deal".to_owned(),
            object_id: "7".to_owned(),
        };
        let signer = ("Customer".to_owned(), "Dana".to_owned(), "dana@buyer.test".to_owned());
        let order = Order {
            operation_key: operation_key.parse().unwrap(),
            flow: "order-form".parse().unwrap(),
            provider: "signer".parse().unwrap(),
            record: Some(record.clone()),
            document: Document::Url(Personal::new("https://files.test/1.pdf")),
            title: "Order form".into(),
            parties: Parties::sequential([signer]).unwrap(),
            send: SendPolicy::Review,
            expires_after: None,
            remind_after: Vec::new(),
            correlation: Correlation::default(),
        };
        let envelope = Envelope { order: Some(order), ..Envelope::default() };
        Stands::new(&loaded, &loaded.flows()[0], &record, &envelope).at(field, value)
    }

    #[test]
    fn a_value_the_condition_accepts_is_where_the_trigger_put_the_record() {
        assert_eq!(told("trg_1", "dealstage", "contractsent"), Some(true));
    }

    #[test]
    fn any_other_value_of_the_triggering_property_is_a_later_decision() {
        assert_eq!(told("trg_1", "dealstage", "closedlost"), Some(false));
    }

    #[test]
    fn of_other_properties_and_of_envelopes_nobody_triggered_nothing_is_said() {
        assert_eq!(told("trg_1", "amount", "12"), None);
        assert_eq!(told("asked-by-a-program", "dealstage", "closedlost"), None);
    }
}
