//! Files whose content is compared, so that only a change of it has an effect.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// What was read from a file, or why it could not be read.
#[derive(PartialEq, Eq)]
pub(crate) struct FileContent(Result<Vec<u8>, String>);

impl FileContent {
    /// Reads a file, of which at most one byte more than `limit`: that tells that it is too long.
    pub(crate) fn read(path: &Path, limit: usize) -> Self {
        let read = || -> io::Result<_> {
            let mut bytes = Vec::new();
            let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
            File::open(path)?.take(limit).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        Self(read().map_err(|error| error.to_string()))
    }

    /// The bytes.
    ///
    /// # Errors
    /// With the error of the system, if the file could not be read.
    pub(crate) fn bytes(&self) -> Result<&[u8], String> {
        self.0.as_deref().map_err(Clone::clone)
    }
}

impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It may be a private key.
        f.write_str("FileContent")
    }
}
