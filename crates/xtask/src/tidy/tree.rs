//! The text of the workspace, and what cargo knows about its packages.

use std::fs;
use std::io;
use std::path::Path;

use crate::workspace::{Package, Workspace};

/// What was not written by hand here.
const PASSED_OVER: [&str; 3] = [".git", "node_modules", "target"];

/// All text files of the workspace and its packages.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(super) files: Vec<File>,
    pub(super) packages: Vec<Package>,
}

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// From the root of the workspace, with `/` on every system.
    pub(super) path: String,
    pub(super) text: String,
}

impl Tree {
    /// Reads all of it; what is not UTF-8 is not text.
    pub(crate) fn read(workspace: &Workspace) -> io::Result<Self> {
        let mut files = Vec::new();
        collect(&workspace.root, "", &mut files)?;
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let mut packages = workspace.packages.clone();
        for package in &mut packages {
            shorten(&workspace.root, package);
        }
        Ok(Self { files, packages })
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    pub(super) fn file(&self, path: &Path) -> Option<&File> {
        self.files.iter().find(|file| Path::new(&file.path) == path)
    }
}

impl File {
    /// Tells whether the file only holds tests.
    pub(super) fn is_test(&self) -> bool {
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if kind.is_dir() && !PASSED_OVER.contains(&name.as_str()) {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            match fs::read_to_string(entry.path()) {
                Ok(text) => files.push(File { path, text }),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
                Err(error) => return Err(io::Error::new(error.kind(), format!("{path}: {error}"))),
            }
        }
    }
    Ok(())
}

/// Brings the paths of a package into the form of the files' paths.
fn shorten(root: &Path, package: &mut Package) {
    let shorten = |path: &mut std::path::PathBuf| {
        if let Ok(short) = path.strip_prefix(root) {
            *path = short.to_owned();
        }
    };
    shorten(&mut package.folder);
    package.roots.iter_mut().for_each(shorten);
}
