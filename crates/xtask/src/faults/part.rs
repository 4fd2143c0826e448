//! The parts of the report: what each of them runs.

use std::fmt::Write;
use std::io;
use std::process::Command;

use super::Runner;
use crate::command::{Output, cargo, run_read};

/// How often the simulation runs; the gate `tests` runs it less often.
const SIMULATIONS: &str = "10000";

/// One part of the report, which can be run by its name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// What `--only` calls it.
    pub(crate) name: String,
    /// What fails.
    pub(crate) claim: String,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Simulation,
    Disk,
    Kills,
    Syncs,
    /// A fault of the JavaScript suite.
    Fault,
}

/// What a part has printed for the report, and whether all of it was as it should be.
pub(crate) struct Run {
    pub(crate) text: String,
    pub(crate) succeeded: bool,
}

/// All parts. `listed` are those of the JavaScript suite: lines with a name, a tab and a claim.
pub(crate) fn all(listed: &str) -> Vec<Part> {
    let part = |name: &str, claim: &str, kind| Part { name: name.to_owned(), claim: claim.to_owned(), kind };
    let mut parts = vec![
        part(
            "simulation",
            "subscribers come and go, the server crashes, and power is lost (simulated)",
            Kind::Simulation,
        ),
        part("history-tests", "power cuts, crashes and disk faults (tests of the history)", Kind::Disk),
        part(
            "server-killed",
            "one server without a cluster is killed (kill -9) under load, again and again",
            Kind::Kills,
        ),
        part("syncs", "nothing: how often the server waits for its disk", Kind::Syncs),
    ];
    let faults = listed.lines().filter_map(|line| line.split_once('\t'));
    parts.extend(faults.map(|(name, claim)| part(name, claim, Kind::Fault)));
    parts
}

impl Part {
    /// Runs it. An error means that it could not be started.
    pub(crate) fn run(&self, runner: &Runner<'_>) -> io::Result<Run> {
        match self.kind {
            Kind::Simulation => Ok(simulation(&run_read(simulations().current_dir(&runner.workspace.root))?)),
            Kind::Disk => {
                let mut store = cargo(&["test", "--package", "signalhub-history", "--no-fail-fast"]);
                let store = run_read(store.current_dir(&runner.workspace.root))?;
                let tests = ["--test", "--test-reporter=tap", "tests/disk-faults.test.js"];
                Ok(disk(&store, &run_read(&mut runner.node(&tests))?))
            }
            Kind::Kills => {
                let mut command = runner.node(&["kills/faults.js"]);
                command.args(["--kills", &runner.options.kills.to_string()]);
                runner.with_clients(&mut command, KILLS)
            }
            Kind::Syncs => Ok(Run::of(SYNCS, &run_read(&mut runner.node(&["kills/syncs.js"]))?)),
            Kind::Fault => {
                let mut command = runner.node(&["cluster/report.js", &self.name]);
                if let Some(previous) = &runner.options.previous {
                    command.arg("--previous").arg(std::path::absolute(previous)?);
                }
                runner.with_clients(&mut command, "")
            }
        }
    }
}

impl Run {
    fn of(about: &str, output: &Output) -> Self {
        let text = format!("{about}\n{}", output.text);
        Self { text: text.trim().to_owned() + "\n", succeeded: output.succeeded }
    }
}

impl Runner<'_> {
    fn with_clients(&self, command: &mut Command, about: &str) -> io::Result<Run> {
        command.args(["--seed", &self.options.seed.to_string()]);
        self.clients.name(self.workspace, command);
        let mut run = Run::of(about, &run_read(command)?);
        for client in &self.clients.missing {
            let _ = writeln!(run.text, "\nNot run: {client}.");
        }
        Ok(run)
    }
}

fn simulations() -> Command {
    let test = "nothing_is_lost_or_doubled_whatever_happens_to_the_store_and_its_process";
    let mut command = cargo(&["test", "--package", "signalhub", "--test", "resume_simulation", "--"]);
    command.args(["--exact", test, "--nocapture"]);
    command.env("SIGNALHUB_RUNS", SIMULATIONS);
    command
}

/// The simulation of subscribers, which prints its sum: `simulation of histories: runs=3 owed=5 …`.
pub(super) fn simulation(output: &Output) -> Run {
    let sum = output.text.lines().find_map(|line| line.split_once("simulation of histories: "));
    let Some((_, sum)) = sum else {
        return Run { text: format!("{SIMULATION}\n\nIt has printed no sum.\n"), succeeded: false };
    };
    let members: Vec<_> = sum.split_whitespace().filter_map(|member| member.split_once('=')).collect();
    let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut text = format!("{SIMULATION}\n\n");
    text.push_str(&row(members.iter().map(|(name, _)| *name).collect()));
    text.push_str(&format!("|{}\n", "---|".repeat(members.len())));
    text.push_str(&row(members.iter().map(|(_, value)| *value).collect()));
    Run { text, succeeded: output.succeeded }
}

/// The tests of the history on disk, and of the binary with it, of which those are listed in which something fails or ends.
pub(super) fn disk(store: &Output, binary: &Output) -> Run {
    let mut text = format!("{DISK}\n");
    let tests = store.text.lines().filter_map(rust_test);
    let mut tests: Vec<_> = tests.chain(binary.text.lines().filter_map(node_test)).collect();
    // Tests that run at once end in any order.
    tests.sort();
    for (claim, result) in tests {
        let _ = writeln!(text, "| {claim} | {result} |");
    }
    Run { text, succeeded: store.succeeded && binary.succeeded }
}

const SIMULATION: &str = "\
Subscribers with `since` come and go while events are published and trimmed, the server crashes, and power is lost, in an order that follows from a
seed. Each subscriber must get the matching events once and in order, or be told of a gap. A run is one seed, from 0 on. More is delivered than owed:
events that may expire, and events that came before a gap made the subscriber fetch its state, are not owed.";

const DISK: &str = "\
In a power cut the write-ahead log ends behind what was synced. The disk is made to fail by a library that is preloaded, and by a small file system.

| claim | result |
|---|---|";

const KILLS: &str = "\
Eight publishers publish numbered events of four names with idempotency keys, and repeat what is not answered with the same key. Meanwhile the
server, with `history.store = \"disk\"`, is killed at seeded moments and started again on the same directory. Clients use the wrappers of
`examples/resuming`. At the end each answered event must be in `GET /api/v1/history` once, with the position and id of its answer, offsets must
have no holes, and repeats with the same keys must be recognised. A client is owed each kept event that matches, once and in order.
";

const SYNCS: &str = "\
With `history.sync_interval = \"1s\"`, the default. SQLite also syncs the beginning of a new write-ahead log, which the counter
leaves out: strace sees one more in the first row.
";

/// A line of Rust's test runner about a test in which something fails or ends: its claim and result.
fn rust_test(line: &str) -> Option<(String, &str)> {
    let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let claim = match name.rsplit_once("::") {
        Some(("disk_log::tests" | "disk_log::tests::model", claim)) => claim,
        // Examples of the documentation have spaces in their names.
        None if name != "child" && !name.contains(' ') => name,
        _ => return None,
    };
    Some((claim.replace('_', " "), result))
}

/// A line of Node's test runner (TAP) about a test inside a suite.
fn node_test(line: &str) -> Option<(String, &str)> {
    let line = line.strip_prefix("    ")?;
    let (numbered, result) = match line.strip_prefix("ok ") {
        Some(rest) if rest.contains("# SKIP") => (rest, "not run"),
        Some(rest) => (rest, "ok"),
        None => (line.strip_prefix("not ok ")?, "FAILED"),
    };
    let (_, claim) = numbered.split_once(" - ")?;
    Some((claim.split(" # ").next()?.to_owned(), result))
}
