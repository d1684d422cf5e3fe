//! Blobs as files, `<dir>/blobs/ab/abcd…`: written aside, synced, renamed, and the folder synced.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use domain::envelope::Digest;

use super::store::broken;
use crate::EmbeddedSettings;
use crate::blobs::digest_of;
use crate::error::{OpenError, ReadError};

#[derive(Clone)]
pub(super) struct BlobFiles {
    dir: PathBuf,
    written: Arc<AtomicU64>,
}

impl BlobFiles {
    pub(super) fn open(settings: &EmbeddedSettings) -> Result<BlobFiles, OpenError> {
        let dir = settings.dir.join("blobs");
        let prepare = || {
            fs::create_dir_all(dir.join("tmp"))?;
            // What a crash left half written belongs to nobody.
            for left in fs::read_dir(dir.join("tmp"))? {
                fs::remove_file(left?.path())?;
            }
            sync_dir(&dir)
        };
        prepare().map_err(|source| broken(&dir, source))?;
        Ok(BlobFiles { dir, written: Arc::default() })
    }

    pub(super) fn put(&self, digest: &Digest, bytes: &Bytes) -> Result<(), ReadError> {
        let path = self.path(digest);
        // A damaged file is replaced: the digest says what it must hold.
        match fs::read(&path) {
            Ok(found) if digest_of(&found) == *digest => return Ok(()),
            Ok(_) | Err(_) => {}
        }
        self.write(&path, bytes).map_err(|error| ReadError::Unavailable(format!("blob {digest}: {error}")))
    }

    pub(super) fn get(&self, digest: &Digest) -> Result<Option<Bytes>, ReadError> {
        match fs::read(self.path(digest)) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ReadError::Unavailable(format!("blob {digest}: {error}"))),
        }
    }

    pub(super) fn delete(&self, digest: &Digest) -> Result<(), ReadError> {
        match fs::remove_file(self.path(digest)) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(ReadError::Unavailable(format!("blob {digest}: {error}"))),
        }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.dir.join(&name[..2]).join(name)
    }

    fn write(&self, path: &Path, bytes: &Bytes) -> io::Result<()> {
        let aside = self.dir.join("tmp").join(self.written.fetch_add(1, Ordering::Relaxed).to_string());
        let mut file = File::create(&aside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        let folder = path.parent().unwrap_or(&self.dir);
        if !folder.exists() {
            fs::create_dir_all(folder)?;
            sync_dir(&self.dir)?;
        }
        fs::rename(&aside, path)?;
        sync_dir(folder)
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
