//! `cargo xtask faults`: what cuts, kills and fills at full size, by name. It writes `docs/fault-report.md`.

mod clients;
mod options;
mod part;
mod report;

use std::io;
use std::process::Command;

use self::clients::Clients;
pub(crate) use self::options::Options;
use self::part::Run;
use self::report::Report;
use crate::command::{cargo, run, run_read, say};
use crate::gates::js;
use crate::workspace::Workspace;

/// Runs the parts that are asked for, all of them unless some are named, and writes them into the report. A part that fails does not stop
/// the others. Returns whether all of it was as it should be.
pub(crate) fn measure(workspace: &Workspace, options: &Options) -> io::Result<bool> {
    js::prepare(workspace)?;
    let parts = part::all(&run_read(&mut node(workspace, &["cluster/report.js", "--list"]))?.text);
    if options.list {
        parts.iter().try_for_each(|part| say(&format!("{:<24} {}", part.name, part.claim)))?;
        return Ok(true);
    }
    let chosen = options.choose(&parts).map_err(io::Error::other)?;
    let mut build = cargo(&["build", "--package", "signalhub-server"]);
    build.args(options.release.then_some("--release"));
    run(build.current_dir(&workspace.root))?;
    js::provide_redis()?;
    let clients = Clients::prepare(workspace)?;
    let path = workspace.root.join("docs/fault-report.md");
    let mut report = Report::read(&std::fs::read_to_string(&path).unwrap_or_default());
    for part in chosen {
        let about = format!("Run on {}, revision {}, {}", today()?, revision(workspace)?, options.described());
        match part.run(&Runner { workspace, options, clients: &clients }) {
            Ok(run) => report.put(part, &about, &run),
            Err(error) => report.put(part, &about, &Run { text: format!("{error}\n"), succeeded: false }),
        }
        // What has run is kept if a later part is interrupted.
        std::fs::write(&path, report.text(&parts))?;
    }
    say(&format!("{} is written: {}", path.display(), if report.succeeded() { "nothing is wrong" } else { "FAILED" }))?;
    Ok(report.succeeded())
}

/// What parts run with.
pub(crate) struct Runner<'a> {
    workspace: &'a Workspace,
    options: &'a Options,
    clients: &'a Clients,
}

impl Runner<'_> {
    /// A program of the JavaScript tests, with the binary that was built.
    fn node(&self, arguments: &[&str]) -> Command {
        let mut command = node(self.workspace, arguments);
        let binary = match self.options.release {
            true => self.workspace.release_binary("signalhub"),
            false => self.workspace.binary("signalhub"),
        };
        command.env("SIGNALHUB_BINARY", binary);
        command
    }
}

fn node(workspace: &Workspace, arguments: &[&str]) -> Command {
    let mut command = Command::new("node");
    command.args(arguments).current_dir(workspace.root.join("js-client-tests"));
    command
}

/// The day, as of this machine.
fn today() -> io::Result<String> {
    printed(Command::new("date").args(["-u", "+%F"]))
}

/// The revision of the workspace, and whether files differ from it.
fn revision(workspace: &Workspace) -> io::Result<String> {
    let revision = printed(Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(&workspace.root))?;
    let changed = printed(
        Command::new("git")
            .args(["status", "--porcelain", "--", ".", ":!docs/fault-report.md"])
            .current_dir(&workspace.root),
    )?;
    Ok(if changed.is_empty() { revision } else { format!("{revision} with changes") })
}

fn printed(command: &mut Command) -> io::Result<String> {
    Ok(String::from_utf8_lossy(&command.output()?.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests;
