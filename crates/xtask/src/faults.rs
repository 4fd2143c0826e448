//! `cargo xtask faults`: the tests that cut, kill and fill at full size. It writes `docs/fault-report.md`.

mod report;

use std::io;
use std::process::Command;

use crate::command::{cargo, run, run_read, say};
use crate::gates::{java, js, python};
use crate::workspace::Workspace;
use report::Report;

/// How often the simulation runs; the gate `tests` runs it less often.
const SIMULATIONS: &str = "10000";

/// How large the kill suite is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// How often the server is killed under load.
    pub(crate) kills: u32,
    /// What the moments of the kills follow from.
    pub(crate) seed: u32,
}

impl Options {
    /// Reads the words after `faults`; `None` if they are not understood.
    pub(crate) fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut options = Self { kills: 30, seed: 20 };
        while let Some(word) = words.next() {
            let value = words.next()?.parse().ok()?;
            match word.as_str() {
                "--kills" => options.kills = value,
                "--seed" => options.seed = value,
                _ => return None,
            }
        }
        Some(options)
    }
}

/// Runs everything, writes the report, and returns whether all of it was as it should be.
pub(crate) fn measure(workspace: &Workspace, options: &Options) -> io::Result<bool> {
    run(cargo(&["build", "--package", "signalhub-server"]).current_dir(&workspace.root))?;
    js::prepare(workspace)?;
    let mut report = Report::new(options);
    report.simulation(&run_read(simulation().current_dir(&workspace.root))?);
    let mut store = cargo(&["test", "--package", "signalhub-history", "--no-fail-fast"]);
    report.disk(&run_read(store.current_dir(&workspace.root))?, &run_read(&mut disk_faults(workspace))?);
    let clients = Clients::prepare(workspace)?;
    report.kills(&run_read(&mut kills(workspace, options, &clients))?, &clients.missing);
    report.syncs(&run_read(&mut node(workspace, &["kills/syncs.js"]))?);
    js::provide_redis()?;
    report.cluster(&run_read(&mut cluster(workspace, &clients))?);
    let path = workspace.root.join("docs/fault-report.md");
    std::fs::write(&path, report.text())?;
    say(&format!("{} is written: {}", path.display(), if report.succeeded() { "nothing is wrong" } else { "FAILED" }))?;
    Ok(report.succeeded())
}

fn simulation() -> Command {
    let test = "nothing_is_lost_or_doubled_whatever_happens_to_the_store_and_its_process";
    let mut command = cargo(&["test", "--package", "signalhub", "--test", "resume_simulation", "--"]);
    command.args(["--exact", test, "--nocapture"]);
    command.env("SIGNALHUB_RUNS", SIMULATIONS);
    command
}

/// The clients that are programs of their own.
struct Clients {
    /// Each with its title.
    installed: Vec<(&'static str, Command)>,
    /// Which cannot run here, and why.
    missing: Vec<&'static str>,
}

impl Clients {
    fn prepare(workspace: &Workspace) -> io::Result<Self> {
        let mut clients = Self { installed: Vec::new(), missing: Vec::new() };
        for (title, transport) in [
            ("com.microsoft.signalr (Java): WebSockets, JSON", "WEBSOCKETS"),
            ("com.microsoft.signalr (Java): long polling, JSON", "LONG_POLLING"),
        ] {
            clients.add(
                title,
                java::ledger(workspace, transport)?,
                "the Java client, because Java or Maven is missing",
            );
        }
        for (title, protocol) in [
            ("pysignalr (Python): WebSockets, JSON", "json"),
            ("pysignalr (Python): WebSockets, MessagePack", "messagepack"),
        ] {
            clients.add(title, python::ledger(workspace, protocol)?, "the Python client, because Python is missing");
        }
        clients.missing.dedup();
        Ok(clients)
    }

    /// Names them on the command line of a program that starts them.
    fn name(&self, workspace: &Workspace, command: &mut Command) {
        for (title, client) in &self.installed {
            let folder = client.get_current_dir().unwrap_or(&workspace.root);
            command.arg("--client").arg(title).arg(folder).arg(client.get_program()).args(client.get_args());
        }
    }

    fn add(&mut self, title: &'static str, client: Option<Command>, missing: &'static str) {
        match client {
            Some(client) => self.installed.push((title, client)),
            None => self.missing.push(missing),
        }
    }
}

fn kills(workspace: &Workspace, options: &Options, clients: &Clients) -> Command {
    let mut command = node(workspace, &["kills/faults.js"]);
    command.args(["--kills", &options.kills.to_string(), "--seed", &options.seed.to_string()]);
    clients.name(workspace, &mut command);
    command
}

/// Nodes of a cluster, whose Redis, network and processes fail.
fn cluster(workspace: &Workspace, clients: &Clients) -> Command {
    let mut command = node(workspace, &["cluster/report.js"]);
    clients.name(workspace, &mut command);
    command
}

/// The faults of the disk below the binary.
fn disk_faults(workspace: &Workspace) -> Command {
    node(workspace, &["--test", "--test-reporter=tap", "tests/disk-faults.test.js"])
}

/// A program of the JavaScript tests that starts the binary.
fn node(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(arguments).current_dir(workspace.root.join("js-client-tests"));
    command.env("SIGNALHUB_BINARY", workspace.binary("signalhub"));
    command
}

#[cfg(test)]
mod tests;
