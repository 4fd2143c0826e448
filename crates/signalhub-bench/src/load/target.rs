//! The servers under test, as child processes.

use std::env;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use signalhub_tls_client::TlsClient;

use crate::certificate::Certificate;
use signalhub_load::process::Vitals;

const SECRET: &str = "signalhub-bench signs all of its tokens with this";
const API_KEY: &str = "signalhub-bench-publishes-with-this";

/// How long a server may take to start: its runtime may have to be unpacked first.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// The address of a hub, and the credentials for it.
#[derive(Debug, Clone)]
pub(crate) struct Hub {
    pub(crate) address: String,
    pub(crate) path: &'static str,
    /// A whole header line, or nothing.
    pub(crate) authorization: String,
    pub(crate) publish_path: &'static str,
    pub(crate) publish_header: String,
    /// Which certificate it must have, if it speaks TLS.
    pub(crate) tls: Option<TlsClient>,
}

/// A running server; dropping this value stops it.
#[derive(Debug)]
pub(crate) struct Target {
    child: Child,
    command: Box<Command>,
    pub(crate) hub: Hub,
    /// It ends with this value.
    _certificate: Option<Certificate>,
}

impl Target {
    /// Starts our binary, with this number of worker threads if one is given.
    pub(crate) fn ours(binary: Option<PathBuf>, workers: Option<usize>) -> io::Result<Self> {
        let workers = workers.map(|workers| ("TOKIO_WORKER_THREADS", workers.to_string()));
        Self::ours_with(binary, &Vec::from_iter(workers), None)
    }

    /// Starts our binary with TLS.
    pub(crate) fn ours_over_tls(binary: Option<PathBuf>) -> io::Result<Self> {
        Self::ours_with(binary, &[], Some(Certificate::make()?))
    }

    /// Starts our binary with these variables beside those of the bench.
    pub(crate) fn ours_with(
        binary: Option<PathBuf>,
        variables: &[(&str, String)],
        certificate: Option<Certificate>,
    ) -> io::Result<Self> {
        let binary = binary.unwrap_or_else(|| env::current_exe().unwrap_or_default().with_file_name("signalhub"));
        let port = free_port()?;
        let command = |arguments: &[&str]| {
            let mut command = Command::new(&binary);
            command.args(arguments).current_dir(env::temp_dir());
            command.env("SIGNALHUB_LISTEN__PUBLIC", format!("127.0.0.1:{port}")).env("SIGNALHUB_LISTEN__INTERNAL", "");
            command.env("SIGNALHUB_AUTH__SECRET", SECRET).env("SIGNALHUB_PUBLISH__KEYS", API_KEY);
            command.env("SIGNALHUB_PUBLISH__RATE", "unlimited").env("SIGNALHUB_LIMITS__INVOCATION_RATE", "unlimited");
            // All clients come from this machine.
            command.env("SIGNALHUB_LIMITS__SOCKETS_PER_ADDRESS", "unlimited");
            command.envs(certificate.iter().flat_map(Certificate::variables));
            command.envs(variables.iter().map(|(name, value)| (name, value)));
            command
        };
        let token = command(&["token", "create", "--ttl", "1d", "--user", "bench"]).stderr(Stdio::null()).output()?;
        let token = String::from_utf8_lossy(&token.stdout).trim().to_owned();
        let hub = Hub {
            address: format!("127.0.0.1:{port}"),
            path: "/signalr/v1/mainHub",
            authorization: format!("Authorization: Bearer {token}\r\n"),
            publish_path: "/api/v1/publish",
            publish_header: format!("X-API-Key: {API_KEY}\r\n"),
            tls: certificate.as_ref().map(Certificate::client).transpose()?,
        };
        Self::start(command(&["serve"]), hub, certificate)
    }

    /// Starts another SignalR server: a command that takes its URL and has the hub of Portos and `POST /publish`.
    pub(crate) fn other(program: &str) -> io::Result<Self> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(program);
        command.arg(format!("http://{address}"));
        let hub = Hub {
            address,
            path: "/signalr/v1/mainHub",
            authorization: String::new(),
            publish_path: "/publish",
            publish_header: String::new(),
            tls: None,
        };
        Self::start(command, hub, None)
    }

    fn start(mut command: Command, hub: Hub, certificate: Option<Certificate>) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn()?;
        let mut target = Self { child, command: Box::new(command), hub, _certificate: certificate };
        target.wait_until_it_listens()?;
        Ok(target)
    }

    /// Kills the server with SIGKILL, starts it again, waits until it accepts connections, and tells when it was started.
    pub(crate) fn restart(&mut self) -> io::Result<Instant> {
        self.child.kill()?;
        self.child.wait()?;
        let start = Instant::now();
        self.child = self.command.spawn()?;
        self.wait_until_it_listens()?;
        Ok(start)
    }

    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let until = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(&self.hub.address).is_err() {
            if Instant::now() > until || self.child.try_wait()?.is_some() {
                return Err(io::Error::other("the server does not start"));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn vitals(&self) -> io::Result<Vitals> {
        Vitals::of(self.child.id())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A port that was free a moment ago: a server that is not ours may not say which one it got.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
