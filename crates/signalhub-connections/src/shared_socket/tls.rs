//! A socket with TLS that several tasks use.

use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};
use rustls::ServerConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Written;

/// A stream of TLS. The task of the connection reads it and waits for it; every sender may write to it.
///
/// The lock is held while some records are encrypted or decrypted and for non-blocking reads and writes, never across an
/// await. A sender that holds the lock of a queue may take it, but not the other way round.
pub(crate) struct TlsSocket(Mutex<TlsStream<TcpStream>>);

impl TlsSocket {
    pub(crate) fn new(stream: TlsStream<TcpStream>) -> Self {
        Self(Mutex::new(stream))
    }

    /// The stream, for its only owner.
    pub(crate) fn stream(&mut self) -> &mut TlsStream<TcpStream> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, TlsStream<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_zero_linger(&self) -> io::Result<()> {
        self.lock().get_ref().0.set_zero_linger()
    }

    /// Encrypts and writes bytes until the socket takes no more.
    pub(super) fn try_write(&self, bytes: &[u8]) -> Written {
        let mut stream = self.lock();
        let mut all = Written::NOTHING;
        // One turn, but for frames that are longer than the buffer of the TLS library.
        while all.bytes < bytes.len() && !all.is_kept {
            let written = encrypt_and_send(&mut stream, &[IoSlice::new(&bytes[all.bytes..])]);
            if written.bytes == 0 {
                break;
            }
            all = Written { bytes: all.bytes + written.bytes, ..written };
        }
        all
    }

    /// Encrypts and writes some of the bytes of these slices.
    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> Written {
        encrypt_and_send(&mut self.lock(), slices)
    }

    pub(super) fn keeps_bytes(&self) -> bool {
        self.lock().get_ref().1.wants_write()
    }

    pub(crate) fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut *self.lock()).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes bytes. TLS may keep a part of them until [`poll_flush`](Self::poll_flush).
    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write(cx, bytes)
    }

    /// [`poll_write`](Self::poll_write) of several slices.
    pub(crate) fn poll_write_vectored(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.lock()).poll_write_vectored(cx, slices)
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_flush(cx)
    }

    /// Sends a `close_notify` and ends the sending side.
    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.lock()).poll_shutdown(cx)
    }
}

/// Takes nothing while TLS keeps bytes from before, so that what it keeps is bounded by its buffer.
fn encrypt_and_send(stream: &mut TlsStream<TcpStream>, slices: &[IoSlice<'_>]) -> Written {
    let (socket, tls) = stream.get_mut();
    if !send_kept(tls, socket) {
        return Written::NOTHING;
    }
    let bytes = tls.writer().write_vectored(slices).unwrap_or(0);
    Written { bytes, is_kept: !send_kept(tls, socket) }
}

/// Sends what is encrypted, and tells whether the socket has taken all of it.
fn send_kept(tls: &mut ServerConnection, socket: &TcpStream) -> bool {
    while tls.wants_write() {
        if !matches!(tls.write_tls(&mut WithoutWaiting(socket)), Ok(1..)) {
            return false;
        }
    }
    true
}

/// Writes what the socket takes at once. This bypasses tokio, which learns that the socket is full when the task flushes.
struct WithoutWaiting<'a>(&'a TcpStream);

impl Write for WithoutWaiting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            [slice] => self.write(slice),
            _ => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(sendmsg(self.0, slices, &mut SendAncillaryBuffer::default(), flags)?)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
