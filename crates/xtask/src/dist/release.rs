//! Which release is built.

use std::env;
use std::io;
use std::process::Command;

use crate::workspace::Workspace;

/// The version, the revision, and the time that all files have.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) version: String,
    /// The first 12 digits of the commit.
    pub(super) revision: String,
    /// Seconds since 1970: `SOURCE_DATE_EPOCH`, else the time of the commit.
    pub(super) time: String,
    /// Whether files differ from the commit.
    pub(super) is_changed: bool,
}

impl Release {
    /// Asks cargo and git.
    pub(super) fn read(workspace: &Workspace) -> io::Result<Self> {
        let git = |arguments: &[&str]| {
            let output = Command::new("git").args(arguments).current_dir(&workspace.root).output()?;
            match output.status.success() {
                true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
                false => Err(io::Error::other(format!("git {}: {}", arguments.join(" "), output.status))),
            }
        };
        let time = env::var("SOURCE_DATE_EPOCH").ok().filter(|time| !time.is_empty());
        Ok(Self {
            version: workspace.version().to_owned(),
            revision: git(&["rev-parse", "--short=12", "HEAD"])?,
            time: time.map_or_else(|| git(&["log", "-1", "--format=%ct"]), Ok)?,
            is_changed: !git(&["status", "--porcelain"])?.is_empty(),
        })
    }
}
