//! A connection of a client, with or without TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::target::Hub;

/// The time limit of every wait on a blocking socket.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A socket, blocking or not, perhaps with TLS.
pub(crate) enum Wire<S: Read + Write> {
    Plain(S),
    Tls(Box<StreamOwned<ClientConnection, S>>),
}

impl Wire<TcpStream> {
    /// Connects to a hub, and performs the TLS handshake if it needs one.
    pub(crate) fn connect(hub: &Hub) -> io::Result<Self> {
        let socket = TcpStream::connect(&hub.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        let Some(tls) = &hub.tls else { return Ok(Self::Plain(socket)) };
        let host = hub.address.split(':').next().unwrap_or_default().to_owned();
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let connection = ClientConnection::new(tls.config(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self::Tls(Box::new(stream)))
    }
}

impl<S: Read + Write> Wire<S> {
    /// Changes the socket.
    pub(crate) fn map<T: Read + Write>(self, change: impl FnOnce(S) -> io::Result<T>) -> io::Result<Wire<T>> {
        Ok(match self {
            Self::Plain(socket) => Wire::Plain(change(socket)?),
            Self::Tls(stream) => {
                let (connection, socket) = stream.into_parts();
                Wire::Tls(Box::new(StreamOwned::new(connection, change(socket)?)))
            }
        })
    }

    pub(crate) fn socket_mut(&mut self) -> &mut S {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &mut stream.sock,
        }
    }

    /// Tells whether a read that does not fill its buffer has emptied the socket.
    pub(crate) fn short_read_empties(&self) -> bool {
        matches!(self, Self::Plain(_))
    }
}

impl<S: Read + Write> Read for Wire<S> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(bytes),
            Self::Tls(stream) => stream.read(bytes),
        }
    }
}

impl<S: Read + Write> Write for Wire<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}
