//! The socket of a client, with or without TLS.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

#[cfg(feature = "tls")]
use tokio::io::AsyncWriteExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::limits::socket_quotas::SocketShare;
#[cfg(feature = "tls")]
use crate::shared_socket::tls::TlsSocket;
use crate::transport::io::Io;

/// A socket that was accepted.
pub(crate) enum ClientSocket {
    Plain(TcpStream),
    /// Boxed, because the state of TLS is many times as large as a socket.
    #[cfg(feature = "tls")]
    Tls(Box<TlsSocket>),
}

impl ClientSocket {
    /// Makes the socket end with a reset. What the kernel has buffered for the client is dropped, too.
    pub(crate) fn reset(&self) {
        let _ = match self {
            Self::Plain(socket) => socket.set_zero_linger(),
            #[cfg(feature = "tls")]
            Self::Tls(socket) => socket.set_zero_linger(),
        };
    }

    /// Tells the client that nothing more follows, before the socket is dropped. A plain socket tells it when it is dropped;
    /// without a `close_notify` of TLS, the client could not tell an end from an attack that cuts the response off.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            #[cfg(feature = "tls")]
            Self::Tls(socket) => socket.stream().shutdown().await,
        }
    }

    /// What a WebSocket reads and writes after the upgrade, which keeps the share.
    pub(crate) fn into_io(self, share: Option<SocketShare>) -> Io {
        match self {
            Self::Plain(socket) => Io::Tcp { socket: socket.into(), _share: share },
            #[cfg(feature = "tls")]
            Self::Tls(socket) => Io::tls((*socket).into(), share),
        }
    }

    /// Reads through a shared reference, so that one task can read and write.
    pub(crate) fn poll_read_shared(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => loop {
                ready!(socket.poll_read_ready(cx))?;
                match socket.try_read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            #[cfg(feature = "tls")]
            Self::Tls(socket) => socket.poll_read(cx, buffer),
        }
    }

    /// Writes through a shared reference. TLS may keep a part of it until [`poll_flush_shared`](Self::poll_flush_shared).
    pub(crate) fn poll_write_shared(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => loop {
                ready!(socket.poll_write_ready(cx))?;
                match socket.try_write(bytes) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            #[cfg(feature = "tls")]
            Self::Tls(socket) => socket.poll_write(cx, bytes),
        }
    }

    /// Passes everything that was written to the kernel.
    pub(crate) fn poll_flush_shared(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => {
                let _ = cx;
                Poll::Ready(Ok(()))
            }
            #[cfg(feature = "tls")]
            Self::Tls(socket) => socket.poll_flush(cx),
        }
    }
}

/// Calls a method of what is inside, whichever it is.
macro_rules! inner {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket.get_mut() {
            ClientSocket::Plain($inner) => $call,
            #[cfg(feature = "tls")]
            ClientSocket::Tls($inner) => {
                let $inner = $inner.stream();
                $call
            }
        }
    };
}

impl AsyncRead for ClientSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        inner!(self, socket => Pin::new(socket).poll_read(cx, buffer))
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        inner!(self, socket => Pin::new(socket).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        inner!(self, socket => Pin::new(socket).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        inner!(self, socket => Pin::new(socket).poll_shutdown(cx))
    }
}

impl fmt::Debug for ClientSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            #[cfg(feature = "tls")]
            Self::Tls(_) => "Tls",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_does_not_enlarge_a_plain_socket() {
        assert_eq!(size_of::<ClientSocket>(), size_of::<TcpStream>());
    }
}
