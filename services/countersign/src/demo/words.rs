//! What happened to an envelope, in plain words.

/// Words for the kind of an event; `None` for what only the machinery cares about.
pub fn of_event(kind: &str) -> Option<&'static str> {
    Some(match kind.strip_prefix("envelope.").unwrap_or(kind) {
        "requested" => "the envelope is asked for",
        "adopted" => "the document of sales is taken up",
        "create_started" => "the provider is asked to make it",
        "created" => "the provider has it",
        "failed" => "the provider refuses for good",
        "ready_for_review" => "its fields are found: ready for review",
        "attention_needed" => "a person must look",
        "send_requested" => "it is to be sent",
        "send_held" => "the provider does not send it yet: held",
        "send_resumed" => "the send goes on",
        "sent" => "out to the first signer",
        "viewed" => "a signer opened it",
        "parties_progressed" => "the signing order moves on",
        "completed" => "signed by all",
        "declined" => "a signer declined",
        "void_requested" => "it is to be cancelled",
        "voided" => "cancelled",
        "expired" => "expired",
        "deleted" => "gone at the provider",
        "reopened" => "back to a draft",
        "corrected" => "its end was corrected",
        "reconciled" => "found by asking: no webhook had told",
        "confirmed" => "the provider, asked, confirms it",
        "artifact_stored" => "the signed PDF is stored",
        "artifact_unavailable" => "the signed PDF will not come",
        "reminder_requested" => "the signer is reminded",
        "payment_due" => "payment is due",
        "paid" => "paid",
        "approval_requested" => "an approval is awaited",
        "void_refused" => "the provider refuses to cancel it",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::of_event;

    #[test]
    fn machinery_is_left_out_and_life_is_told() {
        assert_eq!(of_event("envelope.completed"), Some("signed by all"));
        assert_eq!(of_event("envelope.revision_moved"), None);
    }
}
