//! Where a server under test listens, and connections to it with and without TLS.

use std::io;

use signalhub_tls_client::TlsClient;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Where a server listens, and which certificate it must have there, if it speaks TLS.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    host: String,
    port: u16,
    tls: Option<TlsClient>,
}

/// An open connection.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Send {
    /// The socket below TLS.
    fn tcp(&self) -> &TcpStream;
}

impl Address {
    /// Reads an address such as `127.0.0.1:3000`.
    pub(crate) fn parse(text: &str, tls: Option<TlsClient>) -> io::Result<Self> {
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let (host, port) = parts.ok_or_else(|| io::Error::other(format!("\"{text}\" is no address")))?;
        Ok(Self { host, port, tls })
    }

    /// The host and the port.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) fn speaks_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Opens a connection without TLS.
    pub(crate) async fn connect_tcp(&self) -> io::Result<TcpStream> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// Opens a connection, and performs the TLS handshake if the server needs one.
    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Socket>> {
        let socket = self.connect_tcp().await?;
        match &self.tls {
            None => Ok(Box::new(socket)),
            Some(tls) => Ok(Box::new(tls.connect(&self.host, socket).await?)),
        }
    }
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}
