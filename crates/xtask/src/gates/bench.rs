//! A short run of the benches: they work, nothing leaks, and the hot paths cost the instructions that are recorded. Times are
//! for people to read.

use std::io;
use std::process::Command;
use std::thread;

use crate::command::{cargo, run as run_command, run_counted_together, works};
use crate::counts::Counts;
use crate::output::joined;
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
    // Neither what is kept nor what is counted depends on what else the machine does.
    thread::scope(|scope| {
        let counted = scope.spawn(|| count_instructions(workspace));
        let worked = run_programs(workspace);
        let mut counts = joined(counted.join())?;
        counts += worked?;
        Ok(counts)
    })
}

/// Looks for leaks, and whether the harness of the load works: its figures mean nothing in a debug build on a machine that does
/// other things.
fn run_programs(workspace: &Workspace) -> io::Result<Counts> {
    let mut counts = Counts::default();
    for arguments in [
        &["leaks", "--connections", "2000"][..],
        &["leaks", "--connections", "1500", "--tls"],
        &["load", "--repeat", "1", "--unjudged", "--only", "churn"],
        &["load", "--repeat", "1", "--unjudged", "--only", "cluster", "--cluster-seconds", "0.1", "--cluster-cut", "1"],
    ] {
        let mut program = Command::new(workspace.binary("signalhub-bench"));
        run_command(program.args(arguments).current_dir(&workspace.root))?;
        counts += Counts::PASSED;
    }
    Ok(counts)
}

/// The instructions of the hot paths, and of messages of doubled lengths, where callgrind can count them.
fn count_instructions(workspace: &Workspace) -> io::Result<Counts> {
    if !provide_valgrind()? {
        return Ok(Counts::default());
    }
    let mut benches = BENCHES.map(|bench| {
        let mut command = cargo(&["bench", "--package", "signalhub", "--bench", bench]);
        command.current_dir(&workspace.root);
        command
    });
    run_counted_together(&mut benches, Counts::of_clients)
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
