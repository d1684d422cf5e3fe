//! The subscription by which a vendor reports to us: making it, and changing the key it signs with.
//!
//! Keys are never printed: they go into the files that the configuration names. The first of `shared_keys` is the key
//! in use, the second the one before it, which counts on for what was signed with it. A running process reads both
//! within seconds. Asked of the vendor directly, so it works before anything runs. Tokens of OAuth live once, so those of
//! a connection that has them are taken from where all processes share them: the state beside the log.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use domain::ids::ConnectionId;
use providers::Provider;
use runtime::clock::Clock;
use runtime::config::{Configuration, Connection, Environment, SecretRef};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::cli::LogArgs;
use crate::compose::adapters::RULES;
use crate::compose::log;
use crate::compose::tokens::TokensBesideLog;
use crate::terminal::{Terminal, Tone};

/// How long the key before may still come in: retries, and what is on its way.
const OVERLAP_MINUTES: u32 = 30;

/// One connection of a configuration is meant.
#[derive(Clone, Debug, Args)]
pub struct AtVendor {
    /// The connection.
    pub connection: ConnectionId,
    /// The configuration file.
    #[arg(long, env = "COUNTERSIGN_CONFIG", default_value = "countersign.yaml")]
    pub config: PathBuf,
    /// The vendor may be at a private address (a simulator).
    #[arg(long)]
    pub private_addresses: bool,
    /// Where tokens of OAuth are kept: as for `up`. Opened only for a connection that has them.
    #[command(flatten)]
    pub log: LogArgs,
    /// Prints JSON lines instead of text.
    #[arg(long)]
    pub json: bool,
}

/// Makes a subscription at the connection's webhook address and writes its key into the first key file.
///
/// # Errors
/// When there is one already, the file is there already, or the vendor refuses.
pub async fn subscribe(at: &AtVendor, name: &str) -> Result<()> {
    let connection = connection(at)?;
    let (current, _) = key_files(&connection)?;
    ensure!(!current.exists(), "{} is there already: move it away first", current.display());
    let provider = provider(at, &connection).await?;
    let made = provider.subscribe(name).await.context("the vendor made no subscription")?;
    write(&current, &made.shared_key)?;
    let terminal = Terminal::new(at.json);
    let done = terminal.toned(Tone::Good, "✓");
    terminal.line(format_args!("{done} subscribed; the key is in {}", current.display()));
    terminal
        .object(&json!({"connection": at.connection.as_str(), "subscription": made.id, "key_file": current}));
    Ok(())
}

/// Has the vendor sign with a new key, and keeps the one before as the second; with `finish`, ends that.
///
/// # Errors
/// When the configuration does not name two key files, there is no subscription, or the vendor refuses.
pub async fn rotate(at: &AtVendor, finish: bool) -> Result<()> {
    let connection = connection(at)?;
    let (current, previous) = key_files(&connection)?;
    let Some(previous) = previous else {
        bail!("shared_keys needs a second file for the key before: add {{id: previous, file: …}}");
    };
    let terminal = Terminal::new(at.json);
    let done = terminal.toned(Tone::Good, "✓");
    let known = connection.shared_keys.first().context("shared_keys is empty")?;
    let known = known.resolve(&Environment::of_process()).map_err(anyhow::Error::msg)?;
    if finish {
        write(&previous, &known)?;
        terminal.line(format_args!("{done} only the newest key counts now"));
        terminal.object(&json!({"connection": at.connection.as_str(), "finished": true}));
        return Ok(());
    }
    let provider = provider(at, &connection).await?;
    let subscription = provider.subscription().await.context("the vendor does not tell its subscriptions")?;
    let subscription = subscription.context("there is no subscription at the connection's webhook_url")?;
    // first what is sure, so that no moment is without the key that is in use
    write(&previous, &known)?;
    let fresh = provider.rotate_shared_key(&subscription.id).await;
    let fresh = fresh.context("the vendor gave no new key; if it may have changed it, rotate once more")?;
    write(&current, &fresh)?;
    terminal.line(format_args!("{done} the vendor signs with the new key in {}", current.display()));
    terminal.line(format_args!(
        "  the one before counts on: in {OVERLAP_MINUTES} minutes, once `connections list` says that it is \
         safe to remove, run this again with --finish"
    ));
    terminal.line(format_args!(
        "  what the new key signed before it was read here is in quarantine: `quarantine release` takes it in"
    ));
    terminal.object(
        &json!({"connection": at.connection.as_str(), "subscription": subscription.id, "key_file": current}),
    );
    Ok(())
}

/// The connection as the file has it; keys that are not there yet do not matter.
fn connection(at: &AtVendor) -> Result<Connection> {
    let text = fs::read_to_string(&at.config);
    let text = text.with_context(|| format!("{} cannot be read", at.config.display()))?;
    let configuration: Configuration = runtime::config::parse(&text, &RULES)?;
    let found = configuration.connections.get(&at.connection).cloned();
    found.with_context(|| format!("there is no connection {}", at.connection))
}

/// The file of the key in use, and that of the one before it, if the configuration names one.
fn key_files(connection: &Connection) -> Result<(PathBuf, Option<PathBuf>)> {
    let mut files = connection.shared_keys.iter().map(|key| key.file.clone());
    let current = files.next().flatten();
    let current = current.context("the first of shared_keys must be a file: the key is written there")?;
    Ok((current, files.next().flatten()))
}

async fn provider(at: &AtVendor, connection: &Connection) -> Result<Arc<dyn Provider>> {
    let (key, oauth) = match &connection.oauth {
        Some(oauth) => (SecretString::from(String::new()), Some(access(at, oauth).await?)),
        None => {
            let rule = RULES.iter().find(|rule| rule.kind == connection.kind).context("an unknown kind")?;
            let keys = connection.secrets(rule.call);
            (resolved(keys.first().context("there is no key for calls")?)?, None)
        }
    };
    let settings = providers::ConnectionSettings {
        connection: at.connection.clone(),
        base_url: connection.base_url.parse().context("base_url is not an address")?,
        key: Arc::new(move || key.clone()),
        oauth,
        webhook_url: connection.webhook_url.as_deref().map(str::parse).transpose()?,
        options: connection.options.clone().into_iter().collect(),
        allow_private_addresses: at.private_addresses,
    };
    Ok(providers::connect(&connection.kind, settings)?)
}

/// Access with the tokens that every process of this installation shares: a refresh of our own with others would spend
/// theirs.
async fn access(at: &AtVendor, oauth: &runtime::config::OAuth) -> Result<providers::OAuth> {
    let log = log::open(&at.log).await.context(
        "the tokens of OAuth lie beside the log; if a process runs on the embedded log, stop it for this (vendors send \
         again what comes meanwhile)",
    )?;
    Ok(providers::OAuth {
        client_id: oauth.client_id.clone(),
        client_secret: resolved(&oauth.client_secret)?,
        refresh_token: resolved(&oauth.refresh_token)?,
        token_url: oauth
            .token_url
            .as_deref()
            .map(str::parse)
            .transpose()
            .context("token_url is not an address")?,
        tokens: Arc::new(TokensBesideLog::new(log, Clock::system(), &at.connection)),
    })
}

fn resolved(secret: &SecretRef) -> Result<SecretString> {
    secret.resolve(&Environment::of_process()).map_err(anyhow::Error::msg)
}

/// Replaces the file as a whole: a reader finds the old key or the new one.
fn write(path: &Path, key: &SecretString) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let mut options = fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(&beside).with_context(cannot)?;
    file.write_all(key.expose_secret().as_bytes()).with_context(cannot)?;
    file.sync_all().with_context(cannot)?;
    fs::rename(&beside, path).with_context(cannot)
}

#[cfg(test)]
mod tests;
