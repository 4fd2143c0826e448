//! Values of the section `tls`.

use std::path::{Path, PathBuf};

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
