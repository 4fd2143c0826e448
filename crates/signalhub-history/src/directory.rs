//! The files of a history, and the lock that keeps a second process away.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use time::OffsetDateTime;

use crate::error::OpenError;

/// The directory of a history.
#[derive(Debug, Clone)]
pub(crate) struct Directory(PathBuf);

/// Holds the directory until it is dropped. The file of the lock has the number of events that were written since the history began. It is
/// beside the database, so that the next open notices if the database or its WAL has lost some.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    file: File,
}

impl DirectoryLock {
    /// Stores how many events were written. It outlives the process, as what is written to the WAL does. If it cannot be stored, only
    /// the next open would miss it.
    pub(crate) fn set_written(&self, written: u64) {
        if let Err(error) = self.file.write_all_at(&written.to_le_bytes(), 0) {
            tracing::debug!("the number of written events cannot be stored: {error}");
        }
    }

    /// Reads how many events were written; 0 if that is not known.
    pub(crate) fn written(&self) -> u64 {
        let mut written = [0; 8];
        self.file.read_exact_at(&mut written, 0).map_or(0, |()| u64::from_le_bytes(written))
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // A process that this one is just starting has a copy of the file for a moment. Closing the file would leave it locked until then.
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::debug!("the history cannot be unlocked before its file is closed: {error}");
        }
    }
}

impl Directory {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The database.
    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("history.sqlite")
    }

    /// What was committed and is not yet in the database.
    pub(crate) fn wal(&self) -> PathBuf {
        self.0.join("history.sqlite-wal")
    }

    /// Creates the directory if it is missing.
    pub(crate) fn create(&self) -> Result<(), OpenError> {
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(OpenError::NoParent { path: self.0.clone() }),
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(OpenError::unusable(&self.0)(error)),
            _ => Ok(()),
        }
    }

    /// Locks the directory. The lock ends with the process, however it ends.
    pub(crate) fn lock(&self) -> Result<DirectoryLock, OpenError> {
        let path = self.0.join("history.lock");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(OpenError::unusable(&path))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(DirectoryLock { file }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::Locked { file: self.file() }),
            Err(error) => Err(OpenError::unusable(&path)(error.into())),
        }
    }

    /// Locks the directory of a history that exists.
    pub(crate) fn lock_existing(&self) -> Result<DirectoryLock, OpenError> {
        let file = self.file();
        fs::metadata(&file).map_err(OpenError::unusable(&file))?;
        self.lock()
    }

    /// Moves the files of the database aside, and returns where the database is now. The caller holds the lock.
    pub(crate) fn move_aside(&self, why: &str) -> Result<Option<PathBuf>, OpenError> {
        let file = self.file();
        if !fs::exists(&file).map_err(OpenError::unusable(&file))? {
            return Ok(None);
        }
        let now = OffsetDateTime::now_utc();
        let (date, hour, minute, second) = (now.date(), now.hour(), now.minute(), now.second());
        let aside = format!("history.sqlite.{why}-{date}T{hour:02}{minute:02}{second:02}Z");
        // The database is the last one: a new one must not find what was committed to the old one.
        for ending in ["-shm", "-wal", ""] {
            let from = self.0.join(format!("history.sqlite{ending}"));
            match fs::rename(&from, self.0.join(format!("{aside}{ending}"))) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(OpenError::unusable(&from)(error)),
                _ => {}
            }
        }
        Ok(Some(self.0.join(aside)))
    }

    /// Creates the database, empty, if it is missing. SQLite gives its other files the same mode.
    ///
    /// A database that SQLite has open must not be opened and closed beside it: that would end the locks of the process.
    pub(crate) fn create_file(&self) -> Result<(), OpenError> {
        let file = self.file();
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(OpenError::unusable(&file)(error)),
            _ => Ok(()),
        }
    }

    /// Makes the entries of the directory durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    /// Identifies the file on this machine: a copy has another identity.
    pub(crate) fn file_identity(&self) -> io::Result<String> {
        let metadata = fs::metadata(self.file())?;
        Ok(format!("{}:{}", metadata.dev(), metadata.ino()))
    }
}

/// Reads the identifier of the machine's run; `None` if the system gives none.
pub(crate) fn boot_id(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let id = text.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

#[cfg(test)]
mod tests;
