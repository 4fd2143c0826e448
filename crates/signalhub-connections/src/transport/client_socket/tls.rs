//! A socket with TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::limits::socket_quotas::SocketShare;
use crate::transport::io::Stream;

/// A stream of TLS. One task may read it and write it in two of its futures, which never run at once, so the lock is free
/// whenever it is taken.
pub(crate) struct TlsSocket(Mutex<TlsStream<TcpStream>>);

impl TlsSocket {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self(Mutex::new(stream))
    }

    pub(super) fn stream(&mut self) -> &mut TlsStream<TcpStream> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, TlsStream<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_zero_linger(&self) -> io::Result<()> {
        self.lock().get_ref().0.set_zero_linger()
    }

    pub(super) fn poll_read_shared(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *self.lock()).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    pub(super) fn poll_write_shared(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, bytes)
    }

    pub(super) fn poll_flush_shared(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }
}

/// A socket with TLS after an upgrade, and its share in the quota of its client.
pub(super) struct SharedSocket {
    socket: Box<TlsSocket>,
    _share: Option<SocketShare>,
}

impl SharedSocket {
    pub(super) fn new(socket: Box<TlsSocket>, share: Option<SocketShare>) -> Self {
        Self { socket, _share: share }
    }
}

impl Stream for SharedSocket {
    fn can_be_reset(&self) -> bool {
        true
    }

    fn reset(&self) {
        let _ = self.socket.set_zero_linger();
    }
}

impl AsyncRead for SharedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.socket.stream()).poll_read(cx, buffer)
    }
}

impl AsyncWrite for SharedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.socket.stream()).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.socket.stream()).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.socket.stream()).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.socket.stream()).poll_shutdown(cx)
    }
}
