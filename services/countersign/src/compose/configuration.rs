//! The configuration of a run with simulators: the shape of docs/ARCHITECTURE.md §6, with secrets made for it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use secrecy::{ExposeSecret as _, SecretString};

use super::simulators::{Addresses, secret};

/// Secrets shared with the simulators. Made once per data directory, so that a restart meets the same ones.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Calls and verifies at the first provider.
    pub atlas_api_key: SecretString,
    /// Verifies the webhooks of the first provider's second API.
    pub atlas_endpoint_secret: SecretString,
    /// Calls the second provider.
    pub pandadoc_api_key: SecretString,
    /// Verifies the second provider's webhooks.
    pub pandadoc_shared_key: SecretString,
    /// Calls the CRM.
    pub hubspot_token: SecretString,
    /// Verifies the CRM's webhooks.
    pub hubspot_client_secret: SecretString,
}

impl Secrets {
    /// Reads the secrets in `directory`, or makes those that are missing.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn in_directory(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let read = |name: &str, prefix: &str| read_or_make(&directory.join(name), prefix);
        Ok(Self {
            atlas_api_key: read("atlas-api-key", "atlas_live_")?,
            atlas_endpoint_secret: read("atlas-endpoint-secret", "whsec_")?,
            pandadoc_api_key: read("pandadoc-api-key", "pd_")?,
            pandadoc_shared_key: read("pandadoc-shared-key", "pds_")?,
            hubspot_token: read("hubspot-token", "pat-na1-")?,
            hubspot_client_secret: read("hubspot-client-secret", "hsc-")?,
        })
    }
}

fn read_or_make(path: &Path, prefix: &str) -> Result<SecretString> {
    if let Ok(known) = fs::read_to_string(path) {
        return Ok(SecretString::from(known.trim().to_owned()));
    }
    let made = secret(prefix);
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(made.expose_secret().as_bytes())?;
    Ok(made)
}

/// Writes the configuration for these simulators to `<data_dir>/countersign.yaml`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(data_dir: &Path, secrets: &Path, simulators: &Addresses, ingress: &str) -> Result<PathBuf> {
    let path = data_dir.join("countersign.yaml");
    let secrets = fs::canonicalize(secrets)?;
    let text = include_str!("simulators.yaml")
        .replace("$SECRETS", &secrets.display().to_string())
        .replace("$ATLAS", &simulators.atlas)
        .replace("$PANDADOC", &simulators.pandadoc)
        .replace("$HUBSPOT", &simulators.hubspot)
        .replace("$INGRESS", ingress);
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
