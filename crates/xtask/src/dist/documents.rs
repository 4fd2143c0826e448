//! What the program prints about itself: completions, manual pages, and every key of the configuration with its default.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::folder::{self, Mode};
use crate::command::run;
use crate::workspace::Workspace;

/// The shells, and what each calls its file.
pub(super) const COMPLETIONS: [(&str, &str); 3] =
    [("bash", "signalhub"), ("zsh", "_signalhub"), ("fish", "signalhub.fish")];

/// The files that the program has printed.
#[derive(Debug)]
pub(super) struct Documents {
    folder: PathBuf,
}

impl Documents {
    /// Has a program print them into this folder.
    pub(super) fn make(workspace: &Workspace, program: &Path, folder: &Path) -> io::Result<Self> {
        folder::make_empty(folder)?;
        let documents = Self { folder: folder.to_owned() };
        run(Command::new(program).args(["manual", "--directory"]).arg(documents.manual()))?;
        for (shell, _) in COMPLETIONS {
            documents.print(workspace, program, &["completions", shell], &documents.completions(shell))?;
        }
        documents.print(workspace, program, &["config", "defaults"], &documents.defaults())?;
        Ok(documents)
    }

    /// The folder with the manual pages.
    pub(super) fn manual(&self) -> PathBuf {
        self.folder.join("manual")
    }

    /// The completions of a shell.
    pub(super) fn completions(&self, shell: &str) -> PathBuf {
        self.folder.join(format!("completions.{shell}"))
    }

    /// A configuration with every key.
    pub(super) fn defaults(&self) -> PathBuf {
        self.folder.join("defaults.toml")
    }

    fn print(&self, workspace: &Workspace, program: &Path, arguments: &[&str], file: &Path) -> io::Result<()> {
        // In a folder without a configuration, and without variables.
        let output = Command::new(program).args(arguments).env_clear().current_dir(&self.folder).output()?;
        if !output.status.success() {
            let what = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("{} in {}: {what}", arguments.join(" "), workspace.root.display())));
        }
        folder::write(file, &output.stdout, Mode::Text)
    }
}

/// The manual pages, compressed as Debian has them, in a folder.
pub(super) fn compress_manual(documents: &Documents, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    folder::copy_all(&documents.manual(), to)?;
    run(Command::new("sh").args(["-c", "gzip -9n *.1"]).current_dir(to))
}
