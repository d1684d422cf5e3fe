//! What a record should say about an envelope as it stands now.

use std::collections::BTreeMap;

use domain::envelope::{Envelope, Stage};
use domain::personal::Personal;
use domain::sync::{Desired, Link, Phase};
use runtime::config::{Loaded, Write};
use runtime::expressions::{ExpressionError, is_template};
use serde_json::Value;

use crate::history::History;

/// Fields and their values.
pub type Fields = BTreeMap<String, String>;

/// What the record should say of the envelope as it stands.
pub fn wanted(
    loaded: &Loaded,
    write: &Write,
    history: &History,
    context: &Value,
) -> Result<Desired, ExpressionError> {
    let envelope = &history.envelope;
    let link = match link(loaded, write, envelope, context)? {
        Some(_) if write.link.is_empty() => Link::Never,
        // What is not known yet is left out and comes with a later version: an id may be known before its link.
        Some(fields) => {
            Link::Known(personal(fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()))
        }
        None if envelope.stage.is_closed() => Link::Never,
        None => Link::Unknown,
    };
    let fields = fields(loaded, write, envelope, context)?;
    Ok(Desired { version: history.version, link, fields: personal(fields), phase: phase(envelope.stage) })
}

fn personal(fields: Fields) -> BTreeMap<String, Personal> {
    fields.into_iter().map(|(field, value)| (field, Personal::new(value))).collect()
}

/// How far life has come at a stage, as far as the record is concerned.
pub const fn phase(stage: Stage) -> Phase {
    if stage.is_closed() {
        Phase::Final
    } else if stage.is_out() {
        Phase::Sent
    } else {
        Phase::Open
    }
}

/// The link fields, or `None` while the provider's id is not known.
fn link(
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
fn fields(
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
