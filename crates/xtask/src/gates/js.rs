//! The official JavaScript clients, in Node and in Chromium, against the real binary and the conformance server.

use std::env;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::{java, python};
use crate::command::{run as run_command, run_counted, works};
use crate::counts::Counts;
use crate::packages;
use crate::workspace::Workspace;

/// The oldest version of Node whose test runner knows the options that the tests use.
const NODE: (u32, u32) = (20, 11);

/// The variable that names a browser in another place than the usual ones.
const BROWSER: &str = "SIGNALHUB_CHROMIUM";

/// Where the tests look for a browser.
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// Installs the clients, and the programs that tests need.
pub(crate) fn prepare(workspace: &Workspace) -> io::Result<()> {
    check_node()?;
    let folder = workspace.root.join("js-client-tests");
    if !installed(&folder) {
        run_command(Command::new("npm").arg("ci").current_dir(&folder))?;
    }
    provide_programs()
}

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    prepare(workspace)?;
    workspace.build_programs()?;
    let mut command = Command::new("npm");
    command.arg("test").env("SIGNALHUB_BINARY", workspace.binary("signalhub"));
    command.env("SIGNALHUB_CONFORMANCE_SERVER", workspace.binary("conformance-server"));
    run_counted(command.current_dir(workspace.root.join("js-client-tests")), Counts::of_node)
}

/// Installs and compiles what connects to a cluster. The gates of Java and Python do the same, but not at the same time.
pub(crate) fn prepare_cluster(workspace: &Workspace) -> io::Result<()> {
    prepare(workspace)?;
    java::prepare(workspace)?;
    python::prepare(workspace)
}

/// The same clients against nodes of a cluster, with a real Redis and nginx; there, those in Java and Python connect, too, where they
/// are installed.
pub(crate) fn run_cluster(workspace: &Workspace) -> io::Result<Counts> {
    prepare(workspace)?;
    provide_redis()?;
    workspace.build_programs()?;
    let mut crowds = Vec::new();
    for (title, crowd) in
        [("the Java client", java::crowd(workspace)?), ("the Python client", python::crowd(workspace)?)]
    {
        let Some(crowd) = crowd else { continue };
        let folder = crowd.get_current_dir().unwrap_or(&workspace.root).display().to_string();
        crowds.extend(["--crowd".to_owned(), title.to_owned(), folder]);
        let words = std::iter::once(crowd.get_program()).chain(crowd.get_args());
        crowds.extend(words.map(|word| word.to_string_lossy().into_owned()));
    }
    let mut command = Command::new("npm");
    command.args(["run", "cluster"]).env("SIGNALHUB_BINARY", workspace.binary("signalhub"));
    command.env("SIGNALHUB_CROWDS", serde_json::to_string(&crowds)?);
    run_counted(command.current_dir(workspace.root.join("js-client-tests")), Counts::of_node)
}

/// Installs Redis, where it may.
pub(crate) fn provide_redis() -> io::Result<()> {
    let missing: &[&str] = if works(Command::new("redis-server").arg("--version")) { &[] } else { &["redis-server"] };
    packages::provide(missing, "tests of a cluster are not run")
}

fn check_node() -> io::Result<()> {
    let (major, minor) = NODE;
    let output = Command::new("node").arg("--version").output();
    let output =
        output.map_err(|_| io::Error::other(format!("node is missing: {major}.{minor} or newer is needed")))?;
    let found = String::from_utf8_lossy(&output.stdout);
    match version(&found) {
        Some(version) if version >= NODE => Ok(()),
        _ => Err(io::Error::other(format!("node is {}: {major}.{minor} or newer is needed", found.trim()))),
    }
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Tells whether what the lock file names has been installed since it was written: npm leaves a lock file of its own.
fn installed(folder: &Path) -> bool {
    let modified = |name: &str| fs::metadata(folder.join(name)).and_then(|metadata| metadata.modified());
    match (modified("node_modules/.package-lock.json"), modified("package-lock.json")) {
        (Ok(installed), Ok(locked)) => installed >= locked,
        _ => false,
    }
}

/// Installs the programs that tests need, where it may. Tests whose program is missing are skipped.
fn provide_programs() -> io::Result<()> {
    let browser = env::var_os(BROWSER).is_some() || BROWSERS.iter().any(|path| Path::new(path).exists());
    let nginx = works(Command::new("nginx").arg("-v"));
    let has = |name: &str| works(Command::new(name).arg("--version"));
    let openssl = works(Command::new("openssl").arg("version"));
    let programs = [
        ("chromium", browser),
        ("nginx-light", nginx),
        ("sslscan", has("sslscan")),
        ("openssl", openssl),
        ("curl", has("curl")),
    ];
    let missing: Vec<&str> = programs.into_iter().filter(|(_, has)| !has).map(|(name, _)| name).collect();
    packages::provide(&missing, &format!("some tests are skipped (a browser may also be named by {BROWSER})"))
}

#[cfg(test)]
mod tests;
