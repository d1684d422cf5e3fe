//! Computing, decoding and comparing digests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::VerifyKey;

/// HMAC-SHA256 of the parts, one after the other, without copying them together.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("invariant: HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The first key that signed one of the `variants` with the digest `received`, or `None`.
///
/// A variant is the signed bytes in parts (some vendors leave it open which form of a URL they sign). Every key
/// is tried with every variant and each comparison takes constant time: the duration tells only how many there are.
pub fn which_key(keys: &[VerifyKey], variants: &[&[&[u8]]], received: &[u8; 32]) -> Option<usize> {
    which_key_by(hmac_sha256, keys, variants, received)
}

/// As [`which_key`], for the old way of signing: the plain SHA-256 of the secret and the parts. It has no timestamp and
/// is weaker than an HMAC; for vendors that still sign so, and only where somebody asked for it.
pub fn which_key_hashed(keys: &[VerifyKey], variants: &[&[&[u8]]], received: &[u8; 32]) -> Option<usize> {
    which_key_by(hashed, keys, variants, received)
}

fn hashed(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new_with_prefix(key);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

fn which_key_by(
    sign: fn(&[u8], &[&[u8]]) -> [u8; 32],
    keys: &[VerifyKey],
    variants: &[&[&[u8]]],
    received: &[u8; 32],
) -> Option<usize> {
    let mut found = Choice::from(0);
    let mut index_found = 0u64;
    for (index, key) in (0u64..).zip(keys) {
        let mut fits = Choice::from(0);
        for parts in variants {
            fits |= sign(key.secret.expose_secret().as_bytes(), parts).ct_eq(received);
        }
        index_found.conditional_assign(&index, fits & !found);
        found |= fits;
    }
    if bool::from(found) { usize::try_from(index_found).ok() } else { None }
}

/// Decodes exactly 64 hexadecimal digits, of either case.
pub fn decode_hex_digest(text: &[u8]) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

/// Decodes exactly 44 characters of standard base64 with its padding; the URL-safe alphabet is refused.
pub fn decode_base64_digest(text: &[u8]) -> Option<[u8; 32]> {
    if text.len() != 44 {
        return None;
    }
    STANDARD.decode(text).ok()?.try_into().ok()
}

/// SHA-256 of the bytes, as 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use secrecy::SecretString;

    fn key(secret: &str) -> VerifyKey {
        VerifyKey::new("k", SecretString::from(secret.to_owned())).unwrap()
    }

    #[test]
    fn the_key_that_signed_is_named_whatever_its_place() {
        let keys = [key("one"), key("two"), key("three")];
        for (index, secret) in ["one", "two", "three"].into_iter().enumerate() {
            let digest = hmac_sha256(secret.as_bytes(), &[b"body"]);
            assert_eq!(which_key(&keys, &[&[b"other"], &[b"bo", b"dy"]], &digest), Some(index));
        }
    }

    #[test]
    fn the_first_of_two_equal_keys_is_named() {
        let digest = hmac_sha256(b"same", &[b"body"]);
        assert_eq!(which_key(&[key("other"), key("same"), key("same")], &[&[b"body"]], &digest), Some(1));
    }

    #[test]
    fn without_keys_or_without_variants_nothing_verifies() {
        let digest = hmac_sha256(b"k", &[b"body"]);
        assert_eq!(which_key(&[], &[&[b"body"]], &digest), None);
        assert_eq!(which_key(&[key("k")], &[], &digest), None);
    }

    #[test]
    fn digests_of_another_length_or_alphabet_are_refused() {
        let hex = hex::encode([0xab; 32]);
        assert_eq!(decode_hex_digest(hex.as_bytes()), Some([0xab; 32]));
        assert_eq!(decode_hex_digest(hex.to_uppercase().as_bytes()), Some([0xab; 32]));
        for bad in [&hex[1..], &hex[..62], &format!("{hex}00"), &format!(" {}", &hex[1..]), ""] {
            assert_eq!(decode_hex_digest(bad.as_bytes()), None, "{bad:?}");
        }
        let base64 = STANDARD.encode([0xfb; 32]);
        assert_eq!(decode_base64_digest(base64.as_bytes()), Some([0xfb; 32]));
        let url_safe = base64.replace('+', "-").replace('/', "_");
        for bad in [url_safe.as_str(), base64.trim_end_matches('='), &base64[4..], ""] {
            assert_eq!(decode_base64_digest(bad.as_bytes()), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_flipped_bit_anywhere_never_verifies(
            body in prop::collection::vec(any::<u8>(), 1..256), secret in "[!-~]{1,64}", place in any::<prop::sample::Index>(),
        ) {
            let keys = [key(&secret)];
            let mut digest = hmac_sha256(secret.as_bytes(), &[&body]);
            prop_assert_eq!(which_key(&keys, &[&[&body]], &digest), Some(0));

            let mut changed = body.clone();
            let bit = place.index(body.len() * 8);
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(which_key(&keys, &[&[&changed]], &digest), None);

            let bit = place.index(256);
            digest[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(which_key(&keys, &[&[&body]], &digest), None);
        }

        #[test]
        fn where_the_parts_are_cut_does_not_matter(body in prop::collection::vec(any::<u8>(), 0..256), cut in any::<prop::sample::Index>()) {
            let (head, tail) = body.split_at(cut.index(body.len() + 1));
            prop_assert_eq!(hmac_sha256(b"k", &[head, tail]), hmac_sha256(b"k", &[&body]));
        }
    }
}
