//! The server under test: the binary as a child process.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::process::Vitals;

/// The path of the hub.
const HUB: &str = "/signalr/v1/mainHub";

/// Nothing but this bench uses the server, so its keys need not be secret.
const SECRET: &str = "signalhub-bench signs all of its tokens with this";
pub(crate) const API_KEY: &str = "signalhub-bench-publishes-with-this";

/// So many users share the connections.
const USERS: u64 = 8;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: String,
    tokens: Vec<String>,
}

/// Tells why there is no server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("{0} cannot be run (build it with cargo build --release -p signalhub-server): {1}")]
    Run(PathBuf, #[source] io::Error),
    #[error("the server ended at its start: {0}")]
    Ended(String),
    #[error("the server makes no token: {0}")]
    Token(String),
}

impl Server {
    /// Starts a binary, or the one beside this program.
    pub(crate) async fn start(binary: Option<&Path>) -> Result<Self, ServerError> {
        let binary = match binary {
            Some(binary) => binary.to_owned(),
            None => env::current_exe().unwrap_or_default().with_file_name("signalhub"),
        };
        let unusable = |error| ServerError::Run(binary.clone(), error);
        let binary = binary.canonicalize().map_err(unusable)?;
        let mut tokens = Vec::new();
        for user in 0..USERS {
            tokens.push(token(&binary, user).await?);
        }
        let mut child = command(&binary).arg("serve").spawn().map_err(unusable)?;
        let mut log = child.stderr.take().map(|log| BufReader::new(log).lines());
        let address = listening(&mut log).await?;
        // A pipe that nobody reads would hold the server up.
        tokio::spawn(async move { while let Some(_line) = next_line(&mut log).await {} });
        Ok(Self { child, address, tokens })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The path of the hub.
    pub(crate) fn hub_path(&self) -> &'static str {
        HUB
    }

    /// The token of a connection.
    pub(crate) fn token(&self, number: u64) -> &str {
        &self.tokens[(number % USERS) as usize]
    }

    /// What the process holds now.
    pub(crate) fn vitals(&self) -> io::Result<Vitals> {
        let process = self.child.id().ok_or_else(|| io::Error::other("it has ended"))?;
        Vitals::of(process)
    }
}

/// A command of the binary that sees our configuration alone.
fn command(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("SIGNALHUB_") {
            command.env_remove(name);
        }
    }
    command
        .env_remove("RUST_LOG")
        .env("SIGNALHUB_LISTEN__PUBLIC", "127.0.0.1:0")
        .env("SIGNALHUB_LISTEN__INTERNAL", "127.0.0.1:0")
        .env("SIGNALHUB_AUTH__SECRET", SECRET)
        .env("SIGNALHUB_PUBLISH__KEYS", API_KEY)
        .env("SIGNALHUB_LOG__LEVEL", "info")
        .current_dir(env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Waits for the line that says where the server listens.
async fn listening(log: &mut Option<Lines<BufReader<ChildStderr>>>) -> Result<String, ServerError> {
    let mut last = String::new();
    while let Some(line) = next_line(log).await {
        if let Some((_, address)) = line.split_once("listening address=") {
            return Ok(address.trim().to_owned());
        }
        last = line;
    }
    Err(ServerError::Ended(last))
}

async fn next_line(log: &mut Option<Lines<BufReader<ChildStderr>>>) -> Option<String> {
    log.as_mut()?.next_line().await.ok().flatten()
}

async fn token(binary: &Path, user: u64) -> Result<String, ServerError> {
    let name = format!("bench-{user}");
    let mut command = command(binary);
    let output = command.args(["token", "create", "--ttl", "1d", "--user", &name]).output().await;
    let output = output.map_err(|error| ServerError::Run(binary.to_owned(), error))?;
    if !output.status.success() {
        return Err(ServerError::Token(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
