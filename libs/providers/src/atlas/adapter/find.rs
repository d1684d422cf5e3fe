//! Looking for what an earlier try may have left (atlas.md §8, §12).

use domain::ids::{EnvelopeId, ProviderEnvelopeId};
use serde_json::Value;
use url::Url;

use super::super::dialect::Dialect;
use super::super::wire;
use super::Adapter;
use crate::{ENVELOPE_ID_KEY, Provider as _, ProviderError, Snapshot};

/// Pages read at most where the vendor searches by the external record's id.
const PAGES_FILTERED_MAX: usize = 50;
/// Pages read at most where all envelopes have to be looked through.
const PAGES_ALL_MAX: usize = 200;
/// Envelopes on a page, where that can be said.
const PAGE_ITEMS: &str = "100";
/// Envelopes read one by one at most, when a list leaves their correlation out.
const READS_MAX: usize = 20;

impl Adapter {
    pub(super) async fn look_for(
        &self,
        envelope_id: &EnvelopeId,
        external_id: &str,
    ) -> Result<Option<Snapshot>, ProviderError> {
        let wanted = envelope_id.to_string();
        let pages_max = match self.dialect {
            Dialect::First if !external_id.is_empty() => PAGES_FILTERED_MAX,
            Dialect::First | Dialect::Second => PAGES_ALL_MAX,
        };
        let mut cursors: Vec<String> = Vec::new();
        let mut first_of_last_page = None;
        let mut reads_left = READS_MAX;
        for _ in 0..pages_max {
            let answer = self.read(self.list_url(external_id, cursors.last()), "list_envelopes").await?;
            let (items, next) = wire::page(&answer);
            let first = items.first().and_then(wire::id);
            if first.is_none() || first == first_of_last_page {
                return Ok(None);
            }
            for id in items.iter().filter_map(|item| candidate(item, &wanted)) {
                reads_left = reads_left.checked_sub(1).ok_or_else(too_many)?;
                let found = self.snapshot(&id).await?;
                if found.correlation.get(ENVELOPE_ID_KEY) == Some(&wanted) {
                    return Ok(Some(found));
                }
            }
            first_of_last_page = first;
            match next {
                Some(next) if !cursors.iter().any(|seen| seen == next) => cursors.push(next.to_owned()),
                Some(_) | None => return Ok(None),
            }
        }
        Err(too_many())
    }

    /// Only the first generation filters by the external record's id.
    fn list_url(&self, external_id: &str, cursor: Option<&String>) -> Url {
        let mut url = self.url(&["envelopes"]);
        match self.dialect {
            Dialect::First if !external_id.is_empty() => {
                url.query_pairs_mut().append_pair("external_id", external_id);
            }
            Dialect::First => {}
            Dialect::Second => {
                url.query_pairs_mut().append_pair("limit", PAGE_ITEMS);
            }
        }
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        url
    }
}

/// The item's id, unless its correlation shows that it is another's.
fn candidate(item: &Value, wanted: &str) -> Option<ProviderEnvelopeId> {
    let told = wire::core(item).get("metadata").filter(|metadata| metadata.is_object());
    let fits =
        told.is_none_or(|metadata| metadata.get(ENVELOPE_ID_KEY).and_then(Value::as_str) == Some(wanted));
    if fits { wire::id(item) } else { None }
}

/// The search came to its bound: saying "not there" would invite a second envelope, so a person has to look.
fn too_many() -> ProviderError {
    ProviderError::invalid("too_many_candidates")
}
