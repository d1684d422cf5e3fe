//! Data about a person, which may be erased and must never be printed.

use std::fmt;

/// A name, an e-mail address, a link with a token in it, a free-text reason: known, or erased with its key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Personal {
    /// The value, in clear. Only [`Personal::reveal`] gives it away.
    Known(String),
    /// The key that sealed it is gone; what it was cannot be known any more.
    #[default]
    Erased,
}

impl Personal {
    /// Takes a value in.
    pub fn new(value: impl Into<String>) -> Self {
        Self::Known(value.into())
    }

    /// The value in clear, or `None` once erased. Name the reason where you call it.
    pub fn reveal(&self) -> Option<&str> {
        match self {
            Personal::Known(value) => Some(value),
            Personal::Erased => None,
        }
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Personal::Known(_) => "Personal(redacted)",
            Personal::Erased => "Personal(erased)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_shows_the_value() {
        assert!(!format!("{:?}", Personal::new("dana@buyer.test")).contains("dana"));
    }
}
