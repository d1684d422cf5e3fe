//! What an event is about: an entity of one category of one tenant.

use std::fmt;

use domain::ids::TenantId;
use sha2::{Digest as _, Sha256};

/// The five logs in the log. Each has exactly one writing service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Raw deliveries that verification could not take yet; written by ingress.
    Parked,
    /// Verified signals; written by verification.
    Intake,
    /// The life of envelopes; written by the orchestrator.
    Envelopes,
    /// Writes into CRMs and billing; written by crm-sync.
    Sync,
    /// Outgoing webhooks; written by webhook-delivery.
    Delivery,
}

impl Category {
    /// Every category.
    pub const ALL: [Category; 5] =
        [Category::Parked, Category::Intake, Category::Envelopes, Category::Sync, Category::Delivery];

    /// The name in subjects, keyspaces and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Category::Parked => "parked",
            Category::Intake => "intake",
            Category::Envelopes => "envelopes",
            Category::Sync => "sync",
            Category::Delivery => "delivery",
        }
    }

    /// The category of this name, if there is one.
    pub fn from_name(name: &str) -> Option<Category> {
        Category::ALL.into_iter().find(|category| category.as_str() == name)
    }

    /// Place in [`Category::ALL`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Category::Parked => 0,
            Category::Intake => 1,
            Category::Envelopes => 2,
            Category::Sync => 3,
            Category::Delivery => 4,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a text cannot name an entity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntityError {
    /// The id is empty, too long, or has a character outside the set.
    #[error("an entity id is 1 to {} characters of A-Z a-z 0-9 _ -", Entity::ID_BYTES_MAX)]
    Id,
    /// The tenant has a character that may not stand in a subject.
    #[error("a tenant in the log is 1 to 64 characters of A-Z a-z 0-9 _ -")]
    Tenant,
}

/// What an event is about. Everything in an entity is strictly ordered; nothing personal is in its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entity {
    category: Category,
    tenant: TenantId,
    id: String,
}

impl Entity {
    /// Longest id, in bytes.
    pub const ID_BYTES_MAX: usize = 100;
    /// Number of partitions, fixed for ever: it is part of every subject.
    pub const PARTITIONS: u8 = 64;

    /// Names an entity.
    ///
    /// # Errors
    /// When the id or the tenant has a character that may not stand in a subject.
    pub fn new(category: Category, tenant: &TenantId, id: impl Into<String>) -> Result<Entity, EntityError> {
        let id = id.into();
        if id.len() > Self::ID_BYTES_MAX || !is_token(&id) {
            return Err(EntityError::Id);
        }
        if !is_token(tenant.as_str()) {
            return Err(EntityError::Tenant);
        }
        Ok(Entity { category, tenant: tenant.clone(), id })
    }

    /// The category.
    pub fn category(&self) -> Category {
        self.category
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The id within category and tenant.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The partition, 0 to 63: CRC-32 of `tenant|category|id`, so that every process agrees for ever.
    pub fn partition(&self) -> u8 {
        let parts = [self.tenant.as_str(), "|", self.category.as_str(), "|", &self.id];
        let mut crc = u32::MAX;
        for byte in parts.into_iter().flat_map(str::bytes) {
            crc ^= u32::from(byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            }
        }
        u8::try_from(!crc % u32::from(Self::PARTITIONS)).expect("the remainder is below 64")
    }

    /// A name that is unique over all categories and tenants.
    pub(crate) fn name(&self) -> String {
        [self.category.as_str(), "/", self.tenant.as_str(), "/", &self.id].concat()
    }

    /// The name as a short key: half of its SHA-256, so that keys compare at their first bytes.
    pub(crate) fn key(&self) -> EntityKey {
        let digest = Sha256::digest(self.name());
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        key
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// See `Entity::key`.
pub(crate) type EntityKey = [u8; 16];

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(id: &str) -> Result<Entity, EntityError> {
        Entity::new(Category::Envelopes, &"acme".parse().unwrap(), id)
    }

    #[test]
    fn a_partition_never_changes() {
        // Golden values: subjects of years of data hang on them.
        assert_eq!(entity("env_00000000000000000000000000000000").unwrap().partition(), GOLDEN[0]);
        assert_eq!(entity("a").unwrap().partition(), GOLDEN[1]);
    }

    const GOLDEN: [u8; 2] = [46, 55];

    #[test]
    fn entities_spread_over_all_partitions() {
        let used: std::collections::HashSet<u8> =
            (0..4_000).map(|n| entity(&format!("env_{n}")).unwrap().partition()).collect();
        assert_eq!(used.len(), usize::from(Entity::PARTITIONS));
    }

    #[test]
    fn an_id_that_would_break_a_subject_is_refused() {
        for id in ["", "a.b", "a b", "*", ">", "ä", &"x".repeat(101)] {
            assert_eq!(entity(id), Err(EntityError::Id), "{id:?}");
        }
        let tenant = "acme.eu".parse().unwrap();
        assert_eq!(Entity::new(Category::Sync, &tenant, "a"), Err(EntityError::Tenant));
    }
}
