//! The two generations of the vendor's API, as one setting (atlas.md §1, §21).
//!
//! The first is what the vendor's integration guide prescribes and the default. Where they differ, calls and
//! answers ask here; what comes in by webhook is read in the words of both, whichever is set, so that a switch on
//! the vendor's side does not silently stop updates.

use domain::ids::ProviderEnvelopeId;
use serde::Deserialize;

/// Which generation of the API is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Dialect {
    /// `/api/envelope`, `parties`, `fields_version`; a webhook address per envelope, signed with the API key.
    #[default]
    #[serde(rename = "g1")]
    First,
    /// `/api/v1/envelopes`, `participants`, `version`; webhook addresses registered with the vendor, each with a
    /// secret of its own.
    #[serde(rename = "g2")]
    Second,
}

impl Dialect {
    /// What every path begins with.
    pub(super) const fn prefix(self) -> &'static [&'static str] {
        match self {
            Dialect::First => &["api"],
            Dialect::Second => &["api", "v1"],
        }
    }

    /// The path of one envelope: singular in the first generation, plural in the second.
    pub(super) fn envelope<'a>(self, id: &'a ProviderEnvelopeId, rest: &[&'a str]) -> Vec<&'a str> {
        let collection = match self {
            Dialect::First => "envelope",
            Dialect::Second => "envelopes",
        };
        [collection, id.as_str()].into_iter().chain(rest.iter().copied()).collect()
    }

    /// Envelopes can be made from a template, edited field by field, and searched by the external record's id.
    pub(super) const fn is_first(self) -> bool {
        matches!(self, Dialect::First)
    }
}
