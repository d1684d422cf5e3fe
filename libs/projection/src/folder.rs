//! The folder of a projection: opened, retried, put aside. Everything in it may be deleted at any time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing::warn;

use crate::ProjectionError;
use crate::store::{Identity, OpenFailure, Store};

/// sled lets go of its lock a while after it was dropped.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Opens the folder, or what is left of it, or an empty one in its place.
pub(crate) fn open(dir: &Path, identity: &Identity) -> Result<Store, ProjectionError> {
    let reason = match patiently(dir, identity)? {
        Ok(store) => return Ok(store),
        Err(OpenFailure::Foreign(reason)) => {
            warn!(dir = %dir.display(), reason, "projection is rebuilt from the log");
            fs::remove_dir_all(dir).map_err(|error| unusable(dir, &error))?;
            return fresh(dir, identity);
        }
        Err(OpenFailure::Locked | OpenFailure::Damaged(_)) if remove_snapshots(dir).is_err() => {
            "its snapshots cannot be removed".to_owned()
        }
        // A snapshot that was cut short keeps a sound folder from opening.
        Err(OpenFailure::Locked | OpenFailure::Damaged(_)) => match patiently(dir, identity)? {
            Ok(store) => return Ok(store),
            Err(OpenFailure::Locked) => "locked".to_owned(),
            Err(OpenFailure::Foreign(reason) | OpenFailure::Damaged(reason)) => reason,
        },
    };
    warn!(dir = %dir.display(), reason, "projection is damaged; it is put aside and rebuilt from the log");
    metrics::counter!("projection_rebuilds_total", "projection" => identity.view).increment(1);
    put_aside(dir).map_err(|error| unusable(dir, &error))?;
    fresh(dir, identity)
}

fn fresh(dir: &Path, identity: &Identity) -> Result<Store, ProjectionError> {
    match patiently(dir, identity)? {
        Ok(store) => Ok(store),
        Err(OpenFailure::Foreign(reason) | OpenFailure::Damaged(reason)) => {
            Err(ProjectionError::Store { dir: dir.to_owned(), reason })
        }
        Err(OpenFailure::Locked) => Err(ProjectionError::InUse { dir: dir.to_owned() }),
    }
}

/// Waits for the lock; a folder in use by another process is left alone.
fn patiently(dir: &Path, identity: &Identity) -> Result<Result<Store, OpenFailure>, ProjectionError> {
    let started = Instant::now();
    loop {
        match Store::open(dir, identity) {
            Err(OpenFailure::Locked) if started.elapsed() < LOCK_WAIT_MAX => {
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(OpenFailure::Locked) => return Err(ProjectionError::InUse { dir: dir.to_owned() }),
            outcome => return Ok(outcome),
        }
    }
}

/// Moves the folder aside for whoever wants to look; at most one is kept.
pub(crate) fn put_aside(dir: &Path) -> io::Result<()> {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".damaged");
    let aside: PathBuf = dir.with_file_name(name);
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    match fs::rename(dir, aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn remove_snapshots(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn unusable(dir: &Path, error: &io::Error) -> ProjectionError {
    ProjectionError::Store { dir: dir.to_owned(), reason: error.to_string() }
}
