//! `cargo xtask release --check`: what a release needs, one line each.

mod lines;

use std::fs;
use std::io;
use std::process::Command;

use serde_json::Value;

use crate::command::{cargo, run, say, works};
use crate::workspace::Workspace;
use lines::{Changelog, inner_versions, report_date, required_versions};

/// What a line says when all is well, or what is missing.
type Line = Result<String, String>;

/// A title, and what finds out.
type Check = (&'static str, fn(&Workspace) -> io::Result<Line>);

const CHECKS: [Check; 13] = [
    ("one version", one_version),
    ("changelog", changelog),
    ("clean tree", clean_tree),
    ("lock files", lock_files),
    ("licences", licences),
    ("repository", repository),
    ("metadata of packages", metadata),
    ("published packages", published),
    ("fault report", |workspace| dated(workspace, "docs/fault-report.md")),
    ("performance", |workspace| dated(workspace, "docs/performance.md")),
    // Those that take minutes come last.
    ("packages compile", packages),
    ("required Rust", required_rust),
    ("docs of packages", docs),
];

/// Packages that stay here: tools of the project, and recordings that belong to no program.
const UNPUBLISHED: [&str; 3] = ["protocol-tests", "signalhub-bench", "xtask"];

/// The placeholder in the manifest until the project has a place.
const PLACEHOLDER: &str = "https://signalhub.invalid/";

/// Prints all lines, and returns whether everything is as it must be.
pub(crate) fn check(workspace: &Workspace) -> io::Result<bool> {
    let mut missing = 0;
    for (title, find) in CHECKS {
        let line = match find(workspace)? {
            Ok(what) => format!("ok      {title}: {what}"),
            Err(what) => {
                missing += 1;
                format!("not ok  {title}: {what}")
            }
        };
        say(&line)?;
    }
    let verdict = match missing {
        0 => "this revision can be released, once cargo xtask test has passed".to_owned(),
        count => format!("{count} of {} are not ok", CHECKS.len()),
    };
    say(&verdict)?;
    Ok(missing == 0)
}

/// `Ok` with a text if nothing was found, else `Err` with what was found.
fn none_of(found: &[String], otherwise: impl Into<String>) -> Line {
    if found.is_empty() { Ok(otherwise.into()) } else { Err(found.join("; ")) }
}

fn read(workspace: &Workspace, path: &str) -> io::Result<String> {
    fs::read_to_string(workspace.root.join(path))
}

fn one_version(workspace: &Workspace) -> io::Result<Line> {
    let version = workspace.version();
    let other = workspace.packages.iter().filter(|package| package.version != version);
    let mut other: Vec<String> = other.map(|package| format!("{} {}", package.name, package.version)).collect();
    let inner = inner_versions(&read(workspace, "Cargo.toml")?);
    other.extend(
        inner
            .into_iter()
            .filter(|(_, inner)| inner != version)
            .map(|(name, inner)| format!("dependency {name} {inner}")),
    );
    let chart = read(workspace, "deploy/helm/signalhub/Chart.yaml")?;
    if !chart.lines().any(|line| line == format!("appVersion: \"{version}\"")) {
        other.push("appVersion of the chart".to_owned());
    }
    for file in ["deploy/compose.yaml", "deploy/compose.cluster.yaml"] {
        if !read(workspace, file)?.contains(&format!("signalhub:{version}}}")) {
            other.push(format!("the image of {file}"));
        }
    }
    Ok(none_of(&other, version))
}

fn changelog(workspace: &Workspace) -> io::Result<Line> {
    Ok(Changelog(&read(workspace, "CHANGELOG.md")?).describes(workspace.version()))
}

fn clean_tree(workspace: &Workspace) -> io::Result<Line> {
    let status = Command::new("git").args(["status", "--porcelain"]).current_dir(&workspace.root).output()?;
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    Ok(none_of(&text.lines().map(str::to_owned).collect::<Vec<_>>(), "nothing differs from the commit"))
}

fn lock_files(workspace: &Workspace) -> io::Result<Line> {
    let mut old = Vec::new();
    for manifest in ["Cargo.toml", "fuzz/Cargo.toml"] {
        let mut command = cargo(&["metadata", "--locked", "--format-version", "1", "--manifest-path", manifest]);
        if !command.current_dir(&workspace.root).output()?.status.success() {
            old.push(format!("the lock file of {manifest} does not fit"));
        }
    }
    Ok(none_of(&old, "they fit the manifests"))
}

fn licences(workspace: &Workspace) -> io::Result<Line> {
    let mut missing = Vec::new();
    for package in workspace.packages.iter().filter(|package| package.is_published) {
        for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
            // A link whose end is missing is missing, too.
            if !package.folder.join(file).is_file() {
                missing.push(format!("{file} of {}", package.name));
            }
        }
    }
    Ok(none_of(&missing, "each package has both texts"))
}

fn repository(workspace: &Workspace) -> io::Result<Line> {
    let is_placeholder = read(workspace, "Cargo.toml")?.contains(PLACEHOLDER);
    Ok(if is_placeholder { Err("the manifest has a placeholder".to_owned()) } else { Ok("it is named".to_owned()) })
}

fn metadata(workspace: &Workspace) -> io::Result<Line> {
    let incomplete = workspace.packages.iter().filter(|package| package.is_published && !package.lacks.is_empty());
    let incomplete = incomplete.map(|package| format!("{} has no {}", package.name, package.lacks.join(", ")));
    Ok(none_of(&incomplete.collect::<Vec<_>>(), "complete"))
}

fn published(workspace: &Workspace) -> io::Result<Line> {
    let surprises = workspace
        .packages
        .iter()
        .filter(|package| package.is_published == UNPUBLISHED.contains(&package.name.as_str()));
    let names = workspace.packages.iter().filter(|package| package.is_published).map(|package| package.name.as_str());
    let surprises: Vec<String> = surprises.map(|package| package.name.clone()).collect();
    Ok(none_of(&surprises, names.collect::<Vec<_>>().join(", ")))
}

/// Packs all packages, and compiles each from its archive, which has only what a registry would have.
fn packages(workspace: &Workspace) -> io::Result<Line> {
    let mut command = cargo(&["package", "--quiet", "--workspace", "--allow-dirty"]);
    for package in workspace.packages.iter().filter(|package| !package.is_published) {
        command.args(["--exclude", &package.name]);
    }
    Ok(run(command.current_dir(&workspace.root)).map(|()| "all of them".to_owned()).map_err(|error| error.to_string()))
}

/// Everything compiles with the Rust that the manifest requires, if rustup has it, and no dependency requires a newer one.
fn required_rust(workspace: &Workspace) -> io::Result<Line> {
    let metadata = cargo(&["metadata", "--locked", "--format-version", "1"]).current_dir(&workspace.root).output()?;
    let metadata: Value = serde_json::from_slice(&metadata.stdout)?;
    let (ours, newest) = required_versions(&metadata);
    if newest > ours {
        return Ok(Err(format!("the manifest requires {ours}, and a dependency {newest}")));
    }
    let toolchain = ours.toolchain();
    if !works(rustup(&toolchain).arg("--version")) {
        return Ok(Ok(format!("{ours}; not compiled with it: rustup toolchain install {toolchain}")));
    }
    let mut check = rustup(&toolchain);
    check.args(["check", "--locked", "--workspace", "--exclude", "xtask", "--target-dir"]);
    let result = run(check.arg(workspace.target.join("required-rust")).current_dir(&workspace.root));
    Ok(result.map(|()| format!("everything compiles with {ours}")).map_err(|error| error.to_string()))
}

/// The docs build as docs.rs builds them: with a nightly Rust, which has the attributes that tell the feature of an item.
fn docs(workspace: &Workspace) -> io::Result<Line> {
    if !works(rustup("nightly").arg("--version")) {
        return Ok(Ok("not built: rustup toolchain install nightly".to_owned()));
    }
    let mut build = rustup("nightly");
    build.args(["doc", "--quiet", "--locked", "--lib", "--no-deps", "--all-features"]);
    for package in workspace.packages.iter().filter(|package| package.is_published) {
        build.args(["--package", &package.name]);
    }
    build.arg("--target-dir").arg(workspace.target.join("docs-of-packages"));
    build.env("RUSTDOCFLAGS", "--cfg docsrs --deny warnings");
    let result = run(build.current_dir(&workspace.root));
    Ok(result.map(|()| "they build as on docs.rs".to_owned()).map_err(|error| error.to_string()))
}

/// The cargo of a toolchain. With the variables of the cargo that runs this program rustup would not choose another one.
fn rustup(toolchain: &str) -> Command {
    let mut cargo = Command::new("rustup");
    cargo.args(["run", toolchain, "cargo"]);
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"] {
        cargo.env_remove(variable);
    }
    cargo
}

/// A report must be of the last 30 days, so that it is about what is released. One without a date has that of its last commit.
fn dated(workspace: &Workspace, path: &str) -> io::Result<Line> {
    let git = |arguments: &[&str]| -> io::Result<String> {
        let output = Command::new("git").args(arguments).current_dir(&workspace.root).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let limit = git(&["log", "-1", "--before=30 days ago", "--format=%cs"])?;
    let date = report_date(&read(workspace, path)?).unwrap_or(git(&["log", "-1", "--format=%cs", "--", path])?);
    Ok(if date > limit { Ok(format!("of {date}")) } else { Err(format!("of {date}, which is older than 30 days")) })
}
