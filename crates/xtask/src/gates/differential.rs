//! Random conversations with the original and with a server of ours, if the environment says how to start the original.

use std::env;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::conformance_server::ConformanceServer;
use crate::command::{run_counted, say};
use crate::counts::Counts;
use crate::workspace::Workspace;

/// Names the original: the URL of one that runs, or a command that serves the recorded hubs at the URL which it is given as its
/// last argument. The words of the command are separated by spaces.
const REFERENCE: &str = "SIGNALHUB_REFERENCE";

/// How long the original may take to install and to listen.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How many conversations are held; they take about half a minute.
const COUNT: &str = "2000";

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    let Ok(reference) = env::var(REFERENCE) else {
        say(&format!("{REFERENCE} does not say how the original is started, so it is not compared with"))?;
        return Ok(Counts::default());
    };
    let original = match Original::start(&reference) {
        Ok(original) => original,
        Err(error) => {
            say(&format!("the original cannot be started, so it is not compared with: {error}"))?;
            return Ok(Counts::default());
        }
    };
    let server = ConformanceServer::start(workspace)?;
    let mut runner = Command::new(workspace.binary("signalhub-differential"));
    runner.args([&original.url, &server.url, "--count", COUNT]).current_dir(&workspace.root);
    run_counted(&mut runner, Counts::of_clients)
}

/// A running original server. If this program started it, dropping this value stops it.
struct Original {
    url: String,
    child: Option<Child>,
}

impl Original {
    fn start(reference: &str) -> io::Result<Self> {
        if reference.starts_with("http://") {
            return Ok(Self { url: reference.to_owned(), child: None });
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let url = format!("http://127.0.0.1:{port}");
        let mut words = reference.split_whitespace();
        let program = words.next().ok_or_else(|| io::Error::other(format!("{REFERENCE} is empty")))?;
        let mut command = Command::new(program);
        command.args(words).arg(&url).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
        let mut original = Self { url, child: Some(child) };
        original.wait(port)?;
        Ok(original)
    }

    /// Waits until it listens.
    fn wait(&mut self, port: u16) -> io::Result<()> {
        let end = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(status) = ended {
                return Err(io::Error::other(format!("it ended with {status} before it listened")));
            }
            if Instant::now() > end {
                return Err(io::Error::other("it does not listen"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have exited on its own.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

#[cfg(test)]
mod tests;
