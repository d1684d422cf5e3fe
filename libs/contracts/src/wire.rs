//! The generated wire types. Only this crate and the edges of services see them.
//!
//! Some messages hold personal data in clear on their way through gRPC; their `Debug` output shows none of it.

pub use countersign::common::v1 as common;
pub use countersign::crmsync::v1 as crmsync;
pub use countersign::envelope::v1 as envelope;
pub use countersign::ingress::v1 as ingress;
pub use countersign::ledger::v1 as ledger;
pub use countersign::verification::v1 as verification;

/// The bytes of a message, for a message that is stored inside another's field.
pub fn encode(message: &impl prost::Message) -> Vec<u8> {
    message.encode_to_vec()
}

/// The message that [`encode`] made the bytes of.
///
/// # Errors
/// When the bytes are not such a message.
pub fn decode<M: prost::Message + Default>(bytes: &[u8]) -> Result<M, crate::DecodeError> {
    Ok(M::decode(bytes)?)
}

/// The packages, nested as the generated code expects.
mod countersign {
    #![allow(clippy::all, clippy::allow_attributes, clippy::wildcard_enum_match_arm, missing_docs)]
    pub mod common {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/countersign.common.v1.rs"));
        }
    }
    pub mod crmsync {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/countersign.crmsync.v1.rs"));
        }
    }
    pub mod envelope {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/countersign.envelope.v1.rs"));
        }
    }
    pub mod ingress {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/countersign.ingress.v1.rs"));
        }
    }
    pub mod ledger {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/countersign.ledger.v1.rs"));
        }
    }
    pub mod verification {
        pub mod v1 {
            include!(concat!(env!("OUT_DIR"), "/countersign.verification.v1.rs"));
        }
    }
}
