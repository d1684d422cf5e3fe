//! What can be set on a connection of this vendor.

use std::time::Duration;

use domain::time::Timestamp;
use serde::Deserialize;

use super::super::dialect::Dialect;
use super::super::requests::Transport;
use super::account::Wish;
use crate::calls::Pace;
use crate::{ConnectError, ConnectionSettings, CreditTerms};

/// Longest upload, in bytes, unless the connection says otherwise (atlas.md §18: our own bound).
const UPLOAD_BYTES_MAX: usize = 25 * 1024 * 1024;

/// Options of an Atlas connection.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    /// The generation of the API: `g1` or `g2`.
    pub dialect: Dialect,
    /// The connected account of a platform key, `ext_…` or an id; none for one's own.
    pub account: Option<String>,
    /// Has the vendor make that account when it is first needed.
    pub provide: Option<Wish>,
    /// How uploads travel: `multipart` or `inline`. The vendor keeps idempotency keys by transport, so a
    /// changed option holds for envelopes whose create was not begun yet.
    pub uploads: Transport,
    /// Longest upload, in bytes: the vendor publishes none, so it can be set when it turns out to be another.
    pub upload_bytes_max: usize,
    /// After how many seconds a connection without credits is tried again.
    quota_pause_seconds: f64,
    /// The header that carries the webhooks' signature, if it is another than the usual one.
    signature_header: Option<String>,
    /// What the account had at a known moment; the rest is counted from there.
    credits: Option<Known>,
    /// How fast the vendor is called.
    pub pace: Pace,
}

/// Credits that a person read off the vendor's dashboard: the API does not tell them.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// How many were left.
    left: u64,
    /// When.
    at: jiff::Timestamp,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            account: None,
            provide: None,
            uploads: Transport::default(),
            upload_bytes_max: UPLOAD_BYTES_MAX,
            quota_pause_seconds: 900.0,
            signature_header: None,
            credits: None,
            pace: Pace::default(),
        }
    }
}

impl Options {
    /// What is read elsewhere has to be in order as well.
    pub(super) fn check(&self, settings: &ConnectionSettings) -> Result<(), ConnectError> {
        match self.signature_header.as_deref().map(str::parse::<http::HeaderName>) {
            Some(Err(_)) => Err(wrong(settings, "signature_header must be the name of a header")),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    pub(super) fn quota_pause(&self, settings: &ConnectionSettings) -> Result<Duration, ConnectError> {
        Duration::try_from_secs_f64(self.quota_pause_seconds)
            .map_err(|_| wrong(settings, "quota_pause_seconds must be a positive number of seconds"))
    }

    /// One credit an envelope sent, back if it is voided before anybody signed (atlas.md §13).
    pub(super) fn credits(&self) -> CreditTerms {
        CreditTerms {
            refunded_if_untouched: true,
            known: self.credits.map(|known| (known.left, Timestamp(known.at.as_millisecond()))),
        }
    }
}

fn wrong(settings: &ConnectionSettings, reason: &str) -> ConnectError {
    ConnectError::Options { connection: settings.connection.clone(), reason: reason.to_owned() }
}
