//! A Redis server and the nodes that share it: the binary, as an operator would start it on a machine of its own.

use std::env;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::Command;
use tokio::time::timeout;

use super::children::{Children, Started};
use crate::address::Address;
use crate::http;
use crate::load::target::free_port;
use crate::server::metric;

/// Nothing but this bench uses the servers, so their keys need not be secret.
const SECRET: &str = "signalhub-bench signs all of its tokens with this";
const CLUSTER_SECRET: &str = "signalhub-bench signs what its nodes forward with this";
const API_KEY: &str = "signalhub-bench-publishes-with-this";

/// How many users share the connections.
const USERS: usize = 8;

/// How long a process may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How often another port is tried when a new one has been taken by another process.
const ATTEMPTS: usize = 5;

/// What an operator chooses.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) binary: PathBuf,
    pub(super) worker_threads: u64,
    pub(super) keep_alive: Duration,
}

/// A Redis server and nodes, as far as they have been started.
#[derive(Debug)]
pub(super) struct Cluster {
    options: Options,
    redis_port: u16,
    pub(super) redis: u32,
    pub(super) nodes: Vec<Node>,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) process: u32,
    pub(super) public: SocketAddr,
    internal: Address,
}

/// What nodes count themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) connections: u64,
    pub(super) subscriptions: u64,
}

/// Whether `redis-server` is there.
pub(super) async fn redis_is_installed() -> io::Result<bool> {
    let version =
        Command::new("redis-server").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    match version {
        Ok(status) => Ok(status.success()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The binary that is named, or the one beside this program.
pub(super) fn binary(named: Option<&Path>) -> io::Result<PathBuf> {
    let beside = || env::current_exe().unwrap_or_default().with_file_name("signalhub");
    let path = named.map_or_else(beside, Path::to_owned);
    path.canonicalize().map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "{} cannot be run (build it with cargo build --release -p signalhub-server): {error}",
                path.display()
            ),
        )
    })
}

impl Cluster {
    /// Starts a Redis server that writes nothing to a disk.
    pub(super) async fn start(children: &mut Children, options: Options) -> io::Result<Self> {
        let mut last = io::Error::other("redis-server does not start");
        for _ in 0..ATTEMPTS {
            let redis_port = free_port()?;
            let port = redis_port.to_string();
            let arguments = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"];
            let started = children.start("redis-server".to_owned(), Path::new("redis-server"), arguments, &[])?;
            let (redis, Started { output, errors, .. }) = (started.process, started);
            let mut output = BufReader::new(output).lines();
            drain(BufReader::new(errors).lines());
            match line_with(&mut output, "Ready to accept connections").await {
                Ok(_) => {
                    drain(output);
                    return Ok(Self { options, redis_port, redis, nodes: Vec::new() });
                }
                Err(error) => last = error,
            }
            children.stop().await;
        }
        Err(last)
    }

    /// Starts one more node, and waits until it is a member of the cluster and listens.
    pub(super) async fn add(&mut self, children: &mut Children) -> io::Result<()> {
        let name = format!("bench-{}", self.nodes.len());
        let started = children.start(name, &self.options.binary, ["serve"], &self.variables())?;
        drain(BufReader::new(started.output).lines());
        let mut log = BufReader::new(started.errors).lines();
        let address = |line: &str| line.rsplit_once("address=").map(|(_, address)| address.trim().to_owned());
        let named = |line: String| address(&line).ok_or_else(|| io::Error::other(line));
        let internal = named(line_with(&mut log, "serving operators").await?)?;
        let public = named(line_with(&mut log, "listening address=").await?)?;
        drain(log);
        self.nodes.push(Node {
            process: started.process,
            public: public.parse().map_err(io::Error::other)?,
            internal: Address::parse(&internal, None)?,
        });
        Ok(())
    }

    /// The configuration of a node. All limits are the defaults but one.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let Options { worker_threads, keep_alive, .. } = &self.options;
        let any_port = || "127.0.0.1:0".to_owned();
        vec![
            ("SIGNALHUB_LISTEN__PUBLIC", any_port()),
            ("SIGNALHUB_LISTEN__INTERNAL", any_port()),
            ("SIGNALHUB_CLUSTER__LISTEN", any_port()),
            ("SIGNALHUB_CLUSTER__REDIS", format!("redis://127.0.0.1:{}", self.redis_port)),
            ("SIGNALHUB_CLUSTER__SECRET", CLUSTER_SECRET.to_owned()),
            ("SIGNALHUB_CLUSTER__NODE", format!("bench-{}", self.nodes.len())),
            ("SIGNALHUB_AUTH__SECRET", SECRET.to_owned()),
            ("SIGNALHUB_PUBLISH__KEYS", API_KEY.to_owned()),
            ("SIGNALHUB_LOG__LEVEL", "info".to_owned()),
            // All clients of a node come from one address.
            ("SIGNALHUB_LIMITS__SOCKETS_PER_ADDRESS", "unlimited".to_owned()),
            ("SIGNALHUB_HUB__KEEP_ALIVE_INTERVAL", format!("{}s", keep_alive.as_secs())),
            ("SIGNALHUB_HUB__CLIENT_TIMEOUT_INTERVAL", format!("{}s", keep_alive.as_secs() * 2)),
            ("TOKIO_WORKER_THREADS", worker_threads.to_string()),
        ]
    }

    /// Makes the tokens of the users.
    pub(super) async fn tokens(&self) -> io::Result<Vec<String>> {
        let mut tokens = Vec::new();
        for user in 0..USERS {
            let mut command = Command::new(&self.options.binary);
            command.args(["token", "create", "--ttl", "1d", "--user", &format!("bench-{user}")]);
            command.current_dir(env::temp_dir()).envs(self.variables()).stdin(Stdio::null()).kill_on_drop(true);
            let output = command.output().await?;
            if !output.status.success() {
                let error = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(io::Error::other(format!("the binary makes no token: {error}")));
            }
            tokens.push(String::from_utf8_lossy(&output.stdout).trim().to_owned());
        }
        Ok(tokens)
    }

    pub(super) fn processes(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.process).collect()
    }

    /// What all nodes count together, by their metrics.
    pub(super) async fn counted(&self) -> io::Result<Counted> {
        let mut all = Counted::default();
        for node in &self.nodes {
            let one = Counted::read(&http::get(&node.internal, "/metrics").await?)?;
            all.connections += one.connections;
            all.subscriptions += one.subscriptions;
        }
        Ok(all)
    }

    /// Publishes a notification at the first node, and waits for its receipt.
    pub(super) async fn publish(&self, notification: &str) -> io::Result<()> {
        let node = self.nodes.first().ok_or_else(|| io::Error::other("there are no nodes"))?;
        let address = Address::parse(&node.public.to_string(), None)?;
        http::post(&address, "/api/v1/publish", &format!("X-API-Key: {API_KEY}"), notification).await?;
        Ok(())
    }
}

impl Counted {
    /// Reads them from the metrics of a node.
    fn read(page: &str) -> io::Result<Self> {
        let value = |name| metric(page, name);
        Ok(Self {
            connections: value("signalhub_connections_active")?,
            subscriptions: value("signalhub_subscriptions_active")?,
        })
    }
}

/// Reads lines until one contains this.
async fn line_with<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>, wanted: &str) -> io::Result<String> {
    let mut last = "it wrote nothing".to_owned();
    let found = async {
        while let Some(line) = lines.next_line().await? {
            if line.contains(wanted) {
                return Ok(line);
            }
            last = line;
        }
        Err(io::Error::other(format!("a process ended at its start: {last}")))
    };
    timeout(START_TIMEOUT, found).await.map_err(|_| io::Error::other(format!("no process said \"{wanted}\"")))?
}

/// Reads what comes, and drops it: a pipe that is not read would block the process.
fn drain<R: AsyncRead + Unpin + Send + 'static>(mut lines: Lines<BufReader<R>>) {
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
}
