//! A Redis server of the bench's own, and the few commands that the bench sends to it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::load::figures::percentile;
use crate::load::target::free_port;

/// How long the server may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server that writes nothing to a disk; dropping this value stops it.
pub(super) struct Redis {
    child: Child,
    pub(super) address: String,
}

impl Redis {
    /// Whether the program is there.
    pub(super) fn is_installed() -> io::Result<bool> {
        let version =
            Command::new("redis-server").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        match version {
            Ok(status) => Ok(status.success()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn start() -> io::Result<Self> {
        let port = free_port()?.to_string();
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let redis = Self { child, address: format!("127.0.0.1:{port}") };
        let until = Instant::now() + START_TIMEOUT;
        while let Err(error) = redis.connect().and_then(|mut socket| ask(&mut socket, b"PING\r\n")) {
            if Instant::now() > until {
                return Err(error);
            }
            sleep(Duration::from_millis(5));
        }
        Ok(redis)
    }

    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Opens a connection for [`ask`] and [`publish`].
    pub(super) fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpStream::connect(&self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(START_TIMEOUT))?;
        Ok(socket)
    }

    /// How long a `PING` takes: microseconds, p50.
    pub(super) fn round_trip(&self, time: Duration) -> io::Result<f64> {
        let (mut socket, mut took) = (self.connect()?, Vec::new());
        let end = Instant::now() + time;
        while Instant::now() < end {
            let start = Instant::now();
            ask(&mut socket, b"PING\r\n")?;
            took.push(start.elapsed().as_secs_f64() * 1e6);
        }
        Ok(percentile(took, 0.50))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Sends a command whose answer is one line, and gives the line.
fn ask(socket: &mut TcpStream, command: &[u8]) -> io::Result<String> {
    socket.write_all(command)?;
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") {
        socket.read_exact(&mut byte)?;
        line.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// Publishes to a channel, and tells how many connections of servers get it.
pub(super) fn publish(socket: &mut TcpStream, channel: &str, payload: &[u8]) -> io::Result<usize> {
    let mut command =
        format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n${}\r\n", channel.len(), payload.len()).into_bytes();
    command.extend_from_slice(payload);
    command.extend_from_slice(b"\r\n");
    let answer = ask(socket, &command)?;
    answer.strip_prefix(':').and_then(|count| count.parse().ok()).ok_or_else(|| io::Error::other(answer))
}

/// The load average of the machine over the last minute.
pub(super) fn load_average() -> io::Result<String> {
    let mut text = String::new();
    File::open("/proc/loadavg")?.read_to_string(&mut text)?;
    Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
}
