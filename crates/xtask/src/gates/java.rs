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
    maven.args(["compile", "exec:java", "-Dexec.mainClass=Client"]);
    maven.arg(format!("-Dexec.args={}", quoted(&arguments)));
    run_counted(&mut maven, Counts::of_clients)
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

/// Arguments in one text, as Maven takes it.
fn quoted(arguments: &[String]) -> String {
    arguments.iter().map(|argument| format!("\"{argument}\"")).collect::<Vec<_>>().join(" ")
}
