//! The packages that are compiled into the programs.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cargo_lock;
use crate::command::{cargo, shown};
use crate::workspace::Workspace;

/// A package in the programs.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) version: String,
    /// Its licence as an SPDX expression.
    pub(super) licence: String,
    /// Where its files are.
    pub(super) folder: PathBuf,
    /// The SHA-256 of its archive; `None` for ours.
    pub(super) checksum: Option<String>,
    /// The packages of the programs that it uses, as indices.
    pub(super) uses: Vec<usize>,
}

/// All parts of the programs for a target, by name and version. What only builds or tests use is left out.
pub(super) fn of(workspace: &Workspace, triple: &str) -> io::Result<Vec<Part>> {
    let arguments = ["tree", "--locked", "--package", "signalhub-server", "--package", "protocol-tests", "--edges"];
    let tree = printed(
        workspace,
        &[&arguments[..], &["normal,no-proc-macro", "--prefix", "none", "--target", triple]].concat(),
    )?;
    let linked: BTreeSet<(String, String)> = tree.lines().filter_map(name_and_version).collect();
    let metadata = ["metadata", "--locked", "--format-version", "1", "--filter-platform", triple];
    let metadata: Value = serde_json::from_str(&printed(workspace, &metadata)?)?;
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock"))?;
    let checksums = cargo_lock::checksums(&lock);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (mut parts, mut ids) = (Vec::new(), Vec::new());
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let mut packages: Vec<&Value> = packages.collect();
    packages.sort_by_key(|package| (text(&package["name"]), text(&package["version"])));
    for package in packages {
        let key = (text(&package["name"]), text(&package["version"]));
        if linked.contains(&key) {
            let manifest = PathBuf::from(text(&package["manifest_path"]));
            ids.push(text(&package["id"]));
            parts.push(Part {
                licence: text(&package["license"]),
                folder: manifest.parent().unwrap_or(Path::new("")).to_owned(),
                checksum: checksums.get(&key).cloned(),
                uses: Vec::new(),
                name: key.0,
                version: key.1,
            });
        }
    }
    for node in metadata["resolve"]["nodes"].as_array().into_iter().flatten() {
        let index = |id: &Value| ids.iter().position(|known| Some(known.as_str()) == id.as_str());
        let Some(user) = index(&node["id"]) else { continue };
        let normal = |used: &&Value| {
            used["dep_kinds"].as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
        };
        let used = node["deps"].as_array().into_iter().flatten().filter(normal).filter_map(|used| index(&used["pkg"]));
        parts[user].uses = used.collect();
        parts[user].uses.sort_unstable();
    }
    match parts.len() == linked.len() {
        true => Ok(parts),
        false => {
            Err(io::Error::other(format!("{} of {} packages are known to cargo metadata", parts.len(), linked.len())))
        }
    }
}

/// Reads a line such as `bytes v1.10.0` or `signalhub v0.1.0 (/path)`.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let (name, version) = (words.next()?, words.next()?);
    Some((name.to_owned(), version.strip_prefix('v')?.to_owned()))
}

fn printed(workspace: &Workspace, arguments: &[&str]) -> io::Result<String> {
    let mut command = cargo(arguments);
    let output = command.current_dir(&workspace.root).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            let what = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(io::Error::other(format!("{} failed: {what}", shown(&command))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::name_and_version;

    #[test]
    fn lines_of_the_tree_name_a_package() {
        let pair = |name: &str, version: &str| Some((name.to_owned(), version.to_owned()));
        assert_eq!(name_and_version("bytes v1.10.0"), pair("bytes", "1.10.0"));
        assert_eq!(name_and_version("a v0.6.1+5.3 (*)"), pair("a", "0.6.1+5.3"));
        assert_eq!(name_and_version("signalhub v0.1.0 (/x)"), pair("signalhub", "0.1.0"));
        assert_eq!(name_and_version(""), None);
    }
}
