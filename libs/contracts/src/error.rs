//! Why bytes are not the event they were taken for.

/// Why an event could not be decoded. Names the field; never shows a value that may be personal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not the protobuf message they should be.
    #[error("the payload is not the message it should be: {0}")]
    Malformed(String),
    /// No such kind of event in this version.
    #[error("unknown kind of event {0}: a newer version wrote it")]
    UnknownKind(String),
    /// No such schema of this kind in this version.
    #[error("unknown schema {schema} of {kind}: a newer version wrote it")]
    UnknownSchema {
        /// The kind.
        kind: String,
        /// The schema.
        schema: u32,
    },
    /// The payload holds another event than its kind says.
    #[error("the payload holds {found}, but its kind is {kind}")]
    KindMismatch {
        /// What the record says.
        kind: String,
        /// What the payload holds.
        found: &'static str,
    },
    /// A field that must be there is not.
    #[error("{field} is missing")]
    Missing {
        /// The field.
        field: String,
    },
    /// A field has a value that this version does not know.
    #[error("{field} has the unknown value {value}")]
    UnknownValue {
        /// The field.
        field: String,
        /// The number on the wire.
        value: i32,
    },
    /// A field breaks a rule.
    #[error("{field} is not allowed: {rule}")]
    Invalid {
        /// The field.
        field: String,
        /// The rule it breaks.
        rule: String,
    },
    /// A sealed field was sealed with another key or for another place, or was tampered with.
    #[error("{field} does not open: wrong key, wrong place, or tampered with")]
    Sealed {
        /// The field.
        field: String,
    },
}

impl From<prost::DecodeError> for DecodeError {
    fn from(error: prost::DecodeError) -> Self {
        DecodeError::Malformed(error.to_string())
    }
}

/// An event as the log takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Kind of the event, for example `envelope.sent`.
    pub kind: &'static str,
    /// Version of the payload's schema, from 1.
    pub schema: u32,
    /// The protobuf bytes; personal data in them is sealed.
    pub payload: Vec<u8>,
}
