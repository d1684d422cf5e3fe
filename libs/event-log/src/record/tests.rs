//! A record is its message, byte for byte.

use proptest::prelude::*;

use super::*;
use crate::NewEvent;

fn event() -> impl Strategy<Value = NewEvent> {
    let payload = proptest::collection::vec(any::<u8>(), 0..300);
    (any::<[u8; 16]>(), "[a-z.]{0,20}", any::<u32>(), any::<i64>(), payload).prop_map(
        |(id, kind, schema, at, payload)| NewEvent {
            id: EventId::from_bytes(id),
            kind,
            schema,
            occurred_at: Timestamp(at),
            payload: payload.into(),
        },
    )
}

fn commit() -> impl Strategy<Value = Commit> {
    let text = || proptest::option::of("[a-f0-9-]{1,60}");
    let ids = (any::<[u8; 16]>(), proptest::option::of(any::<[u8; 16]>()));
    (ids, "[a-z0-9]{0,200}", text(), text(), proptest::collection::vec(event(), 1..4)).prop_map(
        |((command, causation), correlation_id, traceparent, tracestate, events)| Commit {
            command_id: CommandId::from_bytes(command),
            correlation_id,
            causation_id: causation.map(EventId::from_bytes),
            trace: TraceContext { traceparent, tracestate },
            events,
        },
    )
}

proptest! {
    #[test]
    fn a_record_has_the_bytes_of_its_message_and_reads_back(
        commit in commit(),
        version in any::<u64>(),
        number in 0..u64::MAX / 2,
        hash in any::<[u8; 32]>(),
        at in any::<i64>(),
    ) {
        let entity = Entity::new(Category::Sync, &"acme".parse().unwrap(), "one").unwrap();
        let end = ChainEnd { version: Version(version), number, hash };
        let (bytes, next) = encode(&entity, end, Timestamp(at), &commit);
        prop_assert!(bytes.len() <= size(&commit), "no second allocation");
        let message = CommitRecord::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!(message.encode_to_vec(), bytes.clone());
        let recorded = decode(7, bytes.into()).unwrap();
        prop_assert_eq!(recorded.recorded_at, Timestamp(at));
        prop_assert_eq!(recorded.previous_version, end.version);
        prop_assert_eq!(&recorded.correlation_id, &commit.correlation_id);
        prop_assert_eq!(recorded.causation_id, commit.causation_id);
        prop_assert_eq!(&recorded.trace, &commit.trace);
        prop_assert_eq!(recorded.events.len(), commit.events.len());
        for (stored, new) in recorded.events.iter().zip(&commit.events) {
            prop_assert_eq!((&stored.id, &stored.kind, stored.schema), (&new.id, &new.kind, new.schema));
            prop_assert_eq!((stored.occurred_at, &stored.payload), (new.occurred_at, &new.payload));
        }
        let chained = chain_end(&recorded);
        prop_assert_eq!((chained.number, chained.hash), (next.number, next.hash));
    }

    /// Bytes that a disk or a stranger spoiled: read whole, or refused in words; never a panic.
    #[test]
    fn a_spoiled_record_is_refused_or_read_whole(
        commit in commit(),
        places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..8),
    ) {
        let entity = Entity::new(Category::Sync, &"acme".parse().unwrap(), "one").unwrap();
        let (mut bytes, _) = encode(&entity, ChainEnd::default(), Timestamp(0), &commit);
        for (place, byte, how) in places {
            let at = place.index(bytes.len() + 1);
            match how {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, byte),
                2 => drop(bytes.splice(at.., [byte; 9])),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|old| *old ^= byte),
            }
        }
        let about = entity_of(&bytes);
        match decode(7, bytes.into()) {
            Ok(recorded) => {
                prop_assert_eq!(about.as_ref(), Some(&recorded.entity));
                prop_assert!(!recorded.events.is_empty());
                let _whole = verify_chain(std::slice::from_ref(&recorded)).is_ok();
                prop_assert!(chain_end(&recorded).number > 0 || recorded.events.last().is_some_and(|event| event.number == 0));
            }
            Err(why) => prop_assert!(why.contains("position 7"), "{}", why),
        }
    }
}
