//! The official Java client against the conformance server and the binary, where Java and Maven are installed.

use std::io;
use std::process::Command;

use super::conformance_server::ConformanceServers;
use crate::command::{cargo, run as run_command, run_counted, say, works};
use crate::counts::Counts;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    if !works(Command::new("javac").arg("-version")) || !works(Command::new("mvn").arg("-version")) {
        say(
            "Java or Maven is not installed, so the Java client is not run: apt-get install openjdk-17-jdk-headless maven",
        )?;
        return Ok(Counts::default());
    }
    run_command(cargo(&["build", "--package", "signalhub-server"]).current_dir(&workspace.root))?;
    let servers = ConformanceServers::start(workspace)?;
    let mut arguments = vec![workspace.binary("signalhub").display().to_string()];
    arguments.extend(servers.arguments());
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "-Dstyle.color=never", "compile", "exec:java"]);
    maven.arg(format!("-Dbuild.folder={}", workspace.target.join("java-client").display()));
    maven.arg("-Dexec.mainClass=Client").arg(format!("-Dexec.args={}", quoted(&arguments)));
    run_counted(maven.current_dir(workspace.root.join("protocol-tests/clients/java")), Counts::of_clients)
}

/// Arguments in one text, as Maven takes it.
fn quoted(arguments: &[String]) -> String {
    arguments.iter().map(|argument| format!("\"{argument}\"")).collect::<Vec<_>>().join(" ")
}
