//! Single fields between wire and domain: enums, ids, digests, times.

use std::str::FromStr;
use std::time::Duration;

use domain::envelope::Digest;
use domain::intake::{PartyNews, RecordRef};

use crate::DecodeError;
use crate::wire::common;

/// A domain enum that stands as a number on the wire.
pub(crate) trait WireEnum: Sized {
    /// Its number.
    fn to_wire(self) -> i32;
    /// The value behind the number.
    fn from_wire(value: i32, field: &str) -> Result<Self, DecodeError>;
}

/// Maps enums whose variants have the same names on both sides.
macro_rules! wire_enum {
    ($domain:ty = $wire:ty { $($variant:ident),+ $(,)? }) => {
        impl $crate::fields::WireEnum for $domain {
            fn to_wire(self) -> i32 {
                let wire = match self { $(<$domain>::$variant => <$wire>::$variant,)+ };
                wire as i32
            }

            fn from_wire(value: i32, field: &str) -> Result<Self, $crate::DecodeError> {
                match <$wire>::try_from(value) {
                    $(Ok(<$wire>::$variant) => Ok(<$domain>::$variant),)+
                    Ok(<$wire>::Unspecified) | Err(_) => {
                        Err($crate::DecodeError::UnknownValue { field: field.to_owned(), value })
                    }
                }
            }
        }
    };
}
pub(crate) use wire_enum;

wire_enum!(domain::intake::Standing = common::Standing { Waiting, Pending, Signed, Declined });

pub(crate) fn required<T>(value: Option<T>, field: &str) -> Result<T, DecodeError> {
    value.ok_or_else(|| DecodeError::Missing { field: field.to_owned() })
}

pub(crate) fn parse<T>(text: &str, field: &str) -> Result<T, DecodeError>
where
    T: FromStr,
    T::Err: ToString,
{
    text.parse()
        .map_err(|error: T::Err| DecodeError::Invalid { field: field.to_owned(), rule: error.to_string() })
}

pub(crate) fn digest(bytes: &[u8], field: &str) -> Result<Digest, DecodeError> {
    let bytes = bytes.try_into().map_err(|_| DecodeError::Invalid {
        field: field.to_owned(),
        rule: "a SHA-256 has 32 bytes".to_owned(),
    })?;
    Ok(Digest(bytes))
}

/// Whole milliseconds; saturates after 584 million years.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn record_to_wire(record: &RecordRef) -> common::RecordRef {
    common::RecordRef {
        connection: record.connection.to_string(),
        object_type: record.object_type.clone(),
        object_id: record.object_id.clone(),
    }
}

pub(crate) fn record(record: common::RecordRef) -> Result<RecordRef, DecodeError> {
    Ok(RecordRef {
        connection: parse(&record.connection, "record.connection")?,
        object_type: record.object_type,
        object_id: record.object_id,
    })
}

pub(crate) fn parties_to_wire(parties: &[PartyNews]) -> Vec<common::PartyNews> {
    let party = |news: &PartyNews| common::PartyNews { order: news.order, standing: news.standing.to_wire() };
    parties.iter().map(party).collect()
}

pub(crate) fn parties(parties: Vec<common::PartyNews>) -> Result<Vec<PartyNews>, DecodeError> {
    let news = |party: common::PartyNews| {
        Ok(PartyNews {
            order: party.order,
            standing: WireEnum::from_wire(party.standing, "parties.standing")?,
        })
    };
    parties.into_iter().map(news).collect()
}
