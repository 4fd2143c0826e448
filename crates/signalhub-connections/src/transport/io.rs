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
use crate::shared_socket::SharedSocket;
#[cfg(feature = "tls")]
use crate::shared_socket::tls::TlsSocket;

/// How much one read takes from the socket.
pub(crate) const READ_SIZE: usize = 16 * 1024;

/// A TCP socket, perhaps with TLS, or any other stream.
pub(crate) enum Io {
    /// A plain socket, which senders write to directly, and its share in the quota of its client.
    Tcp { socket: Arc<TcpStream>, _share: Option<SocketShare> },
    /// A socket with TLS, which senders write to directly as well, unless messages are separate.
    #[cfg(feature = "tls")]
    Tls { socket: Arc<TlsSocket>, messages: StreamMessages, _share: Option<SocketShare> },
    /// A stream of another program's server, which only the connection's task writes to.
    #[cfg_attr(not(feature = "tower"), expect(dead_code, reason = "all sockets are our own"))]
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
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}

impl Io {
    #[cfg(feature = "tls")]
    pub(crate) fn tls(socket: Arc<TlsSocket>, share: Option<SocketShare>) -> Self {
        Self::Tls { socket, messages: StreamMessages::default(), _share: share }
    }

    #[cfg(feature = "tower")]
    pub(crate) fn stream(stream: impl Stream + 'static) -> Self {
        Self::Stream { stream: Box::pin(stream), flush: Flush::Done, messages: StreamMessages::default() }
    }

    /// Sets how messages are written to it, if it is not a plain socket.
    pub(crate) fn with_messages(mut self, chosen: StreamMessages) -> Self {
        match &mut self {
            Self::Tcp { .. } => {}
            #[cfg(feature = "tls")]
            Self::Tls { messages, .. } => *messages = chosen,
            Self::Stream { messages, .. } => *messages = chosen,
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
            #[cfg(feature = "tls")]
            Self::Tls { socket, .. } => socket.poll_read(cx, buffer),
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
        match self {
            Self::Tcp { .. } => return Poll::Ready(Ok(())),
            Self::Stream { flush: Flush::Done, .. } => {}
            // A sender may have left something.
            #[cfg(feature = "tls")]
            Self::Tls { socket, .. } => ready!(socket.poll_flush(cx))?,
            Self::Stream { stream, flush: flush @ Flush::Needed, .. } => {
                ready!(stream.as_mut().poll_flush(cx))?;
                *flush = Flush::Done;
            }
        }
        send_queue.on_flushed();
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
            #[cfg(feature = "tls")]
            Self::Tls { socket, messages: StreamMessages::Joined, .. } => socket.poll_write_vectored(cx, slices),
            #[cfg(feature = "tls")]
            Self::Tls { socket, messages: StreamMessages::Separate, .. } => {
                ready!(socket.poll_flush(cx))?;
                // Each slice is a frame, or the rest of one.
                socket.poll_write(cx, &slices[0])
            }
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

    /// The socket that senders may write to; `None` if only the connection's task writes.
    pub(crate) fn shared(&self) -> Option<SharedSocket> {
        match self {
            Self::Tcp { socket, .. } => Some(SharedSocket::Plain(Arc::clone(socket))),
            #[cfg(feature = "tls")]
            Self::Tls { socket, messages: StreamMessages::Joined, .. } => Some(SharedSocket::Tls(Arc::clone(socket))),
            #[cfg(feature = "tls")]
            Self::Tls { messages: StreamMessages::Separate, .. } => None,
            Self::Stream { .. } => None,
        }
    }

    /// Writes a few bytes if that is possible at once.
    pub(crate) fn try_write(&self, bytes: &[u8]) {
        if let Some(socket) = self.shared() {
            socket.try_write(bytes);
        }
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // Dropping the last owner of a socket ends it in order.
            Self::Tcp { .. } => Poll::Ready(()),
            #[cfg(feature = "tls")]
            Self::Tls { socket, .. } => socket.poll_shutdown(cx).map(drop),
            Self::Stream { stream, .. } => stream.as_mut().poll_shutdown(cx).map(drop),
        }
    }

    /// Tells whether [`reset`](Self::reset) has an effect.
    pub(crate) fn can_be_reset(&self) -> bool {
        match self {
            Self::Tcp { .. } => true,
            #[cfg(feature = "tls")]
            Self::Tls { .. } => true,
            Self::Stream { .. } => false,
        }
    }

    /// Makes the socket end with a reset instead of lingering for a client that does not answer.
    pub(crate) fn reset(&self) {
        match self {
            Self::Tcp { socket, .. } => drop(socket.set_zero_linger()),
            #[cfg(feature = "tls")]
            Self::Tls { socket, .. } => drop(socket.set_zero_linger()),
            Self::Stream { .. } => {}
        }
    }
}

/// For bytes that are carried on as they are, to another node of a cluster.
impl AsyncRead for Io {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(Self::poll_read(&mut self, cx, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

/// For bytes that are carried on as they are, from another node of a cluster.
impl AsyncWrite for Io {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&mut self, cx, &[IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp { .. } => Poll::Ready(Ok(())),
            #[cfg(feature = "tls")]
            Self::Tls { socket, .. } => socket.poll_flush(cx),
            Self::Stream { stream, .. } => stream.as_mut().poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_shutdown(&mut self, cx).map(Ok)
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

#[cfg(test)]
mod tests;
