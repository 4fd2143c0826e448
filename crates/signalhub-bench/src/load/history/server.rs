//! Servers with and without a history.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::load::internal::Internal;
use crate::load::suite::Bench;
use crate::load::target::Target;

/// Where a server keeps events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Off,
    Memory,
    Disk,
}

/// A running server; dropping this value stops it.
pub(super) struct Server {
    pub(super) target: Target,
    pub(super) internal: Internal,
    /// The directory of its history, which is removed after the server has stopped.
    pub(super) folder: Option<Folder>,
}

/// A new directory, which is removed with this value.
pub(super) struct Folder(PathBuf);

impl Server {
    /// Starts a server with this history, and with these variables.
    pub(super) fn start(bench: &Bench<'_>, store: Store, variables: &[(&'static str, String)]) -> io::Result<Self> {
        let internal = Internal::choose()?;
        let mut all = variables.to_vec();
        all.push(internal.variable());
        all.push(("SIGNALHUB_HISTORY__STORE", store.name().to_owned()));
        let folder = (store == Store::Disk).then(|| Folder::make(bench)).transpose()?;
        let directory = folder.iter().map(|folder| folder.path().display().to_string());
        all.extend(directory.map(|directory| ("SIGNALHUB_HISTORY__DIRECTORY", directory)));
        let target = Target::ours_with(bench.arguments.server.clone(), &all, None)
            .map_err(|error| io::Error::other(format!("history.store = \"{}\": {error}", store.name())))?;
        Ok(Self { target, internal, folder })
    }

    /// Kills the server with SIGKILL and starts it again; tells how long it took to become ready.
    pub(super) fn restart(&mut self) -> io::Result<Duration> {
        let start = self.target.restart()?;
        self.internal.ready()?;
        Ok(start.elapsed())
    }
}

impl Store {
    fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}

impl Folder {
    /// Makes one, where the options say.
    fn make(bench: &Bench<'_>) -> io::Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let place = match &bench.arguments.history_directory {
            Some(place) => fs::canonicalize(place)?,
            None => env::temp_dir(),
        };
        let folder = place.join(format!("signalhub-bench-history-{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
