//! The official Java client against the conformance server and the binary, where Java and Maven are installed.

use std::io;
use std::process::Command;

use super::conformance_server::ConformanceServers;
use crate::command::{run as run_command, run_counted, say, works};
use crate::counts::Counts;
use crate::workspace::Workspace;

/// Compiles the program around the client, for which Maven fetches the client.
pub(crate) fn prepare(workspace: &Workspace) -> io::Result<()> {
    if installed() { run_command(maven(workspace).arg("compile")) } else { Ok(()) }
}

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    if !installed() {
        say(
            "Java or Maven is not installed, so the Java client is not run: apt-get install openjdk-17-jdk-headless maven",
        )?;
        return Ok(Counts::default());
    }
    let servers = ConformanceServers::start(workspace, "java")?;
    let mut arguments = vec![workspace.binary("signalhub").display().to_string()];
    arguments.extend(servers.arguments());
    let mut maven = maven(workspace);
    maven.arg("compile");
    run_counted(execute(&mut maven, "Client", &arguments), Counts::of_clients)
}

/// The client of the kill suite; `None` if it cannot run here.
pub(crate) fn ledger(workspace: &Workspace, transport: &str) -> io::Result<Option<Command>> {
    program(workspace, "Ledger", &[transport.to_owned()])
}

/// Many clients at once, for the tests of a cluster; `None` if they cannot run here.
pub(crate) fn crowd(workspace: &Workspace) -> io::Result<Option<Command>> {
    program(workspace, "Crowd", &[])
}

fn program(workspace: &Workspace, class: &str, arguments: &[String]) -> io::Result<Option<Command>> {
    if !installed() {
        return Ok(None);
    }
    run_command(maven(workspace).arg("compile"))?;
    let mut maven = maven(workspace);
    execute(&mut maven, class, arguments);
    Ok(Some(maven))
}

fn installed() -> bool {
    works(Command::new("javac").arg("-version")) && works(Command::new("mvn").arg("-version"))
}

fn maven(workspace: &Workspace) -> Command {
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "-Dstyle.color=never"]);
    maven.arg(format!("-Dbuild.folder={}", workspace.target.join("java-client").display()));
    maven.current_dir(workspace.root.join("protocol-tests/clients/java"));
    maven
}

/// Lets Maven run a program that it has compiled.
fn execute<'a>(maven: &'a mut Command, class: &str, arguments: &[String]) -> &'a mut Command {
    maven.args(["exec:java", &format!("-Dexec.mainClass={class}"), &format!("-Dexec.args={}", quoted(arguments))])
}

/// Arguments in one text, as Maven takes it.
fn quoted(arguments: &[String]) -> String {
    arguments.iter().map(|argument| format!("\"{argument}\"")).collect::<Vec<_>>().join(" ")
}
