//! A short run of the benches: they work, nothing leaks, and the hot paths cost the instructions that are recorded. Times are
//! for people to read.

use std::io;
use std::process::Command;

use crate::command::{cargo, run as run_command, run_counted, works};
use crate::counts::Counts;
use crate::packages;
use crate::workspace::Workspace;

/// The benches that count instructions.
const BENCHES: [&str; 2] = ["hot_paths", "doubled_lengths"];

/// Installs valgrind and compiles the benches whose instructions are counted.
pub(crate) fn prepare(workspace: &Workspace) -> io::Result<()> {
    if !provide_valgrind()? {
        return Ok(());
    }
    let mut command = cargo(&["bench", "--package", "signalhub", "--no-run"]);
    command.args(BENCHES.iter().flat_map(|bench| ["--bench", bench]));
    run_command(command.current_dir(&workspace.root))
}

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    workspace.build_programs()?;
    for options in [&["--connections", "2000"][..], &["--connections", "1500", "--tls"]] {
        let mut leaks = Command::new(workspace.binary("signalhub-bench"));
        run_command(leaks.arg("leaks").args(options).current_dir(&workspace.root))?;
    }
    // Whether the harness works; its figures mean nothing in a debug build on a machine that does other things.
    for options in [&["churn"][..], &["cluster", "--cluster-seconds", "0.1", "--cluster-cut", "1"]] {
        let mut load = Command::new(workspace.binary("signalhub-bench"));
        load.args(["load", "--repeat", "1", "--unjudged", "--only"]).args(options);
        run_command(load.current_dir(&workspace.root))?;
    }
    let mut counts = Counts::new(4, 0, 0);
    counts += count_instructions(workspace)?;
    Ok(counts)
}

/// The instructions of the hot paths, and of messages of doubled lengths, where callgrind can count them.
fn count_instructions(workspace: &Workspace) -> io::Result<Counts> {
    if !provide_valgrind()? {
        return Ok(Counts::default());
    }
    let mut counts = Counts::default();
    for bench in BENCHES {
        let bench = ["bench", "--package", "signalhub", "--bench", bench];
        counts += run_counted(cargo(&bench).current_dir(&workspace.root), Counts::of_clients)?;
    }
    Ok(counts)
}

/// Installs valgrind, where that is allowed, and tells whether it is there.
fn provide_valgrind() -> io::Result<bool> {
    let valgrind = || works(Command::new("valgrind").arg("--version"));
    if !valgrind() {
        packages::provide(&["valgrind"], "no instructions are counted")?;
    }
    Ok(valgrind())
}

/// `cargo xtask bench`: measures the release build, with these options of `signalhub-bench load`.
pub(crate) fn measure(workspace: &Workspace, options: &[String]) -> io::Result<()> {
    let packages = ["build", "--release", "--package", "signalhub-server", "--package", "signalhub-bench"];
    run_command(cargo(&packages).current_dir(&workspace.root))?;
    let mut load = Command::new(workspace.release_binary("signalhub-bench"));
    run_command(load.arg("load").args(options).current_dir(&workspace.root))
}
