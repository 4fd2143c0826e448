//! Servers with and without a history.

use std::env;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::load::suite::Bench;
use crate::load::target::{Target, free_port};

/// How long a server may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

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
    /// The address of its metrics.
    internal: String,
    /// The directory of its history, which is removed after the server has stopped.
    pub(super) folder: Option<Folder>,
}

/// A new directory, which is removed with this value.
pub(super) struct Folder(PathBuf);

impl Server {
    /// Starts a server with this history, and with these variables.
    pub(super) fn start(bench: &Bench<'_>, store: Store, variables: &[(&'static str, String)]) -> io::Result<Self> {
        let internal = format!("127.0.0.1:{}", free_port()?);
        let mut all = variables.to_vec();
        all.push(("SIGNALHUB_LISTEN__INTERNAL", internal.clone()));
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
        while !self.get("/health/ready")?.starts_with("HTTP/1.1 200 ") {
            if start.elapsed() > READY_TIMEOUT {
                return Err(io::Error::other("the server does not become ready"));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(start.elapsed())
    }

    /// Reads a metric without labels.
    pub(super) fn metric(&self, name: &str) -> io::Result<u64> {
        let page = self.get("/metrics")?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
        value.ok_or_else(|| io::Error::other(format!("the server has no metric {name}")))
    }

    /// Gets a page of the internal listener, with its head.
    fn get(&self, path: &str) -> io::Result<String> {
        let until = Instant::now() + READY_TIMEOUT;
        let mut socket = loop {
            match TcpStream::connect(&self.internal) {
                Ok(socket) => break socket,
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => sleep(Duration::from_millis(5)),
            }
        };
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.internal)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
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
