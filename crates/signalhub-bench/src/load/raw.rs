//! The baselines: what the kernel takes for the same bytes, without any protocol or runtime.

use std::env;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use mio::net::TcpStream as Socket;
use mio::{Events, Interest, Poll, Token};

use super::frames::of_server;

/// A baseline in a process of its own, which ends with this value.
#[derive(Debug)]
pub(crate) struct Raw {
    child: Child,
    pub(crate) address: String,
}

impl Raw {
    /// Starts `raw-send` or `raw-echo` for this number of connections.
    pub(crate) fn start(kind: &str, connections: usize) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args([kind, &connections.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut address = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut address)?;
        }
        Ok(Self { child, address: address.trim().to_owned() })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    Ok(listener)
}

/// Sends what the last connection orders to all the others: for each order, a number of messages of a number of bytes, each with a
/// `send` of its own.
pub(crate) fn send(connections: usize) -> io::Result<()> {
    let listener = listen()?;
    let accept = |_| listener.accept().and_then(|(socket, _)| socket.set_nodelay(true).map(|()| socket));
    let mut sockets = (0..connections).map(accept).collect::<io::Result<Vec<TcpStream>>>()?;
    let mut control = accept(0)?;
    let mut order = [0; 8];
    while control.read_exact(&mut order).is_ok() {
        let [messages, length] =
            [&order[..4], &order[4..]].map(|half| half.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)));
        let frame = of_server(&vec![b'x'; length.saturating_sub(1)]);
        for _ in 0..messages {
            for socket in &mut sockets {
                socket.write_all(&frame)?;
            }
        }
    }
    Ok(())
}

/// Sends everything back.
pub(crate) fn echo(connections: usize) -> io::Result<()> {
    let listener = listen()?;
    let (mut poll, mut events, mut sockets) = (Poll::new()?, Events::with_capacity(1024), Vec::new());
    for number in 0..connections {
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let mut socket = Socket::from_std(socket);
        poll.registry().register(&mut socket, Token(number), Interest::READABLE)?;
        sockets.push(socket);
    }
    let mut bytes = vec![0; 16 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let socket = &mut sockets[event.token().0];
            loop {
                match socket.read(&mut bytes) {
                    Ok(0) => return Ok(()),
                    Ok(n) => {
                        socket.write_all(&bytes[..n])?;
                        // No more bytes were available.
                        if n < bytes.len() {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
        }
    }
}
