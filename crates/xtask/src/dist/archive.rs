//! The archive for machines without packages.

use std::fs;
use std::io;
use std::path::Path;

use super::documents::COMPLETIONS;
use super::folder::{self, Mode};
use super::{Compression, Documents, PROGRAMS, Release, tar};
use crate::workspace::Workspace;

/// What archives, packages and images are made of.
#[derive(Debug)]
pub(super) struct Contents<'a> {
    pub(super) workspace: &'a Workspace,
    pub(super) release: &'a Release,
    pub(super) documents: &'a Documents,
    /// The licences of others.
    pub(super) licences: &'a str,
    /// The folder with the programs.
    pub(super) programs: &'a Path,
}

/// Writes `name.tar.gz`, in which everything is in a folder with this name.
pub(super) fn write(contents: &Contents<'_>, name: &str, compression: Compression, out: &Path) -> io::Result<()> {
    let stage = out.join(name);
    folder::make_empty(&stage)?;
    fill(contents, &stage)?;
    tar(contents.release, compression, out, name, &out.join(format!("{name}.tar.gz")))?;
    fs::remove_dir_all(stage)
}

fn fill(contents: &Contents<'_>, stage: &Path) -> io::Result<()> {
    let Contents { workspace, documents, licences, programs, .. } = contents;
    let text = |from: &str, to: &str| folder::copy(&workspace.root.join(from), &stage.join(to), Mode::Text);
    for program in PROGRAMS {
        folder::copy(&programs.join(program), &stage.join(program), Mode::Program)?;
    }
    text("docs/installing.md", "INSTALLING.md")?;
    text("CHANGELOG.md", "CHANGELOG.md")?;
    text("LICENSE-MIT", "LICENSE-MIT")?;
    text("LICENSE-APACHE", "LICENSE-APACHE")?;
    text("deploy/signalhub.toml", "signalhub.toml")?;
    folder::write(&stage.join("THIRD-PARTY-LICENSES.txt"), licences.as_bytes(), Mode::Text)?;
    folder::copy(&documents.defaults(), &stage.join("signalhub.defaults.toml"), Mode::Text)?;
    for (shell, file) in COMPLETIONS {
        folder::copy(&documents.completions(shell), &stage.join("completions").join(shell).join(file), Mode::Text)?;
    }
    folder::copy_all(&documents.manual(), &stage.join("man/man1"))?;
    // What an administrator installs is not in /usr/bin.
    let unit = fs::read_to_string(workspace.root.join("deploy/systemd/signalhub.service"))?;
    let unit = unit.replace("/usr/bin/signalhub", "/usr/local/bin/signalhub");
    folder::write(&stage.join("systemd/signalhub.service"), unit.as_bytes(), Mode::Text)?;
    text("deploy/systemd/signalhub.sysusers", "systemd/signalhub.sysusers")
}
