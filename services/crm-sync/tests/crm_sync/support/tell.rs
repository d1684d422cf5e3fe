//! Facts as the other services write them: envelopes and verified signals.

use contracts::Encoded;
use contracts::intake::{self, Accepted, IntakeEvent, Raw};
use contracts::seal::Sealer;
use domain::envelope::{Adoption, Correlation, Digest, Document, Event, Order, SendPolicy};
use domain::ids::{CommandId, EnvelopeId, EventId};
use domain::intake::{Actor, Meaning, RecordChange, RecordRef};
use domain::parties::Parties;
use domain::personal::Personal;
use domain::time::Timestamp;
use event_log::{Category, Commit, Entity, Expected, NewEvent, Position, TraceContext, event_id};
use runtime::random::new_id;

use super::{START, World};

impl World {
    /// Something happens to an envelope.
    pub async fn tell(&self, envelope: &EnvelopeId, events: Vec<Event>) -> Position {
        let group = contracts::envelope::key_group(envelope);
        let key = self.log.keys().key(&group).await.expect("a key");
        let sealer = Sealer::new(key.as_bytes());
        let encode = |event: &Event, id: &EventId| contracts::envelope::encode(event, id, &sealer);
        self.append(Category::Envelopes, &envelope.to_string(), &events, encode).await
    }

    /// A verified change of deal 7: somebody set `property` to `value` just now.
    pub async fn change(&self, number: u32, property: &str, value: &str, actor: Actor) -> Position {
        self.change_at(number, property, value, actor, self.clock.now()).await
    }

    /// The same, at another time by the CRM's clock.
    pub async fn change_at(
        &self,
        number: u32,
        property: &str,
        value: &str,
        actor: Actor,
        at: Timestamp,
    ) -> Position {
        let record = record("crm", "deal", "7");
        let subject = format!("deal:{}", record.object_id);
        let accepted = IntakeEvent::Accepted(Box::new(Accepted {
            connection: record.connection.clone(),
            delivery_id: format!("delivery-{number}"),
            key_id: "c1".to_owned(),
            event: "deal.propertyChange".to_owned(),
            dedupe: Digest([0; 32]),
            subject: subject.clone(),
            occurred_at: Some(at),
            received_at: self.clock.now(),
            meaning: Meaning::Record(RecordChange {
                account: "44001122".to_owned(),
                object_type: record.object_type,
                object_id: record.object_id,
                property: property.to_owned(),
                value: Personal::new(value),
                changed_at: at,
                actor,
                actor_id: String::new(),
            }),
            replayed: false,
            raw: Raw::Inline(b"{}".to_vec()),
        }));
        let group = intake::key_group(&record.connection, &subject);
        let key = self.log.keys().key(&group).await.expect("a key");
        let sealer = Sealer::new(key.as_bytes());
        let encode = |event: &IntakeEvent, id: &EventId| intake::encode(event, id, &sealer);
        self.append(Category::Intake, &format!("s-{number}"), &[accepted], encode).await
    }

    async fn append<E>(
        &self,
        category: Category,
        id: &str,
        events: &[E],
        encode: impl Fn(&E, &EventId) -> Encoded,
    ) -> Position {
        let entity = Entity::new(category, &"acme".parse().expect("a name"), id).expect("an entity");
        let command_id = CommandId::from_bytes(new_id());
        let events = events.iter().enumerate().map(|(index, event)| {
            let id = event_id(&command_id, index);
            let encoded = encode(event, &id);
            NewEvent {
                id,
                kind: encoded.kind.to_owned(),
                schema: encoded.schema,
                occurred_at: self.clock.now(),
                payload: encoded.payload.into(),
            }
        });
        let commit = Commit {
            command_id,
            correlation_id: String::new(),
            causation_id: None,
            trace: TraceContext::default(),
            events: events.collect(),
        };
        self.log.append(&entity, Expected::Any, commit).await.expect("it is appended").position
    }
}

pub fn record(connection: &str, object_type: &str, object_id: &str) -> RecordRef {
    RecordRef {
        connection: connection.parse().expect("a name"),
        object_type: object_type.to_owned(),
        object_id: object_id.to_owned(),
    }
}

/// That a change of deal 7 asked for an envelope.
pub fn requested(flow: &str) -> Event {
    let signer = ("Customer".to_owned(), "Dana Buyer".to_owned(), "dana@buyer.test".to_owned());
    Event::Requested {
        order: Box::new(Order {
            operation_key: "trg_1".parse().expect("a key"),
            flow: flow.parse().expect("a name"),
            provider: "signer".parse().expect("a name"),
            record: Some(record("crm", "deal", "7")),
            document: Document::Url(Personal::new("https://files.test/7.pdf")),
            title: "Order form".to_owned(),
            parties: Parties::sequential([signer]).expect("one signer"),
            send: SendPolicy::Review,
            expires_after: None,
            remind_after: Vec::new(),
            correlation: Correlation::default(),
        }),
        at: START,
    }
}

/// That a flow took up a document made at the provider, for deal 7.
pub fn adopted() -> Event {
    Event::Adopted {
        adoption: Adoption {
            provider: "signer".parse().expect("a name"),
            provider_id: "doc_9".parse().expect("an id"),
            flow: "sales".parse().expect("a name"),
            record: Some(record("crm", "deal", "7")),
        },
        at: START,
    }
}

pub fn created() -> Event {
    let review_link = Some(Personal::new("https://review.test/secret"));
    Event::Created { provider_id: "prov_1".parse().expect("an id"), review_link, at: START }
}

pub fn sent() -> Event {
    Event::Sent { at: START }
}

/// That everybody signed, as a GET confirmed.
pub fn completed() -> Event {
    Event::Completed { confirmed: true, at: START }
}
