//! Other texts in the fields of a draft, under the provider's optimistic lock.
//!
//! The call is made at once, while the caller waits: it may be repeated, because the lock lets it through once at most.
//! That it was made is a fact under the request's own id, so that the same request again is answered and not made. What
//! was written is kept at the provider only.

use contracts::wire::envelope as wire;
use domain::envelope::{Command, Source, may_edit_fields};
use domain::ids::{OperationKey, ProviderEnvelopeId};
use domain::personal::Personal;
use providers::{Class, FieldEdit, Provider};
use tonic::Status;

use super::refuse::{bad_request, not_offered, provider_refused, refused, unavailable, violation};
use super::{Grpc, answer, parse_id, wish};
use crate::store::{Cause, ExecuteError, Executed, Subject};
use crate::worker::observation;

/// Most fields in one request.
const EDITS_MAX: usize = 200;
/// Longest id of a field, in bytes.
const FIELD_ID_BYTES_MAX: usize = 200;
/// Longest text of a field, in bytes.
const VALUE_BYTES_MAX: usize = 10_000;

impl Grpc {
    pub(super) async fn edit(
        &self,
        request: wire::EditFieldsRequest,
    ) -> Result<(wire::Envelope, u64), Status> {
        let wire::EditFieldsRequest { request_id, envelope_id, fields_version, edits } = request;
        let mut violations = Vec::new();
        if let Err(error) = request_id.parse::<OperationKey>() {
            violations.push(violation("request_id", error.to_string()));
        }
        let id = parse_id(&envelope_id).map_err(|found| violations.push(found)).ok();
        if edits.is_empty() || edits.len() > EDITS_MAX {
            violations.push(violation("edits", "1 to 200 fields"));
        }
        for (index, edit) in edits.iter().enumerate() {
            if edit.field_id.is_empty() || edit.field_id.len() > FIELD_ID_BYTES_MAX {
                violations.push(violation(&format!("edits[{index}].field_id"), "1 to 200 bytes"));
            }
            if edit.value.len() > VALUE_BYTES_MAX {
                violations.push(violation(&format!("edits[{index}].value"), "at most 10,000 bytes"));
            }
        }
        let Some(id) = id.filter(|_| violations.is_empty()) else { return Err(bad_request(violations)) };
        let subject = self.subject(&id).await?;
        let cause = wish("edit_fields", &id, &request_id);
        let loaded = self.store.load(&subject).await.map_err(|error| refused(&subject, error))?;
        if loaded.history.iter().any(|commit| commit.command_id == cause.command_id) {
            let position = event_log::Position(loaded.version.0);
            let done = Executed { events: Vec::new(), envelope: loaded.envelope, position };
            return Ok(answer(&subject, &done));
        }
        may_edit_fields(&loaded.envelope, fields_version)
            .map_err(|rejection| refused(&subject, ExecuteError::Rejected(rejection)))?;
        let provider = loaded.envelope.provider().and_then(|connection| (self.providers)(connection));
        let (Some(provider), Some(provider_id)) = (provider, &loaded.envelope.provider_id) else {
            return Err(unavailable("CS-ORCH-003: the connection is not configured"));
        };
        if !provider.capabilities().edits_fields {
            return Err(not_offered(&id, "other texts in the fields of a draft"));
        }
        let edit = |edit: wire::FieldEdit| FieldEdit { id: edit.field_id, value: Personal::new(edit.value) };
        let edits: Vec<FieldEdit> = edits.into_iter().map(edit).collect();
        let fields_version = match provider.edit_fields(provider_id, fields_version, &edits).await {
            Ok(fields_version) => fields_version,
            Err(error) => {
                if error.class == Class::Conflict {
                    self.read_again(&subject, provider.as_ref(), provider_id).await;
                }
                return Err(provider_refused(&id, &error));
            }
        };
        let command = Command::ConfirmFieldsEdited { fields_version, at: self.store.clock().now() };
        let done = self.store.execute(&subject, command, &cause).await;
        done.map(|done| answer(&subject, &done)).map_err(|error| refused(&subject, error))
    }

    /// The provider knows other fields than we do: whoever reads the envelope next shall see their version. When it
    /// cannot be read now, the poll of the review does it later.
    async fn read_again(&self, subject: &Subject, provider: &dyn Provider, id: &ProviderEnvelopeId) {
        let Ok(snapshot) = provider.snapshot(id).await else { return };
        let (reopens, at) = (provider.capabilities().reopens, self.store.clock().now());
        let seen = Command::Observe { observation: observation(snapshot), source: Source::Poll, reopens, at };
        if let Err(error) = self.store.execute(subject, seen, &Cause::fresh("")).await {
            tracing::warn!(envelope.id = %subject.id, %error, "fields that moved are not noted yet");
        }
    }
}
