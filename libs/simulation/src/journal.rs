//! Every request a simulator received, in order of arrival.

use std::collections::VecDeque;

use bytes::Bytes;
use domain::time::Timestamp;
use http::request::Parts;
use parking_lot::Mutex;
use serde::Serialize;

use crate::clock;

const ENTRIES_MAX: usize = 100_000;
const BODIES_BYTES_MAX: usize = 256 << 20;
const BODY_BYTES_MAX: usize = 64 << 10;

/// One request and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Position in the journal, from 1, without gaps.
    pub seq: u64,
    /// Arrival, RFC 3339.
    pub at: String,
    /// HTTP method.
    pub method: String,
    /// Path without query.
    pub path: String,
    /// Query; the values of signatures and link tokens are replaced by `***`.
    pub query: String,
    /// Headers by lower-case name; keys and signatures are replaced by `***`.
    pub headers: Vec<(String, String)>,
    /// The first 64 KiB of the body, read as UTF-8.
    pub body: String,
    /// Status answered; absent while the answer is open or if the line was dropped.
    pub status: Option<u16>,
    /// The fault that was applied, if any.
    pub fault: Option<String>,
}

/// A bounded list of requests; the oldest leave first.
#[derive(Debug, Default)]
pub struct Journal(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    entries: VecDeque<Entry>,
    body_bytes: usize,
    last: u64,
}

impl Journal {
    /// Writes a request down and returns its position.
    pub(crate) fn open(&self, parts: &Parts, body: &Bytes, at: Timestamp) -> u64 {
        let body = String::from_utf8_lossy(&body[..body.len().min(BODY_BYTES_MAX)]).into_owned();
        let mut pages = self.0.lock();
        pages.last += 1;
        pages.body_bytes += body.len();
        let entry = Entry {
            seq: pages.last,
            at: clock::iso_millis(at),
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(redacted_query).unwrap_or_default(),
            headers: parts.headers.iter().map(redacted_header).collect(),
            body,
            status: None,
            fault: None,
        };
        pages.entries.push_back(entry);
        while pages.entries.len() > ENTRIES_MAX || pages.body_bytes > BODIES_BYTES_MAX {
            let Some(oldest) = pages.entries.pop_front() else { break };
            pages.body_bytes -= oldest.body.len();
        }
        pages.last
    }

    /// Notes how the request at `seq` ended.
    pub(crate) fn close(&self, seq: u64, status: Option<u16>, fault: Option<String>) {
        let mut pages = self.0.lock();
        let first = pages.entries.front().map_or(seq, |entry| entry.seq);
        let index = usize::try_from(seq.saturating_sub(first)).unwrap_or(usize::MAX);
        if let Some(entry) = pages.entries.get_mut(index).filter(|entry| entry.seq == seq) {
            (entry.status, entry.fault) = (status, fault);
        }
    }

    /// The requests with this method (all if `None`) whose path starts with `path_prefix`.
    pub fn requests(&self, method: Option<&str>, path_prefix: &str) -> Vec<Entry> {
        let wanted = |entry: &&Entry| {
            method.is_none_or(|method| entry.method.eq_ignore_ascii_case(method))
                && entry.path.starts_with(path_prefix)
        };
        self.0.lock().entries.iter().filter(wanted).cloned().collect()
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.0.lock() = Pages::default();
    }
}

fn redacted_query(query: &str) -> String {
    let hide = |pair: &str| match pair.split_once('=') {
        Some((name @ ("signature" | "t" | "rt"), _)) => format!("{name}=***"),
        Some(_) | None => pair.to_owned(),
    };
    query.split('&').map(hide).collect::<Vec<_>>().join("&")
}

fn redacted_header((name, value): (&http::HeaderName, &http::HeaderValue)) -> (String, String) {
    let secret =
        ["authorization", "signature", "api-key", "cookie"].iter().any(|word| name.as_str().contains(word));
    let value =
        if secret { "***".to_owned() } else { String::from_utf8_lossy(value.as_bytes()).into_owned() };
    (name.as_str().to_owned(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_signatures_and_link_tokens_are_not_written_down() {
        let (parts, ()) = http::Request::get("/sign/1?t=secret-token&page=2&signature=abc")
            .header("Authorization", "Bearer secret-key")
            .header("X-Vendor-Signature", "sha256=secret-digest")
            .body(())
            .unwrap()
            .into_parts();
        let journal = Journal::default();
        let seq = journal.open(&parts, &Bytes::from_static(b"hello"), Timestamp(0));
        journal.close(seq, Some(204), None);

        let entry = journal.requests(Some("get"), "/sign/").remove(0);
        assert_eq!((entry.query.as_str(), entry.status), ("t=***&page=2&signature=***", Some(204)));
        assert!(!format!("{entry:?}").contains("secret"));
    }
}
