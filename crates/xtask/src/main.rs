//! The workspace's own commands: `cargo xtask test` runs every gate that a commit must pass, `cargo xtask
//! bench` measures, `cargo xtask faults` kills and cuts at full size, `cargo xtask dist` builds what is released.
//!
//! It builds on the standard library, so that it compiles in a moment, and does not contain what the gates check: a
//! gate runs a command, or a rule over the text of the workspace (`tidy`).

mod checklist;
mod command;
mod counts;
mod dist;
mod faults;
mod gate;
mod gate_process;
mod gates;
mod log;
mod output;
mod own_program;
mod packages;
mod preparation;
mod progress;
mod tidy;
mod workspace;

use std::env;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::sync::LazyLock;

use workspace::Workspace;

const USAGE: &str = "usage: cargo xtask test [--only NAME]... or cargo xtask bench [OPTION OF signalhub-bench load]... or cargo xtask faults [--list] [--only NAME]... [OPTION]... or cargo xtask dist [--target TRIPLE]... [--twice] or cargo xtask release --check; --help lists the gates";

/// What is printed before the list of gates.
const HELP: &str = "\
cargo xtask test [--only NAME]...
    runs all gates that a commit must pass, or those named; on a terminal, what a gate prints is shown if it fails
cargo xtask prepare NAME
    installs and compiles what a gate needs; a run of all gates does this by itself
cargo xtask bench [OPTION OF signalhub-bench load]...
    measures the release build; --help of signalhub-bench load lists the options
cargo xtask faults [--list] [--only NAME]... [--seed 20] [--kills 30] [--release] [--previous FILE]
    lets processes, disks, clocks, Redis and the network fail at full size, or those parts that are named, and writes docs/fault-report.md;
    --previous names the binary from which nodes are upgraded
cargo xtask dist [--target TRIPLE]... [--twice] [--allow-dirty]
    builds what is released in target/dist: archives, Debian packages and the image; --twice compares two builds in different folders
cargo xtask release --check
    tells line by line whether this revision can be released

The gates:
";

/// What the command line asks for.
enum Task {
    Help,
    Test(Vec<gate::Gate>),
    Prepare(gate::Gate),
    Bench(Vec<String>),
    Faults(faults::Options),
    Dist(dist::Options),
    Checklist,
    /// What `book.toml` names; mdBook starts it.
    BookLinks(Vec<String>),
}

fn main() -> ExitCode {
    LazyLock::force(&own_program::PATH);
    let task = match task(env::args().skip(1)) {
        Ok(task) => task,
        Err(problem) => return refuse(&problem, 2),
    };
    let failed = Workspace::read().and_then(|workspace| match task {
        Task::Help => help().map(|()| false),
        Task::Test(gates) if io::stdout().is_terminal() => progress::run(&gates).map(|counts| counts.failed > 0),
        Task::Test(gates) => log::run(&workspace, &gates).map(|counts| counts.failed > 0),
        Task::Prepare(gate) => gate.prepare.map_or(Ok(()), |prepare| prepare(&workspace)).map(|()| false),
        Task::Bench(options) => gates::bench::measure(&workspace, &options).map(|()| false),
        Task::BookLinks(arguments) => gates::docs::book::rewrite_links(&arguments).map(|()| false),
        Task::Faults(options) => faults::measure(&workspace, &options).map(|succeeded| !succeeded),
        Task::Dist(options) => dist::build(&workspace, &options).map(|same| !same),
        Task::Checklist => checklist::check(&workspace).map(|complete| !complete),
    });
    match failed {
        Ok(failed) => ExitCode::from(u8::from(failed)),
        Err(error) => refuse(&error.to_string(), 1),
    }
}

/// Reads the command line.
fn task(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    match arguments.next().as_deref() {
        Some("help" | "--help" | "-h") => Ok(Task::Help),
        Some("test") => test(arguments),
        Some("prepare") => prepare(&arguments.collect::<Vec<_>>()),
        Some("book-links") => Ok(Task::BookLinks(arguments.collect())),
        Some("bench") => Ok(Task::Bench(arguments.collect())),
        Some("dist") => dist::Options::read(arguments).map(Task::Dist).ok_or_else(|| USAGE.to_owned()),
        Some("release") => match (arguments.next().as_deref(), arguments.next()) {
            (Some("--check"), None) => Ok(Task::Checklist),
            _ => Err(USAGE.to_owned()),
        },
        Some("faults") => faults::Options::read(arguments).map(Task::Faults).ok_or_else(|| USAGE.to_owned()),
        _ => Err(USAGE.to_owned()),
    }
}

/// Lists the gates.
fn help() -> io::Result<()> {
    let gates = gate::GATES.iter().map(|gate| format!("    {:<12} {}\n", gate.name, gate.about));
    let text: String = std::iter::once(HELP.to_owned()).chain(gates).collect();
    io::stdout().write_all(text.as_bytes())
}

/// Reads which gates to run.
fn test(mut arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let mut names = Vec::new();
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next()) {
            ("--help" | "-h", None) => return Ok(Task::Help),
            ("--only", Some(name)) => names.push(name),
            _ => return Err(USAGE.to_owned()),
        }
    }
    gate::select(&names).map(Task::Test)
}

/// Reads which gate to prepare.
fn prepare(names: &[String]) -> Result<Task, String> {
    match gate::select(names)?[..] {
        [gate] => Ok(Task::Prepare(gate)),
        _ => Err(USAGE.to_owned()),
    }
}

fn refuse(problem: &str, code: u8) -> ExitCode {
    // If stderr is closed, the problem cannot be reported.
    drop(writeln!(io::stderr(), "xtask: {problem}"));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests;
