//! Why a history cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Error, ErrorCode};

/// Why a history on disk cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory or a file in it cannot be created or opened.
    #[error("{}: {error}", .path.display())]
    Unusable {
        /// The directory or the file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The directory cannot be created, because there is none above it.
    #[error("{}: the directory above it does not exist, and is not created", .path.display())]
    NoParent {
        /// The directory.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error("{}: another process uses this history", .file.display())]
    Locked {
        /// The file.
        file: PathBuf,
    },
    /// A newer version of the program has written it.
    #[error("{}: the history has format {found}, and this version reads formats up to {known}", .file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The format of the file.
        found: u32,
        /// The latest format that is known.
        known: u32,
    },
    /// It is a database of another program.
    #[error("{}: this is a database of another program", .file.display())]
    Foreign {
        /// The file.
        file: PathBuf,
    },
    /// Its content is damaged.
    #[error(
        "{}: the history is damaged: {problem}. `signalhub history export` writes the events that can still be read; \
         `signalhub serve --reset-history` moves the file aside and begins a new history",
        .file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What SQLite found.
        problem: String,
    },
    /// It is no backup of a history, or a damaged one.
    #[error("{}: expected a backup of a history: {problem}", .file.display())]
    Backup {
        /// The file.
        file: PathBuf,
        /// What SQLite found.
        problem: String,
    },
    /// SQLite cannot read or write it.
    #[error("{}: {problem}", .file.display())]
    Failed {
        /// The file.
        file: PathBuf,
        /// What SQLite reported.
        problem: String,
    },
}

impl OpenError {
    pub(crate) fn unusable(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Unusable { path, error }
    }

    pub(crate) fn sqlite(file: &Path) -> impl Fn(Error) -> Self + use<> {
        let file = file.to_owned();
        move |error| {
            let (file, problem) = (file.clone(), error.to_string());
            let is_damaged = match error {
                // A value that was not written by this program.
                Error::InvalidColumnType(..)
                | Error::FromSqlConversionFailure(..)
                | Error::IntegralValueOutOfRange(..)
                | Error::Utf8Error(..) => true,
                _ => matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)),
            };
            if is_damaged { Self::Corrupt { file, problem } } else { Self::Failed { file, problem } }
        }
    }
}
