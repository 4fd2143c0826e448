//! The conformance server of the workspace, for the gates that talk to it.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use crate::command::{run as run_command, say, works};
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
        workspace.build_programs()?;
        Self::run(workspace, None)
    }

    /// Starts a program that was built, with a certificate or without TLS.
    fn run(workspace: &Workspace, certificate: Option<&Certificate>) -> io::Result<Self> {
        let mut command = Command::new(workspace.binary("conformance-server"));
        command.args(["--listen", "127.0.0.1:0"]).current_dir(&workspace.root).stdout(Stdio::piped());
        if let Some(certificate) = certificate {
            command.arg("--certificate").arg(&certificate.chain).arg("--key").arg(&certificate.key);
        }
        let child = command.spawn().map_err(|error| io::Error::other(format!("conformance-server: {error}")))?;
        // From here on the child is stopped even if its output is not understood.
        let mut server = Self { child, url: String::new() };
        server.url = wait_for_url(&lines(&mut server.child))?;
        say(&format!("conformance-server listens on {}", server.url))?;
        Ok(server)
    }
}

/// A certificate for this machine that signs itself, and its key.
struct Certificate {
    chain: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// Makes a new one in the target folder, for the servers of a gate.
    fn new(workspace: &Workspace, gate: &str) -> io::Result<Self> {
        let folder = workspace.target.join(format!("certificate-for-{gate}"));
        fs::create_dir_all(&folder)?;
        let certificate = Self { chain: folder.join("chain.pem"), key: folder.join("key.pem") };
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
        openssl.args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout"]);
        openssl.arg(&certificate.key).arg("-out").arg(&certificate.chain);
        run_command(openssl.stderr(Stdio::null()))?;
        Ok(certificate)
    }
}

/// Two servers under test, without and with TLS.
pub(super) struct ConformanceServers {
    plain: ConformanceServer,
    /// The server with TLS and the file with its certificate, if openssl can make one.
    tls: Option<(ConformanceServer, PathBuf)>,
}

impl ConformanceServers {
    /// Builds the program and starts it twice, for a gate.
    pub(super) fn start(workspace: &Workspace, gate: &str) -> io::Result<Self> {
        let plain = ConformanceServer::start(workspace)?;
        if !works(Command::new("openssl").arg("version")) {
            say("openssl is not installed, so the client is not run over TLS: apt-get install openssl")?;
            return Ok(Self { plain, tls: None });
        }
        let certificate = Certificate::new(workspace, gate)?;
        let server = ConformanceServer::run(workspace, Some(&certificate))?;
        Ok(Self { plain, tls: Some((server, certificate.chain)) })
    }

    /// What a client is told: the URL of its hub, and the URL of the same hub over TLS with the file of the certificate.
    pub(super) fn arguments(&self) -> Vec<String> {
        let hub = |server: &ConformanceServer| format!("{}/conformance", server.url);
        let tls = self.tls.iter().flat_map(|(server, chain)| [hub(server), chain.display().to_string()]);
        std::iter::once(hub(&self.plain)).chain(tls).collect()
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
    line.split_whitespace().find(|word| word.starts_with("http://") || word.starts_with("https://"))
}

#[cfg(test)]
mod tests;
