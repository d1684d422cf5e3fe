//! HubSpot's webhooks: proof of origin (crm.md §2.2.2) and the address it was given for.

use domain::intake::{RawDelivery, Refusal, Signal};
use domain::time::Timestamp;
use signatures::{
    VerifyKey, WebhookScheme, decode_base64_digest, decode_hex_digest, which_key, which_key_hashed,
};

use super::options::{Legacy, Options};
use super::wire::{self, Ours};
use crate::connection::{ConnectError, WebhookSettings};

const SIGNATURE_HEADER: &str = "x-hubspot-signature-v3";
const TIMESTAMP_HEADER: &str = "x-hubspot-request-timestamp";
const LEGACY_SIGNATURE_HEADER: &str = "x-hubspot-signature";
const LEGACY_VERSION_HEADER: &str = "x-hubspot-signature-version";
/// Longest timestamp accepted, in digits: milliseconds until the year 5138.
const TIMESTAMP_DIGITS_MAX: usize = 14;

/// The escapes that HubSpot's documentation has us decode in the URI before it is hashed, and no others.
const ESCAPES: [(&[u8; 2], char); 12] = [
    (b"3A", ':'),
    (b"2F", '/'),
    (b"3F", '?'),
    (b"40", '@'),
    (b"21", '!'),
    (b"24", '$'),
    (b"27", '\''),
    (b"28", '('),
    (b"29", ')'),
    (b"2A", '*'),
    (b"2C", ','),
    (b"3B", ';'),
];

/// HubSpot's webhook scheme, version 3. The older versions sign no time: they are accepted only where the connection's
/// options say so, and never beside a version 3 that fails.
#[derive(Clone, Debug)]
pub struct Scheme {
    /// Scheme, host and path as registered with HubSpot.
    address: String,
    /// The path of that address.
    path: String,
    /// The path our own ingress serves the connection under.
    own_path: String,
    legacy: Legacy,
    /// A delivery may be this old, or this far ahead of our clock, in milliseconds; the bound itself is accepted.
    window_ms: u128,
    ours: Ours,
}

impl Scheme {
    /// Makes the scheme of one connection.
    ///
    /// # Errors
    /// If the public address is missing: HubSpot signs it, and it cannot be rebuilt behind a proxy.
    pub fn new(settings: WebhookSettings) -> Result<Self, ConnectError> {
        let mut url = settings.webhook_url.ok_or(ConnectError::Setting {
            setting: "webhook_url",
            problem: "is needed: HubSpot signs the public address it calls",
        })?;
        url.set_query(None);
        url.set_fragment(None);
        let options = Options::read(&settings.options)?;
        Ok(Self {
            path: url.path().to_owned(),
            address: url.into(),
            own_path: format!("/v1/hooks/{}", settings.connection),
            legacy: options.legacy,
            window_ms: options.replay_window.as_millis(),
            ours: Ours { portal_id: settings.account, app_id: options.app_id },
        })
    }

    /// The URI that HubSpot called: the registered address with the query as received.
    fn uri(&self, path_and_query: &str) -> Result<String, Refusal> {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        if path != self.path && path != self.own_path {
            return Err(Refusal::PathWrong);
        }
        Ok(match query {
            Some(query) => format!("{}?{query}", self.address),
            None => self.address.clone(),
        })
    }
}

impl Scheme {
    /// Versions 1 and 2 (crm.md §2.2.3): the plain SHA-256 of the secret and what is signed, in hexadecimal.
    fn verify_legacy(&self, delivery: &RawDelivery, keys: &[VerifyKey]) -> Result<usize, Refusal> {
        let (missing, repeated) = (Refusal::SignatureMissing, Refusal::SignatureRepeated);
        let signature = single(delivery, LEGACY_SIGNATURE_HEADER, missing, repeated)?;
        let malformed = Refusal::SignatureMalformed;
        let version = single(delivery, LEGACY_VERSION_HEADER, malformed, repeated)?;
        let received = decode_hex_digest(signature).ok_or(malformed)?;
        let raw = self.uri(&delivery.path_and_query)?;
        match version {
            b"v1" if self.legacy.v1 => {
                which_key_hashed(keys, &[&[&delivery.body]], &received).ok_or(Refusal::SignatureWrong)
            }
            b"v2" if self.legacy.v2 => {
                let (method, decoded) = (delivery.method.as_bytes(), decode_escapes(&raw));
                let variants: [&[&[u8]]; 2] = [
                    &[method, raw.as_bytes(), &delivery.body],
                    &[method, decoded.as_bytes(), &delivery.body],
                ];
                which_key_hashed(keys, &variants, &received).ok_or(Refusal::SignatureWrong)
            }
            _ => Err(missing),
        }
    }
}

impl WebhookScheme for Scheme {
    fn verify(&self, delivery: &RawDelivery, keys: &[VerifyKey], now: Timestamp) -> Result<usize, Refusal> {
        let any_legacy = self.legacy.v1 || self.legacy.v2;
        if any_legacy && delivery.header(SIGNATURE_HEADER).next().is_none() {
            return self.verify_legacy(delivery, keys);
        }
        let signature =
            single(delivery, SIGNATURE_HEADER, Refusal::SignatureMissing, Refusal::SignatureRepeated)?;
        let received = decode_base64_digest(signature).ok_or(Refusal::SignatureMalformed)?;

        let malformed = Refusal::TimestampMalformed;
        let timestamp = single(delivery, TIMESTAMP_HEADER, malformed, malformed)?;
        let signed_at = parse_timestamp(timestamp).ok_or(malformed)?;
        if u128::from(now.0.abs_diff(signed_at.0)) > self.window_ms {
            return Err(Refusal::TimestampOutOfWindow);
        }

        // the documentation says decoded, the official libraries do not decode: either is HubSpot
        let raw = self.uri(&delivery.path_and_query)?;
        let decoded = decode_escapes(&raw);
        let method = delivery.method.as_bytes();
        let variants: [&[&[u8]]; 2] = [
            &[method, raw.as_bytes(), &delivery.body, timestamp],
            &[method, decoded.as_bytes(), &delivery.body, timestamp],
        ];
        which_key(keys, &variants, &received).ok_or(Refusal::SignatureWrong)
    }

    fn split(&self, delivery: &RawDelivery) -> Vec<Signal> {
        wire::split(&delivery.body, delivery.received_at, &self.ours)
    }
}

fn single<'a>(
    delivery: &'a RawDelivery,
    name: &'a str,
    missing: Refusal,
    repeated: Refusal,
) -> Result<&'a [u8], Refusal> {
    let mut values = delivery.header(name);
    let value = values.next().ok_or(missing)?;
    if values.next().is_some() { Err(repeated) } else { Ok(value) }
}

fn parse_timestamp(text: &[u8]) -> Option<Timestamp> {
    let digits_only =
        !text.is_empty() && text.len() <= TIMESTAMP_DIGITS_MAX && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits_only)?;
    text.parse().ok().map(Timestamp)
}

fn decode_escapes(uri: &str) -> String {
    let mut decoded = String::with_capacity(uri.len());
    let mut rest = uri;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let digits = after.as_bytes().get(..2).unwrap_or_default();
        match ESCAPES.iter().find(|(escape, _)| digits.eq_ignore_ascii_case(escape.as_slice())) {
            Some((_, character)) => {
                decoded.push(*character);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push('%');
                rest = after;
            }
        }
    }
    decoded.push_str(rest);
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_twelve_documented_escapes_are_decoded() {
        let uri = "https://a.test/p?x=%3a%2F%3f%40%21%24%27%28%29%2a%2C%3b&y=%20%26%3D%25%2";
        assert_eq!(decode_escapes(uri), "https://a.test/p?x=:/?@!$'()*,;&y=%20%26%3D%25%2");
    }

    #[test]
    fn an_escape_made_by_decoding_is_not_decoded_again() {
        assert_eq!(decode_escapes("%253A%"), "%253A%");
    }
}
