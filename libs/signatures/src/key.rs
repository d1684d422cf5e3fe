//! The secrets that signatures are checked with.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A secret that may verify a webhook. Its window of validity is applied by the caller.
#[derive(Clone)]
pub struct VerifyKey {
    /// The key's name in the configuration, for example `k1`; safe to print.
    pub id: String,
    /// The secret as the vendor shows it: its UTF-8 bytes are the HMAC key.
    pub secret: SecretString,
}

/// Why a secret was refused as a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is in it: with an empty key everybody could sign.
    #[error("key {id}: the secret is empty; give the secret that the vendor shows")]
    Empty {
        /// The key's name in the configuration.
        id: String,
    },
    /// White space around or inside, often a line end from a file: every signature would be wrong.
    #[error(
        "key {id}: the secret has white space around or inside it; remove it (a line end of a file counts)"
    )]
    WhiteSpace {
        /// The key's name in the configuration.
        id: String,
    },
}

impl VerifyKey {
    /// Takes a secret in, exactly as given.
    ///
    /// # Errors
    /// Refuses an empty secret and one with white space or control characters around or inside it.
    pub fn new(id: impl Into<String>, secret: SecretString) -> Result<Self, KeyError> {
        let id = id.into();
        let text = secret.expose_secret();
        if text.is_empty() {
            return Err(KeyError::Empty { id });
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(KeyError::WhiteSpace { id });
        }
        Ok(Self { id, secret })
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(secret: &str) -> Result<VerifyKey, KeyError> {
        VerifyKey::new("k1", SecretString::from(secret.to_owned()))
    }

    #[test]
    fn a_key_with_white_space_around_or_inside_is_refused() {
        for secret in ["abc ", " abc", "a bc", "abc\n", "abc\r\n", "a\u{a0}bc", "a\u{0}c"] {
            assert_eq!(made(secret).err(), Some(KeyError::WhiteSpace { id: "k1".into() }), "{secret:?}");
        }
    }

    #[test]
    fn an_empty_key_is_refused() {
        assert_eq!(made("").err(), Some(KeyError::Empty { id: "k1".into() }));
    }

    #[test]
    fn debug_output_and_errors_never_show_the_secret() {
        assert!(!format!("{:?}", made("verysecret").unwrap()).contains("verysecret"));
        assert!(!made("verysecret ").unwrap_err().to_string().contains("verysecret"));
    }
}
