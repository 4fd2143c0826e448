//! The file of the keys: read whole, replaced whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};

use super::key_list::{KeyChange, KeyEntry, KeyError, KeyList};
use super::mis_key::MisKey;

/// How long the file may be: some 80 000 keys.
const LONGEST_FILE: u64 = 16 * 1024 * 1024;

/// The file that holds the keys.
///
/// A change writes a new file beside the old one, makes it durable and puts it in the old one's place, so that the file is whole
/// at every moment, also after a crash. Changes of several processes come one after another.
#[derive(Clone, Debug)]
pub struct MisKeyFile(PathBuf);

/// Why the keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("{}: it cannot be read: {error}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The file does not contain keys.
    #[error("{}: it is not a file of keys: {error}", .file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong, without a part of the content.
        error: String,
    },
    /// The file cannot be replaced.
    #[error("{}: it cannot be replaced: {error}", .file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The change is not possible.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl MisKeyFile {
    /// Names a file. It is made when the first key is generated.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads all keys, sorted by organisation and user. A file that does not exist has none.
    ///
    /// # Errors
    /// If the file cannot be read or does not contain keys.
    pub fn list(&self) -> Result<Vec<KeyEntry>, KeyFileError> {
        let content = self.content()?;
        Ok(content.map_or_else(|| Ok(KeyList::default()), |content| self.parse(&content))?.sorted())
    }

    /// Changes the key of one user, and returns the new key if there is one. A running server notices the change when it looks at
    /// the file again.
    ///
    /// # Errors
    /// If the change is not possible, or the file cannot be read or replaced. Then it is as it was.
    pub fn change(&self, organisation: &str, user: &str, change: KeyChange) -> Result<Option<MisKey>, KeyFileError> {
        self.update(|list| list.change(organisation, user, change))
    }

    /// Changes the keys.
    pub(super) fn update<T>(
        &self,
        change: impl FnOnce(&mut KeyList) -> Result<T, KeyError>,
    ) -> Result<T, KeyFileError> {
        let lock = self.lock().map_err(|error| self.unwritable(error))?;
        let mut list = self.content()?.map_or_else(|| Ok(KeyList::default()), |content| self.parse(&content))?;
        let changed = change(&mut list)?;
        self.replace(&list).map_err(|error| self.unwritable(error))?;
        drop(lock);
        Ok(changed)
    }

    /// The content of the file; `None` if it does not exist.
    pub(super) fn content(&self) -> Result<Option<Vec<u8>>, KeyFileError> {
        let read = || -> io::Result<_> {
            let mut content = Vec::new();
            // A pipe in its place would be waited for, without this.
            let file =
                OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(&self.0)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
            }
            file.take(LONGEST_FILE + 1).read_to_end(&mut content)?;
            match content.len() as u64 > LONGEST_FILE {
                true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too long")),
                false => Ok(content),
            }
        };
        match read() {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(KeyFileError::Unreadable { file: self.0.clone(), error }),
        }
    }

    pub(super) fn parse(&self, content: &[u8]) -> Result<KeyList, KeyFileError> {
        serde_json::from_slice(content).map_err(|error| {
            let error = format!("line {}, column {}", error.line(), error.column());
            KeyFileError::Malformed { file: self.0.clone(), error }
        })
    }

    fn unwritable(&self, error: io::Error) -> KeyFileError {
        KeyFileError::Unwritable { file: self.0.clone(), error }
    }

    /// Waits until no other process changes the file. The system releases the lock when its holder ends, however it ends.
    fn lock(&self) -> io::Result<File> {
        let lock = private().create(true).truncate(false).write(true).open(self.beside(".lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(lock)
    }

    fn replace(&self, list: &KeyList) -> io::Result<()> {
        let mut content = serde_json::to_vec_pretty(list).expect("texts and times always serialise");
        content.push(b'\n');
        let new = self.beside(".new");
        // What a crash has left is overwritten.
        let mut file = private().create(true).truncate(true).write(true).open(&new)?;
        file.write_all(&content)?;
        file.sync_all()?;
        fs::rename(&new, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }

    /// A path in the same folder.
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = OsString::from(&self.0);
        path.push(suffix);
        path.into()
    }
}

/// Opens a file that only its owner may read.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}
