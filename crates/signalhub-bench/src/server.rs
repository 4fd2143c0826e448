//! The server under test: the binary as a child process.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use signalhub_client::ConnectOptions;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::address::Address;
use crate::certificate::Certificate;
use crate::http;
use signalhub_load::process::Vitals;

/// The path of the hub.
const HUB: &str = "/signalr/v1/mainHub";

/// Nothing but this bench uses the server, so its keys need not be secret.
const SECRET: &str = "signalhub-bench signs all of its tokens with this";
pub(crate) const API_KEY: &str = "signalhub-bench-publishes-with-this";

/// How many users share the connections.
const USERS: u64 = 8;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: Address,
    internal: Address,
    tokens: Vec<String>,
    /// It ends with this value.
    certificate: Option<Certificate>,
}

/// Why the server could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("{0} cannot be run (build it with cargo build --release -p signalhub-server): {1}")]
    Run(PathBuf, #[source] io::Error),
    #[error("the server ended at its start: {0}")]
    Ended(String),
    #[error("the server makes no token: {0}")]
    Token(String),
    /// The certificate cannot be used, or the log names no address.
    #[error(transparent)]
    Other(#[from] io::Error),
}

impl Server {
    /// Starts a binary, or the one beside this program. With a certificate, clients and publishers connect over TLS.
    pub(crate) async fn start(binary: Option<&Path>, certificate: Option<Certificate>) -> Result<Self, ServerError> {
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
        let client = certificate.as_ref().map(Certificate::client).transpose()?;
        let mut serve = command(&binary);
        serve.arg("serve").envs(certificate.iter().flat_map(Certificate::variables));
        let mut child = serve.spawn().map_err(unusable)?;
        let mut log = child.stderr.take().map(|log| BufReader::new(log).lines());
        let (address, internal) = listening(&mut log).await?;
        // A pipe that is not read would block the server.
        tokio::spawn(async move { while let Some(_line) = next_line(&mut log).await {} });
        let (address, internal) = (Address::parse(&address, client)?, Address::parse(&internal, None)?);
        Ok(Self { child, address, internal, tokens, certificate })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// The path of the hub.
    pub(crate) fn hub_path(&self) -> &'static str {
        HUB
    }

    /// How an ordinary client connects.
    pub(crate) fn client(&self, path: &str, token: &str) -> io::Result<ConnectOptions> {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        let options = ConnectOptions::new(format!("{scheme}://{}{path}", self.address.authority())).with_token(token);
        match &self.certificate {
            Some(certificate) => options.with_ca(certificate.pem()).map_err(io::Error::other),
            None => Ok(options),
        }
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

    /// What it counts now.
    pub(crate) async fn holdings(&self) -> io::Result<Holdings> {
        Holdings::read(&http::get(&self.internal, "/metrics").await?)
    }
}

/// What the server says about itself at a moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) connections: u64,
    pub(crate) subscriptions: u64,
    pub(crate) tasks: u64,
}

/// The value of a metric without labels on the metrics page.
pub(crate) fn metric(page: &str, name: &str) -> io::Result<u64> {
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = line.and_then(|value| value.parse().ok());
    value.ok_or_else(|| io::Error::other(format!("the metrics have no {name}")))
}

impl Holdings {
    /// Reads them from the metrics page.
    fn read(page: &str) -> io::Result<Self> {
        let value = |name| metric(page, name);
        Ok(Self {
            connections: value("signalhub_connections_active")? + value("signalhub_connections_waiting")?,
            subscriptions: value("signalhub_subscriptions_active")?,
            tasks: value("signalhub_runtime_tasks")?,
        })
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
        // All clients come from this machine.
        .env("SIGNALHUB_LIMITS__SOCKETS_PER_ADDRESS", "unlimited")
        .current_dir(env::temp_dir())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Waits for the lines that say where the server listens, for clients and for operators.
async fn listening(log: &mut Option<Lines<BufReader<ChildStderr>>>) -> Result<(String, String), ServerError> {
    let (mut last, mut internal) = (String::new(), String::new());
    while let Some(line) = next_line(log).await {
        if let Some((_, address)) = line.split_once("serving operators address=") {
            address.trim().clone_into(&mut internal);
        }
        if let Some((_, address)) = line.split_once("listening address=") {
            return Ok((address.trim().to_owned(), internal));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holdings_are_read_from_the_metrics() {
        let page = "# TYPE signalhub_connections_active gauge\nsignalhub_connections_active 3\n\
            signalhub_connections_waiting 2\nsignalhub_subscriptions_active 7\nsignalhub_runtime_tasks 11\n# EOF\n";
        assert_eq!(Holdings::read(page).unwrap(), Holdings { connections: 5, subscriptions: 7, tasks: 11 });
        assert!(Holdings::read("signalhub_connections_active 3\n").is_err());
    }
}
