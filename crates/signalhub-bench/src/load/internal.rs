//! The internal listener of a server: its health and its metrics.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::target::free_port;

/// How long a server may take to become ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// The address of the listener.
pub(super) struct Internal(String);

impl Internal {
    /// Chooses an address for a server that is about to start.
    pub(super) fn choose() -> io::Result<Self> {
        Ok(Self(format!("127.0.0.1:{}", free_port()?)))
    }

    /// What tells the server the address.
    pub(super) fn variable(&self) -> (&'static str, String) {
        ("SIGNALHUB_LISTEN__INTERNAL", self.0.clone())
    }

    /// Waits until the server is ready for clients.
    pub(super) fn ready(&self) -> io::Result<()> {
        let until = Instant::now() + READY_TIMEOUT;
        while !self.get("/health/ready")?.starts_with("HTTP/1.1 200 ") {
            if Instant::now() > until {
                return Err(io::Error::other("the server does not become ready"));
            }
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Reads a metric without labels.
    pub(super) fn metric(&self, name: &str) -> io::Result<u64> {
        let page = self.get("/metrics")?;
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
        value.ok_or_else(|| io::Error::other(format!("the server has no metric {name}")))
    }

    /// Gets a page, with its head.
    fn get(&self, path: &str) -> io::Result<String> {
        let until = Instant::now() + READY_TIMEOUT;
        let mut socket = loop {
            match TcpStream::connect(&self.0) {
                Ok(socket) => break socket,
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => sleep(Duration::from_millis(5)),
            }
        };
        write!(socket, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.0)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    }
}
