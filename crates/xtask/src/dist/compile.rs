//! Compiles the programs for a target.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{PROGRAMS, Release, Target};
use crate::command::{cargo, run, run_read};
use crate::workspace::Workspace;

/// What stands in programs in place of the folder of the workspace, of that of what is built, and of that of cargo.
const ROOT: &str = "/signalhub";
const TARGET: &str = "/signalhub/target";
const CARGO: &str = "/cargo";

/// Where cargo puts what it compiles for releases. It is a folder of its own, since the flags differ from those of other builds.
pub(super) fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("release-builds")
}

/// Compiles, and returns the folder with the programs, without symbols.
pub(super) fn build(workspace: &Workspace, target: &Target, release: &Release) -> io::Result<PathBuf> {
    let home = env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from);
    // The last one that fits is used, and the folder of what is built may be in that of the workspace.
    let replaced = [(workspace.root.as_path(), ROOT), (workspace.target.as_path(), TARGET), (home.as_path(), CARGO)];
    let flags = replaced.map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display()));
    let flags_of_c = replaced.map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()));
    let variables = target.in_variables();
    let mut command = cargo(&["build", "--release", "--locked", "--package", "signalhub-server", "--package"]);
    command.args(["protocol-tests", "--bin", PROGRAMS[0], "--bin", PROGRAMS[1], "--target", target.triple]);
    command.arg("--target-dir").arg(folder(workspace)).current_dir(&workspace.root);
    command.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")).env("CARGO_INCREMENTAL", "0");
    command.env(format!("CFLAGS_{variables}"), flags_of_c.join(" "));
    command.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    command.env("SOURCE_DATE_EPOCH", &release.time).env("SIGNALHUB_REVISION", &release.revision);
    command.env(format!("CARGO_TARGET_{}_LINKER", variables.to_uppercase()), target.linker);
    if let Some(pages) = target.pages {
        // jemalloc ends a program at its start on a kernel whose pages are larger than those that it was built for.
        command.env("JEMALLOC_SYS_WITH_LG_PAGE", pages);
    }
    run(&mut command)?;
    let programs = folder(workspace).join(target.triple).join("release");
    if target.is_static {
        PROGRAMS.iter().try_for_each(|name| check_static(&programs.join(name)))?;
    }
    Ok(programs)
}

/// Checks that a program needs neither a library nor a program that loads it.
fn check_static(program: &Path) -> io::Result<()> {
    let read = run_read(Command::new("readelf").args(["--dynamic", "--program-headers"]).arg(program))?;
    match read.succeeded && !read.text.contains("NEEDED") && !read.text.contains("INTERP") {
        true => Ok(()),
        false => Err(io::Error::other(format!("{} is not static", program.display()))),
    }
}

fn home() -> PathBuf {
    env::var_os("HOME").map_or_else(|| "/root".into(), PathBuf::from)
}
