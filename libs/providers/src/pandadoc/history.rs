//! What happened while we did not listen: the list of changed documents, and the deliveries that did not arrive
//! (pandadoc.md §3.5, §6).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use domain::retry::Retry;
use domain::time::Timestamp;
use serde_json::Value;
use tokio::time::Instant;
use url::{Url, form_urlencoded};

use super::adapter::Adapter;
use super::{webhook, wire};
use crate::{Changed, Class, MissedDelivery, Page, ProviderError, reading};

/// Entries of a page of documents: the vendor's maximum.
const DOCUMENTS_PER_PAGE: usize = 100;
/// Entries of a page of deliveries; each is read one by one, so a page must fit into a caller's patience.
const DELIVERIES_PER_PAGE: usize = 50;
/// Longest time that a page of deliveries waits for the vendor's pace, all its waits together.
const WAITS_MAX: Duration = Duration::from_secs(120);
/// One such wait, where the vendor does not say how long.
const WAIT: Duration = Duration::from_millis(500);
/// No wait is shorter.
const WAIT_MIN: Duration = Duration::from_millis(50);
/// The two ways in which a delivery fails, as the vendor filters them: no answer, or a bad one.
const FAILURES: [(&str, &[&str]); 2] = [
    ("error[]", &["INTERNAL_ERROR", "NOT_VALID_URL", "CONNECT_ERROR", "TIMEOUT_ERROR"]),
    ("http_status_code[]", &["100", "300", "400", "500"]),
];

impl Adapter {
    /// One page of the documents that changed at or after `since`, oldest change first.
    pub(super) async fn changed(&self, since: Timestamp, page: u32) -> Result<Page<Changed>, ProviderError> {
        let mut url = self.documents_url(&[]);
        url.query_pairs_mut()
            .append_pair("modified_from", &written(since))
            .append_pair("order_by", "date_modified")
            .append_pair("count", &DOCUMENTS_PER_PAGE.to_string())
            .append_pair("page", &page.max(1).to_string());
        let answer = self.read(url, "list_documents").await?;
        let results = reading::list(&answer, &["/results"]);
        let changed = |result: &Value| {
            Some(Changed {
                provider_id: reading::envelope_id(result, &["/id", "/uuid"])?,
                claim: wire::claim(reading::text(result, &["/status"]).unwrap_or_default(), result),
                revision: wire::revision(result),
            })
        };
        // without a total, a page that is not full is the last
        let more = results.len() >= DOCUMENTS_PER_PAGE;
        Ok(Page { items: results.iter().filter_map(changed).collect(), more, unread: Vec::new() })
    }

    /// One page of failed deliveries since then; within a page the oldest comes first. The vendor lists failures
    /// without an answer and those with a bad one separately, so a page holds one page of each.
    pub(super) async fn missed(
        &self,
        since: Timestamp,
        page: u32,
    ) -> Result<Page<MissedDelivery>, ProviderError> {
        let mut found: BTreeMap<String, Timestamp> = BTreeMap::new();
        let mut more = false;
        for (filter, values) in FAILURES {
            let mut url = self.deliveries_url(&[]);
            url.query_pairs_mut()
                .append_pair("count", &DELIVERIES_PER_PAGE.to_string())
                .append_pair("page", &page.max(1).to_string())
                .append_pair("since", &written(since))
                .extend_pairs(values.iter().map(|value| (filter, value)));
            let answer = self.read(url, "list_deliveries").await?;
            let items = reading::list(&answer, &["/items", "/results"]);
            more |= items.len() >= DELIVERIES_PER_PAGE;
            found.extend(items.iter().filter(|item| failed(item)).filter_map(|item| {
                let id = reading::text(item, &["/uuid", "/id"])?.to_owned();
                Some((id, reading::time(item, &["/delivery_time"]).unwrap_or(since)))
            }));
        }
        let (until, all) = (Instant::now() + WAITS_MAX, found.len());
        let (mut items, mut unread, mut first) = (Vec::with_capacity(all), Vec::new(), None);
        for (id, made_at) in found {
            match self.delivery(&id, until).await {
                Ok(delivery) => items.extend(missed(id, &delivery)),
                Err(error) if is_everybodys(&error) => return Err(error),
                Err(error) if error.class == Class::NotFound => {
                    tracing::debug!(id, "the vendor keeps a delivery no longer");
                }
                Err(error) => {
                    tracing::debug!(id, %error, "a missed delivery could not be read");
                    unread.push(made_at);
                    first.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first.filter(|_| unread.len() == all) {
            return Err(error);
        }
        items.sort_by_key(|delivery| delivery.made_at);
        Ok(Page { items, more, unread })
    }

    /// One delivery; where the vendor says "too fast" it is waited for, at most until then.
    async fn delivery(&self, id: &str, until: Instant) -> Result<Value, ProviderError> {
        loop {
            let error = match self.read(self.deliveries_url(&[id]), "get_delivery").await {
                Err(error) if error.class == Class::RateLimited => error,
                answer => return answer,
            };
            let pause = if let Retry::After(pause) = error.retry { pause.max(WAIT_MIN) } else { WAIT };
            let at = Instant::now() + pause;
            if at >= until {
                return Err(error);
            }
            tokio::time::sleep_until(at).await;
        }
    }

    fn deliveries_url(&self, rest: &[&str]) -> Url {
        self.api_url("webhook-events", rest)
    }
}

/// Whether no other delivery could be read either.
fn is_everybodys(error: &ProviderError) -> bool {
    matches!(error.class, Class::Unauthorized | Class::QuotaExhausted) || error.code == "breaker_open"
}

/// Whether it failed: a filter that the vendor reads more generously than we do must not replay what arrived.
fn failed(item: &Value) -> bool {
    let status = reading::number(item, &["/http_status_code"]);
    reading::text(item, &["/error"]).is_some() || status.is_none_or(|status| status != 200)
}

/// The delivery as it would have arrived; `None` if the vendor does not keep its body any more.
fn missed(id: String, delivery: &Value) -> Option<MissedDelivery> {
    let body = reading::text(delivery, &["/request_body"])?;
    let made_at = reading::time(delivery, &["/event_time", "/delivery_time"])?;
    let mut query = reading::text(delivery, &["/url"])
        .and_then(|url| Some(url.split_once('?')?.1.split('#').next()?.to_owned()))
        .unwrap_or_default();
    let signed = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == webhook::SIGNATURE);
    if let (Some(signature), false) = (reading::text(delivery, &["/signature"]), signed) {
        let pair = form_urlencoded::Serializer::new(String::new())
            .append_pair(webhook::SIGNATURE, signature)
            .finish();
        query = if query.is_empty() { pair } else { format!("{query}&{pair}") };
    }
    let headers = [("content-type", "application/json"), (webhook::EVENT_ID_HEADER, id.as_str())];
    Some(MissedDelivery {
        headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).to_vec(),
        made_at,
        query,
        body: Bytes::from(body.to_owned()),
        id,
    })
}

/// A time as the vendor reads it.
fn written(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn delivery(url: &str) -> Value {
        json!({"url": url, "signature": "ab12", "request_body": "[]", "event_time": "2026-11-02T09:00:00.123456Z"})
    }

    #[test]
    fn a_missed_delivery_carries_its_signature_where_the_vendor_would_have_put_it() {
        let query = |url| missed("e1".to_owned(), &delivery(url)).unwrap().query;
        assert_eq!(query("https://mw.test/v1/hooks/s"), "signature=ab12");
        assert_eq!(query("https://mw.test/v1/hooks/s?a=1"), "a=1&signature=ab12");
        assert_eq!(query("https://mw.test/v1/hooks/s?signature=ab12"), "signature=ab12");
    }

    #[test]
    fn a_missed_delivery_without_a_body_cannot_be_replayed() {
        assert_eq!(missed("e1".to_owned(), &json!({"event_time": "2026-11-02T09:00:00Z"})), None);
    }

    #[test]
    fn what_arrived_is_not_replayed_whatever_the_filter_let_through() {
        assert!(!failed(&json!({"http_status_code": 200, "error": null})));
        assert!(failed(&json!({"http_status_code": 503, "error": null})));
        assert!(failed(&json!({"http_status_code": null, "error": "TIMEOUT_ERROR"})));
    }
}
