//! How long a client may take with its requests: a deadline for each head, and one for the silence in between.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Follows the requests on one socket.
#[derive(Debug)]
pub(crate) struct Pace {
    phase: Mutex<Phase>,
    header_timeout: Duration,
    idle_timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A head is on its way.
    Head { since: Instant },
    /// So many responses are not finished yet.
    Busy { responses: usize },
    /// Nothing is going on.
    Idle { since: Instant },
}

/// What a client took too long with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overdue {
    #[error("the head of a request did not arrive in time")]
    Head,
    #[error("no request came in time")]
    Request,
}

impl Overdue {
    /// A short name for metrics and logs.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Head => "header_timeout",
            Self::Request => "idle_timeout",
        }
    }
}

impl Pace {
    /// Starts with a socket that was just accepted: whoever opens one has something to ask.
    pub(crate) fn new(header_timeout: Duration, idle_timeout: Duration) -> Arc<Self> {
        let phase = Mutex::new(Phase::Head { since: Instant::now() });
        Arc::new(Self { phase, header_timeout, idle_timeout })
    }

    /// Goes on with a socket whose last response is finished.
    pub(crate) fn resumed(header_timeout: Duration, idle_timeout: Duration) -> Arc<Self> {
        let phase = Mutex::new(Phase::Idle { since: Instant::now() });
        Arc::new(Self { phase, header_timeout, idle_timeout })
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_came(&self) {
        let mut phase = self.lock();
        if let Phase::Idle { .. } = *phase {
            *phase = Phase::Head { since: Instant::now() };
        }
    }

    /// Notes a whole head; nobody is hurried until its response is finished.
    pub(crate) fn request(self: &Arc<Self>) -> Busy {
        let mut phase = self.lock();
        let responses = if let Phase::Busy { responses } = *phase { responses } else { 0 };
        *phase = Phase::Busy { responses: responses + 1 };
        drop(phase);
        Busy(Arc::clone(self))
    }

    /// When the client will have taken too long, and with what.
    fn deadline(&self) -> Option<(Instant, Overdue)> {
        match *self.lock() {
            Phase::Head { since } => Some((since.checked_add(self.header_timeout)?, Overdue::Head)),
            Phase::Idle { since } => Some((since.checked_add(self.idle_timeout)?, Overdue::Request)),
            Phase::Busy { .. } => None,
        }
    }

    /// Drives the connection of the socket until it ends or the client takes too long.
    pub(crate) async fn drive<F: Future>(&self, mut connection: Pin<&mut F>) -> Result<F::Output, Overdue> {
        let mut sleep = std::pin::pin!(tokio::time::sleep_until(Instant::now()));
        poll_fn(|cx| {
            if let Poll::Ready(output) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            // The phase changes only while the connection is polled, so nobody else has to wake this.
            let Some((deadline, overdue)) = self.deadline() else { return Poll::Pending };
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            ready!(sleep.as_mut().poll(cx));
            Poll::Ready(Err(overdue))
        })
        .await
    }
}

/// A response that is not finished. It goes along with the response's body.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Pace>);

impl Drop for Busy {
    fn drop(&mut self) {
        let mut phase = self.0.lock();
        if let Phase::Busy { responses } = &mut *phase {
            *responses -= 1;
            if *responses == 0 {
                *phase = Phase::Idle { since: Instant::now() };
            }
        }
    }
}

/// A socket whose reads are noticed.
pub(crate) struct Watched {
    socket: TcpStream,
    pace: Arc<Pace>,
}

impl Watched {
    pub(crate) fn new(socket: TcpStream, pace: Arc<Pace>) -> Self {
        Self { socket, pace }
    }

    pub(crate) fn into_socket(self) -> TcpStream {
        self.socket
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pace.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

#[cfg(test)]
mod tests;
