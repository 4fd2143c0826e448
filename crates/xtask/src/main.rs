//! The workspace's own commands, behind one door: `cargo xtask test` runs every gate that a commit must pass.
//!
//! It builds on the standard library, so that it compiles in a moment, and knows nothing of what the gates check: a gate
//! is a command, or a rule over the text of the workspace (`tidy`).

mod command;
mod counts;
mod gate;
mod gates;
mod tidy;
mod workspace;

use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

use workspace::Workspace;

const USAGE: &str = "usage: cargo xtask test [--only NAME]...";

fn main() -> ExitCode {
    let selected = match selected(env::args().skip(1)) {
        Ok(selected) => selected,
        Err(problem) => return refuse(&problem, 2),
    };
    let counts = Workspace::read().and_then(|workspace| gate::run(&workspace, &selected));
    match counts {
        Ok(counts) => ExitCode::from(u8::from(counts.failed > 0)),
        Err(error) => refuse(&error.to_string(), 1),
    }
}

/// Reads the command line: the gates to run.
fn selected(mut arguments: impl Iterator<Item = String>) -> Result<Vec<gate::Gate>, String> {
    if arguments.next().as_deref() != Some("test") {
        return Err(USAGE.to_owned());
    }
    let mut names = Vec::new();
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next()) {
            ("--only", Some(name)) => names.push(name),
            _ => return Err(USAGE.to_owned()),
        }
    }
    gate::select(&names)
}

fn refuse(problem: &str, code: u8) -> ExitCode {
    // Whoever closed our output does not read the problem either.
    drop(writeln!(io::stderr(), "xtask: {problem}"));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests;
