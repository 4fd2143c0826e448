//! A buffered TCP connection, perhaps with TLS, on which every wait has a deadline.

use std::io;
use std::time::Duration;

use signalhub_tls_client::TlsProblem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::client::TlsStream;

use crate::address::Address;

/// How long connecting, sending, and the rest of something already begun may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// What has arrived is read even when the deadline has just passed.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// A socket, or TLS over one.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {
    fn socket(&self) -> &TcpStream;
}

impl Stream for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Stream for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A connection that reads ahead into a buffer.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
    ended: bool,
}

impl Wire {
    pub(crate) async fn connect(address: &Address) -> Result<Self, WireError> {
        let stream = timeout(TIMEOUT, open(address)).await.map_err(|_| WireError::TimedOut)??;
        Ok(Self { stream, buffer: vec![], ended: false })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        Ok(timeout(TIMEOUT, sending).await.map_err(|_| WireError::TimedOut)??)
    }

    /// Reads once into the buffer; `false` when the peer has ended, orderly or not.
    pub(crate) async fn fill(&mut self, wait: Duration) -> Result<bool, WireError> {
        if self.ended {
            return Ok(false);
        }
        self.buffer.reserve(65_536);
        let reading = timeout(wait.max(LEAST_WAIT), self.stream.read_buf(&mut self.buffer));
        match reading.await {
            Err(_) => Err(WireError::TimedOut),
            Ok(Ok(n)) if n > 0 => Ok(true),
            Ok(_) => {
                self.ended = true;
                Ok(false)
            }
        }
    }

    /// Takes everything up to and with the mark.
    pub(crate) async fn until(&mut self, mark: &[u8], wait: Duration) -> Result<Vec<u8>, WireError> {
        let deadline = Instant::now() + wait;
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|window| window == mark) {
                return Ok(self.take(at + mark.len()));
            }
            self.fill_by(deadline).await?;
        }
    }

    /// Takes that many bytes.
    pub(crate) async fn exactly(&mut self, count: usize, wait: Duration) -> Result<Vec<u8>, WireError> {
        let deadline = Instant::now() + wait;
        while self.buffer.len() < count {
            self.fill_by(deadline).await?;
        }
        Ok(self.take(count))
    }

    /// Takes what has been read and not yet taken.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// Closes the connection with a reset.
    pub(crate) fn reset(self) -> Result<(), WireError> {
        Ok(self.stream.socket().set_zero_linger()?)
    }

    async fn fill_by(&mut self, deadline: Instant) -> Result<(), WireError> {
        match self.fill(deadline.saturating_duration_since(Instant::now())).await? {
            true => Ok(()),
            false => Err(WireError::Ended),
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }
}

async fn open(address: &Address) -> Result<Box<dyn Stream>, WireError> {
    let socket = TcpStream::connect((address.host(), address.port())).await?;
    socket.set_nodelay(true)?;
    let Some(tls) = address.tls() else { return Ok(Box::new(socket)) };
    match tls.connect(address.host(), socket).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(TlsProblem::of(&error).map_or(WireError::Io(error), WireError::Tls)),
    }
}

/// Why a step saw nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum WireError {
    #[error("nothing came in time")]
    TimedOut,
    #[error("the connection ended too early")]
    Ended,
    #[error("malformed {0}")]
    Malformed(&'static str),
    #[error(transparent)]
    Tls(TlsProblem),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl WireError {
    /// Names the failure as recordings do, in `{"failed": …}`: they were made with Python, whose names these are.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::TimedOut => "Timeout",
            Self::Ended => "EOFError",
            Self::Malformed(_) => "ValueError",
            Self::Tls(_) => "SSLError",
            Self::Io(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => "ConnectionRefusedError",
                io::ErrorKind::ConnectionReset => "ConnectionResetError",
                io::ErrorKind::ConnectionAborted => "ConnectionAbortedError",
                io::ErrorKind::BrokenPipe => "BrokenPipeError",
                _ => "OSError",
            },
        }
    }
}

#[cfg(test)]
mod tests;
