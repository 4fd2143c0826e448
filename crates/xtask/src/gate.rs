//! The gates: their order, what one run of them prints, and how they are chosen by name.

use std::io;
use std::time::{Duration, Instant};

use crate::command::say;
use crate::counts::Counts;
use crate::gates;
use crate::workspace::Workspace;

/// One check that a commit must pass.
#[derive(Clone, Copy)]
pub(crate) struct Gate {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// Runs it. No cases at all means that it could not run here and has said why; an error is a failed case.
    run: fn(&Workspace) -> io::Result<Counts>,
}

/// All gates, the cheap and telling ones first.
const GATES: [Gate; 14] = [
    Gate { name: "fmt", run: gates::fmt::run },
    Gate { name: "clippy", run: gates::clippy::run },
    Gate { name: "features", run: gates::features::run },
    Gate { name: "docs", run: gates::docs::run },
    Gate { name: "tests", run: gates::cargo_tests::run },
    Gate { name: "tidy", run: gates::tidy::run },
    Gate { name: "deny", run: gates::deny::run },
    Gate { name: "conformance", run: gates::conformance::run },
    Gate { name: "differential", run: gates::differential::run },
    Gate { name: "js", run: gates::js::run },
    Gate { name: "java", run: gates::java::run },
    Gate { name: "python", run: gates::python::run },
    Gate { name: "fuzz", run: gates::fuzz::run },
    Gate { name: "bench", run: gates::bench::run },
];

/// The gates with these names, in their own order; all of them for no name.
pub(crate) fn select(names: &[String]) -> Result<Vec<Gate>, String> {
    if let Some(unknown) = names.iter().find(|name| GATES.iter().all(|gate| gate.name != **name)) {
        let known: Vec<&str> = GATES.iter().map(|gate| gate.name).collect();
        return Err(format!("there is no gate {unknown}: expected one of {}", known.join(", ")));
    }
    let wanted = |gate: &Gate| names.is_empty() || names.iter().any(|name| name == gate.name);
    Ok(GATES.into_iter().filter(wanted).collect())
}

/// Runs the gates one after another and prints what became of each, and the sum on the last line.
///
/// A failed gate does not stop the others: one run tells everything that is wrong.
pub(crate) fn run(workspace: &Workspace, gates: &[Gate]) -> io::Result<Counts> {
    let mut results = Vec::new();
    let mut sum = Counts::default();
    for gate in gates {
        say(&format!("=== {}", gate.name))?;
        let start = Instant::now();
        let counts = match (gate.run)(workspace) {
            Ok(counts) => counts,
            Err(error) => {
                say(&format!("{}: {error}", gate.name))?;
                Counts::FAILED
            }
        };
        sum += counts;
        results.push(summary(gate.name, counts, start.elapsed()));
    }
    say("")?;
    for result in results {
        say(&result)?;
    }
    say(&sum.to_string())?;
    Ok(sum)
}

fn summary(name: &str, counts: Counts, elapsed: Duration) -> String {
    let verdict = match counts {
        Counts { passed: 0, failed: 0 } => "not run",
        Counts { failed: 0, .. } => "ok",
        _ => "FAILED",
    };
    let seconds = elapsed.as_secs_f64();
    let Counts { passed, failed } = counts;
    format!("{name:<12} {verdict:<8} {passed:>5} / {failed:<4} {seconds:>7.1} s")
}

#[cfg(test)]
mod tests;
