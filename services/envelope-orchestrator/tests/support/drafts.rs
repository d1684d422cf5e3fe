//! What the scripted provider keeps, and how it shows it.

use std::collections::BTreeMap;

use domain::envelope::Detection;
use domain::intake::{Claim, PartyNews, Standing};
use domain::personal::Personal;
use domain::retry::Retry;
use providers::{Class, ProviderError, Snapshot};

/// One envelope at the provider.
#[derive(Clone, Debug)]
pub struct Draft {
    pub claim: Claim,
    pub detection: Detection,
    pub fields_version: u64,
    pub signed: u32,
    pub total: u32,
    pub correlation: BTreeMap<String, String>,
    /// When it changed last, for a provider that lists changes.
    pub revision: Option<i64>,
}

pub fn error(class: Class) -> ProviderError {
    let never = [Class::InvalidRequest, Class::Forbidden, Class::TooLarge, Class::Unauthorized];
    let retry = if never.contains(&class) { Retry::Never } else { Retry::WithBackoff };
    let detail = Some(Personal::new("Role Client is missing"));
    ProviderError { class, retry, http: None, code: "scripted".to_owned(), detail }
}

pub fn draft(claim: Claim, total: u32) -> Draft {
    let correlation = BTreeMap::new();
    Draft {
        claim,
        detection: Detection::Ready,
        fields_version: 1,
        signed: 0,
        total,
        correlation,
        revision: None,
    }
}

pub fn snapshot(id: &str, draft: &Draft) -> Snapshot {
    let standing = |order| match order {
        order if order <= draft.signed => Standing::Signed,
        order if order == draft.signed + 1 && draft.claim == Claim::Sent => Standing::Pending,
        _ => Standing::Waiting,
    };
    Snapshot {
        provider_id: id.parse().expect("a short id"),
        claim: draft.claim.clone(),
        detection: Some(draft.detection),
        fields_version: Some(draft.fields_version),
        signed: draft.signed,
        total: draft.total,
        parties: (1..=draft.total).map(|order| PartyNews { order, standing: standing(order) }).collect(),
        revision: draft.revision,
        review_link: None,
        correlation: draft.correlation.clone(),
        completed_at: None,
        reason: None,
    }
}
