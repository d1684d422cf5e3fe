//! Properties and stages of the portal, and which values they take.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What a property holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Time,
    /// One of these.
    Choice(Vec<String>),
    /// One of the pipeline's stages.
    Stage,
}

/// One property of deals.
#[derive(Clone, Debug)]
pub(super) struct Property {
    pub(super) kind: Kind,
    pub(super) unique: bool,
    /// Maintained by HubSpot itself.
    pub(super) read_only: bool,
}

/// The portal's properties and stages.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) properties: BTreeMap<String, Property>,
    /// Id and label, in the order of the pipeline.
    pub(super) stages: Vec<(String, String)>,
}

/// Values of `esign_status`: those of crm.md §2.7, and those of the architecture's example.
const STATUSES: [&str; 12] = [
    "created",
    "sent",
    "viewed",
    "signed",
    "declined",
    "voided",
    "expired",
    "failed",
    "Pending",
    "Signed",
    "Declined",
    "Cancelled",
];

const STAGES: [(&str, &str); 9] = [
    ("appointmentscheduled", "Appointment scheduled"),
    ("qualifiedtobuy", "Qualified to buy"),
    ("presentationscheduled", "Presentation scheduled"),
    ("decisionmakerboughtin", "Decision maker bought in"),
    ("readytosend", "Ready to send"),
    ("contractsent", "Contract sent"),
    ("contract_out", "Contract out for signature"),
    ("closedwon", "Closed won"),
    ("closedlost", "Closed lost"),
];

impl Default for Schema {
    fn default() -> Self {
        let mut schema = Self {
            properties: BTreeMap::new(),
            stages: STAGES.map(|(id, label)| (id.to_owned(), label.to_owned())).to_vec(),
        };
        for text in [
            "dealname",
            "buyer_name",
            "buyer_email",
            "order_pdf_url",
            "esign_review_url",
            "esign_reason",
            "hs_object_id",
            "dealtype",
            "description",
        ] {
            schema.add(text, Kind::Text, false);
        }
        for number in ["amount", "esign_version"] {
            schema.add(number, Kind::Number, false);
        }
        for time in ["closedate", "createdate", "hs_lastmodifieddate", "esign_status_at", "esign_signed_at"] {
            schema.add(time, Kind::Time, false);
        }
        schema.add("pipeline", Kind::Choice(vec!["default".to_owned()]), false);
        schema.add("dealstage", Kind::Stage, false);
        schema.add("esign_status", Kind::Choice(STATUSES.map(str::to_owned).to_vec()), false);
        schema.add("esign_envelope_id", Kind::Text, true);
        schema
    }
}

impl Schema {
    /// Adds a property or replaces it.
    pub(super) fn add(&mut self, name: &str, kind: Kind, unique: bool) {
        let read_only = matches!(name, "hs_object_id" | "hs_lastmodifieddate" | "createdate");
        self.properties.insert(name.to_owned(), Property { kind, unique, read_only });
    }

    /// The code of what is wrong with a value, if anything is. An empty value clears and always fits.
    pub(super) fn problem(&self, name: &str, value: &str) -> Option<&'static str> {
        let Some(property) = self.properties.get(name) else { return Some("PROPERTY_DOESNT_EXIST") };
        if property.read_only {
            return Some("READ_ONLY_VALUE");
        }
        if value.is_empty() {
            return None;
        }
        let (fits, code) = match &property.kind {
            Kind::Text => (true, ""),
            Kind::Number => (value.parse::<f64>().is_ok(), "INVALID_LONG"),
            Kind::Time => (is_time(value), "INVALID_DATE"),
            Kind::Choice(options) => (options.iter().any(|option| option == value), "INVALID_OPTION"),
            Kind::Stage => (self.stages.iter().any(|(id, _)| id == value), "INVALID_OPTION"),
        };
        (!fits).then_some(code)
    }

    /// One property as `GET /crm/v3/properties/deals/{name}` shows it.
    pub(super) fn shown(&self, name: &str) -> Option<Value> {
        let property = self.properties.get(name)?;
        let options: Vec<&str> = match &property.kind {
            Kind::Choice(options) => options.iter().map(String::as_str).collect(),
            Kind::Stage => self.stages.iter().map(|(id, _)| id.as_str()).collect(),
            Kind::Text | Kind::Number | Kind::Time => vec![],
        };
        let options: Vec<Value> =
            options.iter().map(|value| json!({"label": value, "value": value, "hidden": false})).collect();
        let (kind, field) = match property.kind {
            Kind::Text => ("string", "text"),
            Kind::Number => ("number", "number"),
            Kind::Time => ("datetime", "date"),
            Kind::Choice(_) | Kind::Stage => ("enumeration", "select"),
        };
        Some(json!({
            "name": name, "label": name, "type": kind, "fieldType": field, "options": options,
            "groupName": if name.starts_with("esign_") { "esign" } else { "dealinformation" },
            "hasUniqueValue": property.unique, "modificationMetadata": {"readOnlyValue": property.read_only},
        }))
    }

    /// The pipelines as `GET /crm/v3/pipelines/deals` shows them.
    pub(super) fn pipelines(&self) -> Value {
        let stages: Vec<Value> = (0u32..)
            .zip(&self.stages)
            .map(|(order, (id, label))| {
                let closed = id.starts_with("closed");
                json!({"id": id, "label": label, "displayOrder": order, "metadata": {"isClosed": closed.to_string()}, "archived": false})
            })
            .collect();
        json!({"results": [
            {"id": "default", "label": "Sales pipeline", "displayOrder": 0, "stages": stages, "archived": false}
        ]})
    }
}

/// A date, a time in ISO 8601, or milliseconds.
fn is_time(value: &str) -> bool {
    value.parse::<i64>().is_ok()
        || value.parse::<jiff::Timestamp>().is_ok()
        || (value.len() == 10 && value.parse::<jiff::civil::Date>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_by_the_kind_of_their_property() {
        let schema = Schema::default();
        for (name, value, expected) in [
            ("dealstage", "closedwon", None),
            ("dealstage", "Closed won", Some("INVALID_OPTION")),
            ("dealstage", "", None),
            ("amount", "1299.50", None),
            ("amount", "much", Some("INVALID_LONG")),
            ("esign_signed_at", "2026-01-01T00:01:10Z", None),
            ("esign_signed_at", "1767225600000", None),
            ("closedate", "2026-01-01", None),
            ("closedate", "tomorrow", Some("INVALID_DATE")),
            ("hs_object_id", "1", Some("READ_ONLY_VALUE")),
            ("no_such_property", "x", Some("PROPERTY_DOESNT_EXIST")),
        ] {
            assert_eq!(schema.problem(name, value), expected, "{name} = {value}");
        }
    }
}
