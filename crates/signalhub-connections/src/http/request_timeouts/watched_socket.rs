//! A socket that reports its reads and writes.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::RequestTimeouts;
use crate::transport::client_socket::ClientSocket;

/// A socket that reports its reads and writes to its timeouts.
pub(crate) struct WatchedSocket {
    socket: ClientSocket,
    timeouts: Arc<RequestTimeouts>,
    is_blocked: bool,
    /// The response that hyper made itself for a head that it could not read.
    refusal: Option<Vec<u8>>,
}

impl WatchedSocket {
    pub(crate) fn new(socket: ClientSocket, timeouts: Arc<RequestTimeouts>) -> Self {
        Self { socket, timeouts, is_blocked: false, refusal: None }
    }

    pub(crate) fn into_socket(self) -> ClientSocket {
        self.socket
    }

    /// The status of the response that hyper made itself, and that was not written.
    pub(crate) fn refusal(&self) -> Option<u16> {
        // It begins like "HTTP/1.1 431 ".
        str::from_utf8(self.refusal.as_deref()?.get(9..12)?).ok()?.parse().ok()
    }

    /// Passes the result of a write to the timeouts.
    fn note<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &written {
            Poll::Pending if !self.is_blocked => {
                self.is_blocked = true;
                self.timeouts.blocked();
            }
            Poll::Ready(Ok(_)) if self.is_blocked => {
                self.is_blocked = false;
                self.timeouts.moved();
            }
            _ => {}
        }
        written
    }

    /// Where bytes go that are not written because they answer no request: hyper's response to a head that it cannot
    /// read. Ours has more details.
    fn holds_back(&mut self) -> Option<&mut Vec<u8>> {
        if self.refusal.is_none() && self.timeouts.is_done() {
            self.refusal = Some(Vec::new());
        }
        self.refusal.as_mut()
    }
}

impl AsyncRead for WatchedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.timeouts.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WatchedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(held) = self.holds_back() {
            held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(held) = self.holds_back() {
            slices.iter().for_each(|slice| held.extend_from_slice(slice));
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper calls it when all bytes have been written.
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        // TLS may still have a part of what was written.
        ready!(self.note(flushed))?;
        self.timeouts.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refusal.is_some() {
            // A response must still be written.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl fmt::Debug for WatchedSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}
