//! What a record should say about an envelope as it stands now.

use std::collections::BTreeMap;

use domain::envelope::{Envelope, Stage};
use runtime::config::{Loaded, Write};
use runtime::expressions::{ExpressionError, is_template};
use serde_json::Value;

/// Fields and their values.
pub type Fields = BTreeMap<String, String>;

/// The link fields, or `None` while the provider's id is not known.
pub fn link(
    loaded: &Loaded,
    write: &Write,
    envelope: &Envelope,
    context: &Value,
) -> Result<Option<Fields>, ExpressionError> {
    if envelope.provider_id.is_none() {
        return Ok(None);
    }
    evaluate(loaded, &write.link, context).map(Some)
}

/// The fields that are due: each moment that was reached adds its own, later ones win.
///
/// A jump (completed without having been seen as sent) leaves out the moments that were not seen, because facts
/// are not invented; a closed envelope keeps what `on_sent` wrote unless its end says otherwise.
pub fn fields(
    loaded: &Loaded,
    write: &Write,
    envelope: &Envelope,
    context: &Value,
) -> Result<Fields, ExpressionError> {
    let mut fields = Fields::new();
    let out_or_done = envelope.stage.is_out() || envelope.stage == Stage::Completed;
    if envelope.sent_at.is_some() && out_or_done {
        fields.extend(evaluate(loaded, &write.on_sent, context)?);
    }
    if envelope.viewed_at.is_some() && out_or_done {
        fields.extend(evaluate(loaded, &write.on_viewed, context)?);
    }
    let end = match envelope.stage {
        Stage::Completed => &write.on_completed,
        Stage::Declined => &write.on_declined,
        Stage::Voided | Stage::Deleted => &write.on_voided,
        Stage::Expired if write.on_expired.is_empty() => &write.on_voided,
        Stage::Expired => &write.on_expired,
        Stage::Failed => &write.on_failed,
        Stage::Absent
        | Stage::Requested
        | Stage::Creating
        | Stage::Preparing
        | Stage::InReview
        | Stage::NeedsAttention
        | Stage::AwaitingApproval
        | Stage::Sending
        | Stage::Sent
        | Stage::Viewed
        | Stage::PartiallySigned
        | Stage::AwaitingPayment => return Ok(fields),
    };
    fields.extend(evaluate(loaded, end, context)?);
    Ok(fields)
}

/// The texts of one moment with the names in `context`.
pub fn evaluate(loaded: &Loaded, texts: &Fields, context: &Value) -> Result<Fields, ExpressionError> {
    let evaluated = texts.iter().map(|(field, text)| {
        let value =
            if is_template(text) { loaded.expressions().evaluate(text, context)? } else { text.clone() };
        Ok((field.clone(), value))
    });
    evaluated.collect()
}
