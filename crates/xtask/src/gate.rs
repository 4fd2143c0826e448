//! The gates: their order, which run at the same time, how they are chosen by name, and the result of one in a line.

use std::io;
use std::time::Duration;

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
    /// Installs what it needs, and compiles what other gates do not compile. It runs while other gates run, and must not need
    /// what cargo locks for them: the debug builds in the target folder.
    pub(crate) prepare: Option<Step>,
    /// Whether it mostly waits, so that it runs at the same time as its neighbours that do.
    waits: bool,
    /// Runs it. No cases at all means that it could not run here and has printed the reason; an error is a failed case.
    pub(crate) run: fn(&Workspace) -> io::Result<Counts>,
}

/// What a gate does before it runs.
type Step = fn(&Workspace) -> io::Result<()>;

impl Gate {
    const fn new(name: &'static str, about: &'static str, run: fn(&Workspace) -> io::Result<Counts>) -> Self {
        Self { name, about, note: "", prepare: None, waits: false, run }
    }

    const fn prepared(self, prepare: Step) -> Self {
        Self { prepare: Some(prepare), ..self }
    }

    const fn waits(self) -> Self {
        Self { waits: true, ..self }
    }

    const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

/// All gates; fast ones that find much come first. What is measured comes last: by then every preparation has ended.
pub(crate) const GATES: [Gate; 19] = [
    Gate::new("fmt", "all code is as rustfmt writes it", gates::fmt::run),
    Gate::new("clippy", "no lint warns", gates::clippy::run),
    Gate::new("features", "each feature compiles alone", gates::features::run),
    Gate::new("docs", "the documentation builds, and its links lead somewhere", gates::docs::run),
    Gate::new("tests", "all tests, and the examples of the documentation", gates::cargo_tests::run),
    Gate::new("tidy", "the house rules that a machine can check", gates::tidy::run),
    Gate::new("deny", "licences, sources and advisories, with cargo-deny", gates::deny::run),
    Gate::new(
        "differential",
        "random conversations with us and with the original, side by side",
        gates::differential::run,
    ),
    Gate::new("conformance", "the recordings of the original against our conformance server", gates::conformance::run),
    Gate::new(
        "dist",
        "packages, archives, the image and the chart, made and used as an operator does",
        gates::dist::run,
    )
    .prepared(gates::dist::prepare),
    Gate::new("js", "the official JavaScript clients, in Node.js and Chromium", gates::js::run)
        .prepared(gates::js::prepare),
    Gate::new(
        "cluster",
        "nodes of a cluster that fail, with a real Redis and the official JavaScript client",
        gates::js::run_cluster,
    )
    .prepared(gates::js::prepare_cluster),
    Gate::new("java", "the official Java client, with Java and Maven", gates::java::run)
        .prepared(gates::java::prepare)
        .waits(),
    Gate::new("python", "the Python client pysignalr", gates::python::run).prepared(gates::python::prepare).waits(),
    Gate::new(
        "printfactory",
        "the Python package websockets as a PrintFactory listener",
        gates::python::run_printfactory,
    )
    .prepared(gates::python::prepare_printfactory)
    .waits(),
    Gate::new("smc", "the Python client of Forcepoint SMC", gates::python::run_smc)
        .prepared(gates::python::prepare_smc)
        .waits(),
    Gate::new(
        "prometheus",
        "Prometheus against the metrics, the alert rules and the board",
        gates::python::run_prometheus,
    )
    .prepared(gates::python::prepare_prometheus)
    .waits(),
    Gate::new("fuzz", "each fuzz target for ten seconds, with a nightly Rust", gates::fuzz::run)
        .prepared(gates::fuzz::prepare),
    Gate::new("bench", "the benches work, and the hot paths cost as many instructions as before", gates::bench::run)
        .prepared(gates::bench::prepare)
        .note("times are not judged"),
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

/// The gates that run at the same time: neighbours that wait; every other gate alone.
pub(crate) fn stages(gates: &[Gate]) -> impl Iterator<Item = &[Gate]> {
    gates.chunk_by(|one, next| one.waits && next.waits)
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
