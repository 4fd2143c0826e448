//! Values of the section `tls`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::setting::{Given, Setting, quoted};

/// The path of a file in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFile(PathBuf);

impl PemFile {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Setting for PemFile {
    const EXPECTED: &'static str = "the path of a file in PEM";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text().filter(|path| !path.is_empty()).map(|path| Self(path.into()))
    }

    fn written(&self) -> String {
        quoted(&self.0.display().to_string())
    }
}

/// How often files are looked at: every 100 ms at most, because each look reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadInterval(Duration);

impl ReloadInterval {
    /// The shortest one.
    pub const MIN: Duration = Duration::from_millis(100);

    /// Makes an interval; `None` when it is too short.
    pub const fn new(time: Duration) -> Option<Self> {
        if time.as_nanos() < Self::MIN.as_nanos() { None } else { Some(Self(time)) }
    }

    /// The time itself.
    pub const fn time(self) -> Duration {
        self.0
    }
}

impl Default for ReloadInterval {
    fn default() -> Self {
        Self(Duration::from_secs(60))
    }
}

impl Setting for ReloadInterval {
    const EXPECTED: &'static str = "a time of at least \"100ms\", in ms, s, m, h or d";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::new(Duration::parse(given)?)
    }

    fn written(&self) -> String {
        self.0.written()
    }
}
