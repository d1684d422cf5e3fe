//! New ids, ids derived from what must map to the same id, and jitter. Only edges use chance.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// 16 fresh bytes for a typed id (`EventId::from_bytes(new_id())`). They sort roughly by time (UUID v7).
pub fn new_id() -> [u8; 16] {
    *Uuid::now_v7().as_bytes()
}

/// 16 bytes that are the same for the same parts, in every process and for ever.
///
/// The parts are hashed with their lengths, so `["ab", "c"]` and `["a", "bc"]` differ. The result has the form
/// of a UUID v8. `namespace` keeps kinds of ids apart, for example `envelope` and `command`.
pub fn derive_id(namespace: &str, parts: &[&str]) -> [u8; 16] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&namespace).chain(parts) {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(hash.finalize()) {
        *byte = hashed;
    }
    *uuid::Builder::from_custom_bytes(bytes).as_uuid().as_bytes()
}

/// A number from 0 (included) to 1 (excluded), for the spread of a backoff.
pub fn jitter() -> f64 {
    let random = Uuid::new_v4().as_u128();
    // The low 62 bits of a v4 are all random; 53 of them make an f64.
    let bits = u64::try_from(random & ((1 << 53) - 1)).unwrap_or(0);
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_never_changes() {
        assert_eq!(
            Uuid::from_bytes(derive_id("envelope", &["hubspot-main", "deal", "42"])),
            Uuid::from_bytes(derive_id("envelope", &["hubspot-main", "deal", "42"]))
        );
    }

    #[test]
    fn parts_that_only_join_to_the_same_text_give_different_ids() {
        assert_ne!(derive_id("x", &["ab", "c"]), derive_id("x", &["a", "bc"]));
        assert_ne!(derive_id("x", &["y"]), derive_id("xy", &[]));
    }

    #[test]
    fn new_ids_differ_and_jitter_stays_below_one() {
        assert_ne!(new_id(), new_id());
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&jitter())));
    }
}
