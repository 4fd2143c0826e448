//! The socket or stream under a WebSocket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::limits::socket_quotas::SocketShare;
use crate::outbound::SendQueue;

/// How much one read takes from the socket.
pub(crate) const READ_SIZE: usize = 16 * 1024;

/// A plain TCP socket, or any other stream.
pub(crate) enum Io {
    /// A plain socket, which senders write to directly, and its share in the quota of its client.
    Tcp { socket: Arc<TcpStream>, _share: Option<SocketShare> },
    /// Any other stream, such as TLS, which only the connection's task writes to.
    #[cfg_attr(not(any(feature = "tower", feature = "tls")), expect(dead_code, reason = "all sockets are plain"))]
    Stream { stream: Pin<Box<dyn Stream>>, flush: Flush, messages: StreamMessages },
}

/// Whether a stream may still buffer bytes that were written to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flush {
    Done,
    Needed,
}

/// How queued messages are written to a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum StreamMessages {
    /// Several in one write.
    #[default]
    Joined,
    /// Each in a write of its own, which is flushed before the next one.
    Separate,
}

/// Bytes in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {
    /// Tells whether the socket below is known, so that [`reset`](Self::reset) has an effect.
    fn can_be_reset(&self) -> bool {
        false
    }

    /// Makes the socket below end with a reset, if it is known.
    fn reset(&self) {}
}

impl Io {
    #[cfg(any(feature = "tower", feature = "tls"))]
    pub(crate) fn stream(stream: impl Stream + 'static) -> Self {
        Self::Stream { stream: Box::pin(stream), flush: Flush::Done, messages: StreamMessages::default() }
    }

    /// Sets how messages are written to it, if it is not a plain socket.
    pub(crate) fn with_messages(mut self, chosen: StreamMessages) -> Self {
        if let Self::Stream { messages, .. } = &mut self {
            *messages = chosen;
        }
        self
    }

    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp { socket, .. } => loop {
                ready!(socket.poll_read_ready(cx))?;
                match try_read(socket, buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            Self::Stream { stream, .. } => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(stream.as_mut().poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Writes what is queued in the send queue until nothing is left.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>, send_queue: &SendQueue) -> Poll<io::Result<()>> {
        ready!(send_queue.poll_drain(cx, |cx, slices| self.poll_write(cx, slices)))?;
        if let Self::Stream { stream, flush: flush @ Flush::Needed, .. } = self {
            ready!(stream.as_mut().poll_flush(cx))?;
            *flush = Flush::Done;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp { socket, .. } => loop {
                ready!(socket.poll_write_ready(cx))?;
                match socket.try_write_vectored(slices) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            Self::Stream { stream, flush, messages } => {
                let mut slices = slices;
                if *messages == StreamMessages::Separate {
                    if *flush == Flush::Needed {
                        ready!(stream.as_mut().poll_flush(cx))?;
                    }
                    // Each slice is a frame, or the rest of one.
                    slices = &slices[..1];
                }
                *flush = Flush::Needed;
                stream.as_mut().poll_write_vectored(cx, slices)
            }
        }
    }

    /// Writes a few bytes if that is possible at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) {
        if let Self::Tcp { socket, .. } = self {
            let _ = socket.try_write(bytes);
        }
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // Dropping the last owner of a socket ends it in order.
            Self::Tcp { .. } => Poll::Ready(()),
            Self::Stream { stream, .. } => stream.as_mut().poll_shutdown(cx).map(drop),
        }
    }

    /// Tells whether [`reset`](Self::reset) has an effect.
    pub(crate) fn can_be_reset(&self) -> bool {
        match self {
            Self::Tcp { .. } => true,
            Self::Stream { stream, .. } => stream.can_be_reset(),
        }
    }

    /// Makes the socket end with a reset instead of lingering for a client that does not answer.
    pub(crate) fn reset(&self) {
        match self {
            Self::Tcp { socket, .. } => drop(socket.set_zero_linger()),
            Self::Stream { stream, .. } => stream.reset(),
        }
    }
}

/// Reads what has arrived. A read that does not fill the buffer has emptied the socket, so it also clears tokio's
/// readiness: that saves a read that would find nothing.
fn try_read(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let room = buffer.len();
    let mut emptied = None;
    let filled = socket.try_io(Interest::READABLE, || match recv(socket, &mut *buffer, RecvFlags::DONTWAIT)?.0 {
        n if n == 0 || n == room => Ok(n),
        n => {
            emptied = Some(n);
            Err(io::ErrorKind::WouldBlock.into())
        }
    });
    emptied.map_or(filled, Ok)
}
