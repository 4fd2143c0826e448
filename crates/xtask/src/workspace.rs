//! What cargo knows about the workspace.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::command::{cargo, run, shown};

/// The workspace and its packages.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    /// Where what is built goes.
    pub(crate) target: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// A package of ours.
#[derive(Debug, Default, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Whether it may be published in a registry.
    pub(crate) is_published: bool,
    /// What else its manifest must have for that and does not have.
    pub(crate) lacks: Vec<&'static str>,
    /// Where its `Cargo.toml` is.
    pub(crate) folder: PathBuf,
    pub(crate) features: Vec<String>,
    pub(crate) dependencies: Vec<Dependency>,
    /// The first file of its library and of each of its binaries.
    pub(crate) roots: Vec<PathBuf>,
}

/// What a package depends on.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) purpose: Purpose,
}

/// What a dependency is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Always part of the package (or of its build).
    Always,
    /// Behind a feature.
    Feature,
    /// Only its own tests need it.
    Tests,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn read() -> io::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
        let output = command.current_dir(here).output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("{} failed: {said}", shown(&command))));
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(Self {
            root: path(&metadata["workspace_root"]),
            target: path(&metadata["target_directory"]),
            packages: packages.iter().map(Package::read).collect(),
        })
    }

    /// The version of all packages.
    pub(crate) fn version(&self) -> &str {
        self.packages.iter().find(|package| package.name == "signalhub-server").map_or("", |package| &package.version)
    }

    /// Builds the programs of all packages. Every gate that needs one builds all, and the tests as well: cargo compiles the
    /// dependencies of other selections again, with the features that those need. This program is left out, since it must stay where
    /// it was started.
    pub(crate) fn build_programs(&self) -> io::Result<()> {
        let mut build = cargo(&["build", "--workspace", "--exclude", "xtask", "--bins", "--tests", "--target-dir"]);
        run(build.arg(&self.target).current_dir(&self.root))
    }

    /// Where cargo puts a binary that it builds without options.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.built("debug", name)
    }

    /// Where cargo puts a binary that it builds for release.
    pub(crate) fn release_binary(&self, name: &str) -> PathBuf {
        self.built("release", name)
    }

    fn built(&self, profile: &str, name: &str) -> PathBuf {
        self.target.join(profile).join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}

impl Package {
    fn read(package: &Value) -> Self {
        let manifest = path(&package["manifest_path"]);
        let features = package["features"].as_object().map(|features| features.keys().cloned().collect());
        Self {
            name: text(&package["name"]),
            version: text(&package["version"]),
            // An empty list of registries is `publish = false`.
            is_published: package["publish"].is_null(),
            lacks: ["description", "license", "repository", "readme", "rust_version"]
                .into_iter()
                .filter(|key| package[key].is_null())
                .chain(["keywords", "categories"].into_iter().filter(|key| is_empty(&package[key])))
                .collect(),
            folder: manifest.parent().unwrap_or(&manifest).to_owned(),
            features: features.unwrap_or_default(),
            dependencies: package["dependencies"].as_array().into_iter().flatten().map(Dependency::read).collect(),
            roots: package["targets"].as_array().into_iter().flatten().filter_map(root).collect(),
        }
    }
}

impl Dependency {
    fn read(dependency: &Value) -> Self {
        let purpose = match (dependency["kind"].as_str(), &dependency["optional"]) {
            (Some("dev"), _) => Purpose::Tests,
            (_, Value::Bool(true)) => Purpose::Feature,
            _ => Purpose::Always,
        };
        Self { name: text(&dependency["name"]), purpose }
    }
}

fn root(target: &Value) -> Option<PathBuf> {
    let kinds = target["kind"].as_array()?;
    kinds.iter().any(|kind| kind == "lib" || kind == "bin").then(|| path(&target["src_path"]))
}

fn is_empty(list: &Value) -> bool {
    list.as_array().is_none_or(Vec::is_empty)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn path(value: &Value) -> PathBuf {
    text(value).into()
}

#[cfg(test)]
mod tests;
