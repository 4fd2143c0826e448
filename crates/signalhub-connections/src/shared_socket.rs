//! The socket of a client that is shared: senders write to it at once, and the task of the connection reads it and waits.

use std::io::IoSlice;
use std::sync::Arc;

use rustix::net::{SendFlags, send};
use tokio::net::TcpStream;

#[cfg(feature = "tls")]
use self::tls::TlsSocket;

#[cfg(feature = "tls")]
pub(crate) mod tls;

/// A socket with or without TLS.
#[derive(Clone)]
pub(crate) enum SharedSocket {
    Plain(Arc<TcpStream>),
    #[cfg(feature = "tls")]
    Tls(Arc<TlsSocket>),
}

/// What came of a write that does not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// How many bytes were taken. They must not be written again.
    pub(crate) bytes: usize,
    /// Whether TLS keeps a part of them, because the socket is full. The task of the connection has to flush it.
    pub(crate) is_kept: bool,
}

#[cfg(feature = "tls")]
impl Written {
    pub(crate) const NOTHING: Self = Self { bytes: 0, is_kept: false };
}

impl SharedSocket {
    /// Writes as many bytes as the socket takes at once. The reading side notices a broken socket.
    #[inline]
    pub(crate) fn try_write(&self, bytes: &[u8]) -> Written {
        match self {
            // This bypasses tokio, which learns that the socket is full when the task writes the rest.
            Self::Plain(socket) => {
                let bytes = send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).unwrap_or(0);
                Written { bytes, is_kept: false }
            }
            #[cfg(feature = "tls")]
            Self::Tls(socket) => socket.try_write(bytes),
        }
    }

    /// Tells whether TLS keeps bytes that the socket has not taken.
    pub(crate) fn keeps_bytes(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(socket) => socket.keeps_bytes(),
        }
    }

    /// Writes some of the bytes of these slices, if the socket takes any at once.
    pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> Written {
        match self {
            Self::Plain(socket) => Written { bytes: socket.try_write_vectored(slices).unwrap_or(0), is_kept: false },
            #[cfg(feature = "tls")]
            Self::Tls(socket) => socket.try_write_vectored(slices),
        }
    }
}
