//! Ids that cannot be mistaken for one another.
//!
//! Ids we make carry a readable prefix (`env_…`, 32 hexadecimal digits); ids others make (a provider's
//! envelope id, a CRM's record id, a connection's key in the configuration) are bounded, printable text.

use std::fmt;
use std::str::FromStr;

/// Why a text is not the id it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdError {
    /// The prefix or the length is wrong.
    Malformed {
        /// What was expected, for example `env_` and 32 hexadecimal digits.
        expected: &'static str,
    },
    /// The text is empty, longer than the limit, or has a character outside the allowed set.
    NotAllowed {
        /// The rule that the text breaks.
        rule: &'static str,
    },
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdError::Malformed { expected } => write!(f, "expected {expected}"),
            IdError::NotAllowed { rule } => write!(f, "not allowed: {rule}"),
        }
    }
}

impl std::error::Error for IdError {}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// Makes the id from 16 bytes: random, or derived from what must map to the same id.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes behind the id.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                write_hex(f, &self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let malformed =
                    IdError::Malformed { expected: concat!($prefix, "_ and 32 hexadecimal digits") };
                let digits = text.strip_prefix(concat!($prefix, "_")).ok_or(malformed.clone())?;
                parse_hex(digits).map(Self).ok_or(malformed)
            }
        }
    };
}

/// All digits at once: ids are written several times for every webhook.
fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8; 16]) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    f.write_str(std::str::from_utf8(&text).expect("invariant: digits are text"))
}

fn parse_hex(digits: &str) -> Option<[u8; 16]> {
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 16];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

typed_id!(
    /// One signing request, from first ask to final outcome.
    EnvelopeId,
    "env"
);
typed_id!(
    /// One event of the log. Unique in the whole log.
    EventId,
    "evt"
);
typed_id!(
    /// One command on one entity. The same command id twice is one append.
    CommandId,
    "cmd"
);
typed_id!(
    /// One piece of work for the outside world; also the root of its idempotency key.
    EffectId,
    "eff"
);

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $max:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(String);

        impl $name {
            /// Longest allowed text, in bytes.
            pub const BYTES_MAX: usize = $max;

            /// The text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let printable = |c: char| c.is_ascii_graphic();
                if text.is_empty() || text.len() > $max || !text.chars().all(printable) {
                    return Err(IdError::NotAllowed {
                        rule: concat!("1 to ", $max, " printable ASCII characters, no spaces"),
                    });
                }
                Ok(Self(text.to_owned()))
            }
        }
    };
}

text_id!(
    /// A connection's key in the configuration, for example `contracts-main`.
    ConnectionId,
    64
);
text_id!(
    /// A tenant's key in the configuration, for example `acme`.
    TenantId,
    64
);
text_id!(
    /// A flow's name in the configuration, for example `order-form`.
    FlowName,
    64
);
text_id!(
    /// The id a signature provider gave its envelope or document.
    ProviderEnvelopeId,
    128
);
text_id!(
    /// What must map to one provider envelope only: derived from the external record (crm.md §6.2).
    OperationKey,
    128
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_what_it_prints() {
        let id = EnvelopeId::from_bytes([0xab; 16]);
        assert_eq!(id.to_string().parse::<EnvelopeId>(), Ok(id));
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let event = EventId::from_bytes([1; 16]).to_string();
        assert!(event.parse::<EnvelopeId>().is_err());
    }

    #[test]
    fn a_connection_id_with_a_space_or_of_65_bytes_is_refused() {
        assert!("atlas main".parse::<ConnectionId>().is_err());
        assert!("a".repeat(65).parse::<ConnectionId>().is_err());
        assert!("atlas-main".parse::<ConnectionId>().is_ok());
    }
}
