//! A gate as a process of this program with `--only`, whose output is kept instead of shown.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::counts::Counts;
use crate::gate::Gate;
use crate::output::{Lines, output};
use crate::own_program;

/// A gate that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) counts: Counts,
    pub(crate) lines: Lines,
    pub(crate) elapsed: Duration,
}

/// Runs a gate in a process of its own.
pub(crate) fn run(gate: &Gate) -> io::Result<Ended> {
    let start = Instant::now();
    let mut command = Command::new(&*own_program::PATH);
    let (status, lines) = output(command.args(["test", "--only", gate.name]))?;
    Ok(Ended { counts: counts(&lines, status.success()), lines, elapsed: start.elapsed() })
}

/// The counts that a gate printed last; one that ended without them has failed.
fn counts(lines: &Lines, success: bool) -> Counts {
    let counted = lines.iter().rev().find_map(|line| Counts::of_gate(line));
    match counted {
        Some(counts) if success == (counts.failed == 0) => counts,
        _ => Counts::FAILED,
    }
}

#[cfg(test)]
mod tests;
