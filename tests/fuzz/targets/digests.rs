//! The decoders of digests, beside the libraries' own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fuzz::Input;
use signatures::{decode_base64_digest, decode_hex_digest, hmac_sha256, sha256_hex, which_key};

use crate::fuzz;
use crate::laws::key;

#[test]
fn hexadecimal_digests() {
    let good = [sha256_hex(b"a"), sha256_hex(b"b").to_uppercase()].map(String::into_bytes);
    fuzz!(Input, |input| {
        let text = input.bytes(&good);
        let is_digest = text.len() == 64 && text.iter().all(u8::is_ascii_hexdigit);
        let decoded = decode_hex_digest(&text);
        assert_eq!(decoded.is_some(), is_digest);
        if let Some(digest) = decoded {
            assert!(hex::encode(digest).as_bytes().eq_ignore_ascii_case(&text));
        }
    });
}

#[test]
fn base64_digests() {
    let good = [STANDARD.encode([0xfb; 32]), STANDARD.encode([0; 32])].map(String::into_bytes);
    fuzz!(Input, |input| {
        let text = input.bytes(&good);
        // One text for one digest: what decodes is what would be encoded.
        if let Some(digest) = decode_base64_digest(&text) {
            assert_eq!(STANDARD.encode(digest).as_bytes(), text);
        }
    });
}

#[test]
fn keys_and_digests() {
    fuzz!((Input, [u8; 32], u8), |(input, received, which)| {
        let body = input.bytes(&[b"body".to_vec()]);
        let keys = ["secret-one", "secret-two", "secret-three"].map(key);
        assert_eq!(which_key(&keys, &[&[&body]], received), None, "a digest out of the air");
        let which = usize::from(*which) % keys.len();
        let secret = ["secret-one", "secret-two", "secret-three"][which];
        let digest = hmac_sha256(secret.as_bytes(), &[&body]);
        assert_eq!(which_key(&keys, &[&[b"other"], &[&body]], &digest), Some(which));
    });
}
