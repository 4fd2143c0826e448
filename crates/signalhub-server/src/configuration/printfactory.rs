//! Values of the section `dialects.printfactory`.

use std::path::{Path, PathBuf};

use super::setting::{Given, Setting, quoted};

/// The path of the file with the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MisKeysPath(PathBuf);

impl MisKeysPath {
    /// Wraps a path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Setting for MisKeysPath {
    const EXPECTED: &'static str = "the path of a file";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text().filter(|path| !path.is_empty()).map(Self::new)
    }

    fn written(&self) -> String {
        quoted(&self.0.display().to_string())
    }
}
