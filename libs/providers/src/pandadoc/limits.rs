//! How fast PandaDoc may be called (pandadoc.md §9): a pace for each kind of call, below the vendor's limits.
//!
//! The vendor counts a sliding minute per credential and kind of call. We stay at four fifths of each limit, the
//! burst included in the remaining fifth; a 429 slows down the kind of call that it answers, and no other.

use std::collections::BTreeMap;

use outbound::Rate;
use serde::Deserialize;

/// The operations with a limit of their own, and it, in calls per minute.
const PER_MINUTE: [(&str, u32); 6] = [
    (CREATE_FROM_PDF, 50),
    (CREATE_FROM_TEMPLATE, 300),
    (SEND, 200),
    (DETAILS, 300),
    (DOWNLOAD, 50),
    (DOWNLOAD_PROTECTED, 300),
];
/// Every other call: lists, statuses, subscriptions.
const OTHERS_PER_MINUTE: u32 = 2000;
/// Every kind of call with a sandbox key.
const SANDBOX_PER_MINUTE: u32 = 10;

pub(super) const CREATE_FROM_PDF: &str = "create_from_pdf";
pub(super) const CREATE_FROM_TEMPLATE: &str = "create_from_template";
pub(super) const SEND: &str = "send_document";
pub(super) const DETAILS: &str = "get_details";
pub(super) const DOWNLOAD: &str = "download_pdf";
pub(super) const DOWNLOAD_PROTECTED: &str = "download_protected";
/// The name of all other calls in [`Limits`].
const OTHERS: &str = "others";

/// Limits of this account that differ from the published ones: operation to calls per minute.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Limits(BTreeMap<String, u32>);

impl Limits {
    /// A name that is none of ours.
    pub(super) fn unknown(&self) -> Option<&str> {
        let known = |name: &str| name == OTHERS || PER_MINUTE.iter().any(|(known, _)| *known == name);
        self.0.keys().map(String::as_str).find(|name| !known(name))
    }

    /// The pace of each operation that has its own.
    pub(super) fn operations(&self, sandbox: bool) -> Vec<(&'static str, Rate)> {
        PER_MINUTE.iter().map(|(name, limit)| (*name, self.rate(name, *limit, sandbox))).collect()
    }

    /// The pace of all others together.
    pub(super) fn others(&self, sandbox: bool) -> Rate {
        self.rate(OTHERS, OTHERS_PER_MINUTE, sandbox)
    }

    fn rate(&self, name: &str, published: u32, sandbox: bool) -> Rate {
        let published = if sandbox { SANDBOX_PER_MINUTE } else { published };
        let limit = self.0.get(name).copied().unwrap_or(published).max(1);
        Rate { per_second: f64::from(limit) * 0.8 / 60.0, burst: (limit / 10).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_however_it_is_cut_holds_more_calls_than_the_vendor_allows() {
        for sandbox in [false, true] {
            for (name, limit) in PER_MINUTE {
                let limit = if sandbox { SANDBOX_PER_MINUTE } else { limit };
                let rate = Limits::default().rate(name, limit, sandbox);
                let most = rate.per_second * 60.0 + f64::from(rate.burst);
                assert!(most <= f64::from(limit), "{name}: {most} of {limit}");
            }
        }
    }

    #[test]
    fn an_account_may_have_other_limits_and_a_misspelt_one_is_found() {
        let limits: Limits = serde_json::from_str(r#"{"send_document": 600, "sned": 1}"#).unwrap();
        assert!((limits.rate(SEND, 200, false).per_second - 8.0).abs() < 1e-9);
        assert_eq!(limits.unknown(), Some("sned"));
    }
}
