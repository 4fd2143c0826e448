//! The page that the run is written to.

use std::fmt::Write;

use super::Options;
use crate::command::Output;

/// The page, as far as it is written.
pub(super) struct Report {
    text: String,
    succeeded: bool,
}

impl Report {
    pub(super) fn new(options: &Options) -> Self {
        let Options { kills, seed } = options;
        let text = format!(
            "# Fault report\n\n\
             What happened when processes were killed, connections cut, disks failed and power was lost. `cargo xtask faults --kills {kills} --seed {seed}`\n\
             ran the tests and wrote this page; [history.md](history.md) tells what is promised.\n"
        );
        Self { text, succeeded: true }
    }

    /// The simulation of subscribers, which prints its sum: `simulation of histories: runs=3 owed=5 …`.
    pub(super) fn simulation(&mut self, output: &Output) {
        self.section("Simulation", output, SIMULATION);
        let sum = output.text.lines().find_map(|line| line.split_once("simulation of histories: "));
        let Some((_, sum)) = sum else {
            self.text.push_str("\n**FAILED**: it has printed no sum\n");
            self.succeeded = false;
            return;
        };
        let members: Vec<_> = sum.split_whitespace().filter_map(|member| member.split_once('=')).collect();
        let row = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
        self.text.push('\n');
        self.text.push_str(&row(members.iter().map(|(name, _)| *name).collect()));
        self.text.push_str(&format!("|{}\n", "---|".repeat(members.len())));
        self.text.push_str(&row(members.iter().map(|(_, value)| *value).collect()));
    }

    /// The tests of the history on disk, and of the binary with it, of which those are listed in which something fails or ends.
    pub(super) fn disk(&mut self, store: &Output, binary: &Output) {
        self.section("Power cuts, crashes and disk faults", store, DISK);
        self.succeeded &= binary.succeeded;
        let store = store.text.lines().filter_map(rust_test);
        let mut tests: Vec<_> = store.chain(binary.text.lines().filter_map(node_test)).collect();
        // Tests that run at once end in any order.
        tests.sort();
        for (claim, result) in tests {
            let _ = writeln!(self.text, "| {claim} | {result} |");
        }
    }

    /// The kill suite, whose output is this part of the page.
    pub(super) fn kills(&mut self, output: &Output, missing: &[&str]) {
        self.section("`kill -9` under load", output, KILLS);
        let _ = writeln!(self.text, "\n{}", output.text.trim_end());
        for client in missing {
            let _ = writeln!(self.text, "\nNot run: {client}.");
        }
    }

    /// How often the server waited for its disk, as the program counted it.
    pub(super) fn syncs(&mut self, output: &Output) {
        self.section("Syncs", output, SYNCS);
        let _ = writeln!(self.text, "\n{}", output.text.trim_end());
    }

    /// What became of a cluster and its clients under each fault, as the program counted it.
    pub(super) fn cluster(&mut self, output: &Output) {
        self.section("A cluster", output, CLUSTER);
        let _ = writeln!(self.text, "\n{}", output.text.trim_end());
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn succeeded(&self) -> bool {
        self.succeeded
    }

    fn section(&mut self, title: &str, output: &Output, about: &str) {
        self.succeeded &= output.succeeded;
        let failed = if output.succeeded { "" } else { "**FAILED**\n\n" };
        let _ = writeln!(self.text, "\n## {title}\n\n{failed}{about}");
    }
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
have no holes, and repeats with the same keys must be recognised. A client is owed each kept event that matches, once and in order.";

const SYNCS: &str = "\
With `history.sync_interval = \"1s\"`, the default. SQLite also syncs the beginning of a new write-ahead log, which the counter
leaves out: strace sees one more in the first row.";

const CLUSTER: &str = "\
Eight publishers publish to nodes of a cluster in turn, and repeat what is not answered, or answered with 503, with the same key. The clients
connect through an nginx that gives each request to the next node. Meanwhile a part of the cluster fails and comes back. A client is owed each kept
event that matches, once and in order. Where Redis loses events, each client must be told of a gap, and get every event after it.";

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
