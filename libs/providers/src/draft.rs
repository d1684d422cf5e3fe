//! What can be changed in a draft before it is sent.

use domain::personal::Personal;

/// Another text for one field. Never printed: what stands in a contract is personal.
#[derive(Clone, PartialEq, Eq)]
pub struct FieldEdit {
    /// The vendor's id of the field.
    pub id: String,
    /// What is to stand there.
    pub value: Personal,
}

impl std::fmt::Debug for FieldEdit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FieldEdit").field("id", &self.id).finish_non_exhaustive()
    }
}
