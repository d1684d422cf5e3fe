//! An order, to and from the event that keeps it.

use std::time::Duration;

use domain::envelope::{Correlation, Document, Order, SendPolicy};
use domain::parties::{Parties, Party};
use domain::personal::Personal;

use crate::DecodeError;
use crate::fields::{WireEnum as _, digest, millis, parse, record, record_to_wire, required};
use crate::seal::{EventOpener, EventSealer};
use crate::wire::envelope as wire;
use crate::wire::envelope::requested::Document as WireDocument;

pub(super) fn to_wire(order: &Order, seal: EventSealer<'_>) -> wire::Requested {
    wire::Requested {
        operation_key: order.operation_key.to_string(),
        flow: order.flow.to_string(),
        provider: order.provider.to_string(),
        record: order.record.as_ref().map(record_to_wire),
        document: Some(document_to_wire(&order.document, seal)),
        title: order.title.clone(),
        parties: order.parties.as_slice().iter().map(|party| party_to_wire(party, seal)).collect(),
        send: order.send.to_wire(),
        expires_after_ms: order.expires_after.map(millis),
        remind_after_ms: order.remind_after.iter().copied().map(millis).collect(),
        external_id: order.correlation.external_id.clone(),
        client_reference_id: order.correlation.client_reference_id.clone(),
    }
}

pub(super) fn from_wire(fact: wire::Requested, open: EventOpener<'_>) -> Result<Order, DecodeError> {
    let parties = fact.parties.into_iter().map(|one| party(one, open)).collect::<Result<_, _>>()?;
    Ok(Order {
        operation_key: parse(&fact.operation_key, "operation_key")?,
        flow: parse(&fact.flow, "flow")?,
        provider: parse(&fact.provider, "provider")?,
        record: fact.record.map(record).transpose()?,
        document: document(required(fact.document, "document")?, open)?,
        title: fact.title,
        parties: Parties::recorded(parties),
        send: SendPolicy::from_wire(fact.send, "send")?,
        expires_after: fact.expires_after_ms.map(Duration::from_millis),
        remind_after: fact.remind_after_ms.into_iter().map(Duration::from_millis).collect(),
        correlation: Correlation {
            external_id: fact.external_id,
            client_reference_id: fact.client_reference_id,
        },
    })
}

fn document_to_wire(document: &Document, seal: EventSealer<'_>) -> WireDocument {
    match document {
        Document::Url(url) => WireDocument::Url(seal.personal("url", url)),
        Document::Upload { digest, file_name, content_type } => {
            WireDocument::Upload(wire::UploadedDocument {
                digest: digest.0.to_vec(),
                file_name: file_name.clone(),
                content_type: content_type.clone(),
            })
        }
        Document::Template { template_id, prefill } => {
            let one = |(label, text): (&String, &Personal)| {
                let sealed = seal.personal(&prefill_field(label), text);
                wire::Prefill { label: label.clone(), text: Some(sealed) }
            };
            let prefill = prefill.iter().map(one).collect();
            WireDocument::Template(wire::TemplateDocument { template_id: template_id.clone(), prefill })
        }
    }
}

fn document(document: WireDocument, open: EventOpener<'_>) -> Result<Document, DecodeError> {
    Ok(match document {
        WireDocument::Url(sealed) => Document::Url(open.personal("url", Some(&sealed))?),
        WireDocument::Upload(upload) => Document::Upload {
            digest: digest(&upload.digest, "upload.digest")?,
            file_name: upload.file_name,
            content_type: upload.content_type,
        },
        WireDocument::Template(template) => {
            let one = |prefill: wire::Prefill| {
                let text = open.personal(&prefill_field(&prefill.label), prefill.text.as_ref())?;
                Ok((prefill.label, text))
            };
            let prefill = template.prefill.into_iter().map(one).collect::<Result<_, DecodeError>>()?;
            Document::Template { template_id: template.template_id, prefill }
        }
    })
}

fn party_to_wire(party: &Party, seal: EventSealer<'_>) -> wire::OrderedParty {
    wire::OrderedParty {
        order: party.order,
        role: party.role.clone(),
        name: Some(seal.personal(&party_field(party.order, "name"), &party.name)),
        email: Some(seal.personal(&party_field(party.order, "email"), &party.email)),
    }
}

fn party(party: wire::OrderedParty, open: EventOpener<'_>) -> Result<Party, DecodeError> {
    Ok(Party {
        order: party.order,
        name: open.personal(&party_field(party.order, "name"), party.name.as_ref())?,
        email: open.personal(&party_field(party.order, "email"), party.email.as_ref())?,
        role: party.role,
    })
}

fn prefill_field(label: &str) -> String {
    format!("prefill[{label}]")
}

fn party_field(order: u32, field: &str) -> String {
    format!("parties[{order}].{field}")
}
