//! The conformance server of the workspace, for the gates that talk to it.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::command::{cargo, run as run_command, say};
use crate::workspace::Workspace;

/// Starting takes milliseconds; a machine under load gets some more.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The server under test, which ends with this value.
pub(super) struct ConformanceServer {
    child: Child,
    /// Where its hubs are.
    pub(super) url: String,
}

impl ConformanceServer {
    /// Builds and starts it.
    pub(super) fn start(workspace: &Workspace) -> io::Result<Self> {
        run_command(cargo(&["build", "--package", "protocol-tests", "--bins"]).current_dir(&workspace.root))?;
        let mut command = Command::new(workspace.binary("conformance-server"));
        command.args(["--listen", "127.0.0.1:0"]).current_dir(&workspace.root).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| io::Error::other(format!("conformance-server: {error}")))?;
        // From here on the child is stopped even if its output is not understood.
        let mut server = Self { child, url: String::new() };
        server.url = wait_for_url(&lines(&mut server.child))?;
        say(&format!("conformance-server listens on {}", server.url))?;
        Ok(server)
    }
}

impl Drop for ConformanceServer {
    fn drop(&mut self) {
        // It may have exited on its own; then the runner has reported it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The lines that the child prints; it is read to its end, so that it never blocks on a full pipe.
fn lines(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = sync_channel(16);
    if let Some(stdout) = child.stdout.take() {
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The receiver is dropped once the address is known.
                drop(sender.try_send(line));
            }
        });
    }
    receiver
}

fn wait_for_url(lines: &Receiver<String>) -> io::Result<String> {
    loop {
        match lines.recv_timeout(START_TIMEOUT) {
            Ok(line) => {
                if let Some(url) = url(&line) {
                    return Ok(url.to_owned());
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                return Err(io::Error::other("conformance-server ended before it listened"));
            }
            Err(RecvTimeoutError::Timeout) => {
                return Err(io::Error::other("conformance-server does not say where it listens"));
            }
        }
    }
}

fn url(line: &str) -> Option<&str> {
    line.split_whitespace().find(|word| word.starts_with("http://"))
}

#[cfg(test)]
mod tests;
