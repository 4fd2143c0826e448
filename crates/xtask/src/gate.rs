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
    /// What it checks.
    pub(crate) about: &'static str,
    /// What a success does not prove, where readers might expect it.
    note: &'static str,
    /// Runs it. No cases at all means that it could not run here and has printed the reason; an error is a failed case.
    run: fn(&Workspace) -> io::Result<Counts>,
}

const fn gate(name: &'static str, about: &'static str, run: fn(&Workspace) -> io::Result<Counts>) -> Gate {
    Gate { name, about, note: "", run }
}

/// All gates; fast ones that find much come first.
pub(crate) const GATES: [Gate; 16] = [
    gate("fmt", "all code is as rustfmt writes it", gates::fmt::run),
    gate("clippy", "no lint warns", gates::clippy::run),
    gate("features", "each feature compiles alone", gates::features::run),
    gate("docs", "the documentation builds, and its links lead somewhere", gates::docs::run),
    gate("tests", "all tests, and the examples of the documentation", gates::cargo_tests::run),
    gate("tidy", "the house rules that a machine can check", gates::tidy::run),
    gate("deny", "licences, sources and advisories, with cargo-deny", gates::deny::run),
    gate("conformance", "the recordings of the original against our conformance server", gates::conformance::run),
    gate("differential", "random conversations with us and with the original, side by side", gates::differential::run),
    gate("js", "the official JavaScript clients, in Node.js and Chromium", gates::js::run),
    gate("java", "the official Java client, with Java and Maven", gates::java::run),
    gate("python", "the Python client pysignalr", gates::python::run),
    gate("printfactory", "the Python package websockets as a PrintFactory listener", gates::python::run_printfactory),
    gate("smc", "the Python client of Forcepoint SMC", gates::python::run_smc),
    gate("fuzz", "each fuzz target for ten seconds, with a nightly Rust", gates::fuzz::run),
    Gate {
        note: "times are not judged",
        ..gate("bench", "the benches work, and the hot paths cost as many instructions as before", gates::bench::run)
    },
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
/// A failed gate does not stop the others, so that one run reports everything that is wrong.
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
        results.push(summary(gate, counts, start.elapsed()));
    }
    say("")?;
    for result in results {
        say(&result)?;
    }
    say(&sum.to_string())?;
    Ok(sum)
}

/// The result of a gate in one line.
pub(crate) fn summary(gate: &Gate, counts: Counts, elapsed: Duration) -> String {
    let verdict = match counts {
        counts if counts.is_empty() => "not run",
        Counts { failed: 0, .. } => "ok",
        _ => "FAILED",
    };
    let seconds = elapsed.as_secs_f64();
    let Counts { passed, failed, ignored } = counts;
    let ignored = if ignored == 0 { String::new() } else { format!("  {ignored} ignored") };
    let note = if gate.note.is_empty() { String::new() } else { format!("  {}", gate.note) };
    format!("{:<12} {verdict:<8} {passed:>5} / {failed:<4} {seconds:>7.1} s{ignored}{note}", gate.name)
}

#[cfg(test)]
mod tests;
