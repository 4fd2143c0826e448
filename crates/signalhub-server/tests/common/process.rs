//! The binary as a process.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_signalhub");

/// The program with nothing from outside: no configuration file, no variables.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A server process that listens.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) url: String,
    /// Where the internal listener is; empty without one.
    pub(crate) internal: String,
    pub(crate) stdout: BufReader<ChildStdout>,
    pub(crate) stderr: BufReader<ChildStderr>,
    pub(crate) log: String,
}

impl Server {
    /// Starts one and waits until it listens.
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        let mut server = Self::spawn(variables);
        server.listening().await;
        server
    }

    /// Starts one, which may not listen yet.
    pub(crate) fn spawn(variables: &[(&str, &str)]) -> Self {
        let variables = [&[("SIGNALHUB_LISTEN__INTERNAL", "127.0.0.1:0")], variables].concat();
        let mut command = program(&["--set", "listen.public=127.0.0.1:0"]);
        let mut child = command.envs(variables.iter().copied()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, url: String::new(), internal: String::new(), stdout, stderr, log: String::new() }
    }

    /// Waits until it listens.
    pub(crate) async fn listening(&mut self) {
        while self.url.is_empty() {
            let start = self.log.len();
            assert_ne!(self.stderr.read_line(&mut self.log).await.unwrap(), 0, "ended early: {}", self.log);
            let line = &self.log[start..];
            let Some((_, address)) = line.split_once("127.0.0.1:") else { continue };
            let port: String = address.chars().take_while(char::is_ascii_digit).collect();
            let url = format!("http://127.0.0.1:{port}");
            if line.contains("serving operators") {
                self.internal = url;
            } else if line.contains("listening") {
                self.url = url;
            }
        }
    }

    /// Sends a signal.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().await.unwrap().success());
    }

    /// Reads the log up to a line with this text.
    pub(crate) async fn logged(&mut self, text: &str) {
        while !self.log.lines().last().unwrap_or_default().contains(text) {
            assert_ne!(self.stderr.read_line(&mut self.log).await.unwrap(), 0, "{}", self.log);
        }
    }

    /// Sends SIGTERM and gives the exit code, what was printed and what was logged.
    pub(crate) async fn terminate(self) -> (Option<i32>, String, String) {
        self.signal("-TERM").await;
        self.end().await
    }

    /// Waits for the end and gives the same.
    pub(crate) async fn end(mut self) -> (Option<i32>, String, String) {
        let mut printed = String::new();
        self.stdout.read_to_string(&mut printed).await.unwrap();
        self.stderr.read_to_string(&mut self.log).await.unwrap();
        (self.child.wait().await.unwrap().code(), printed, self.log)
    }
}
