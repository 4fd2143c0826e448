//! The WebSocket transport: one socket under the codec, read and written by the connection's own task.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::outbound::Lane;
use crate::websocket::{self, Decoder, Event, Violation};
use crate::{CloseReason, Frame, Intake, Received};

/// How much one read takes from the socket. The buffer is shared by all connections of a thread, because a read never
/// leaves anything in it.
const READ_SIZE: usize = 16 * 1024;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

/// What carries the bytes of an upgraded request.
pub(crate) enum Io {
    /// A plain socket, which senders write to by themselves.
    Tcp(Arc<TcpStream>),
    /// Anything else, as TLS, written to by the connection's task alone.
    Stream(Pin<Box<dyn Stream>>),
}

/// Bytes in both directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

impl Io {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => loop {
                ready!(socket.poll_read_ready(cx))?;
                match socket.try_read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            Self::Stream(stream) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(stream.as_mut().poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(socket) => loop {
                ready!(socket.poll_write_ready(cx))?;
                match socket.try_write_vectored(slices) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    result => return Poll::Ready(result),
                }
            },
            Self::Stream(stream) => {
                let written = ready!(stream.as_mut().poll_write_vectored(cx, slices))?;
                // A stream that buffers, as TLS does, shows its errors at the next write.
                let _ = stream.as_mut().poll_flush(cx)?;
                Poll::Ready(Ok(written))
            }
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // Dropping the last owner of a socket ends it in order.
            Self::Tcp(_) => Poll::Ready(()),
            Self::Stream(stream) => stream.as_mut().poll_shutdown(cx).map(drop),
        }
    }
}

/// An upgraded connection: the codec and how far the farewell has come.
pub(crate) struct Socket {
    io: Io,
    decoder: Decoder,
    /// Bytes that came with the upgrade request.
    early: Vec<u8>,
    farewell: Farewell,
    broken: bool,
}

/// Which close frames have gone over the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Farewell {
    sent: bool,
    received: bool,
}

impl Socket {
    pub(crate) fn new(io: Io, early: Vec<u8>, lane: &Lane) -> Self {
        if let Io::Tcp(socket) = &io {
            lane.connect(Arc::clone(socket));
        }
        Self { io, decoder: Decoder::new(), early, farewell: Farewell::default(), broken: false }
    }

    /// Drives what is queued, then reads until the input grows or the transport ends.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        lane: &Lane,
        intake: Intake,
        input: &mut Vec<u8>,
    ) -> Poll<Received> {
        if let Poll::Ready(Err(_)) = lane.poll_drain(cx, |cx, slices| self.io.poll_write(cx, slices)) {
            return self.end(lane, CloseReason::ClientGone);
        }
        if intake == Intake::Paused {
            return Poll::Pending;
        }
        if !self.early.is_empty() {
            let mut early = std::mem::take(&mut self.early);
            if let Some(received) = self.take(&mut early, lane, input) {
                return Poll::Ready(received);
            }
        }
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let received = match ready!(self.io.poll_read(cx, scratch)) {
                    Ok(0) | Err(_) => return self.end(lane, CloseReason::ClientGone),
                    Ok(n) => self.take(&mut scratch[..n], lane, input),
                };
                if let Some(received) = received {
                    return Poll::Ready(received);
                }
            }
        })
    }

    fn end(&mut self, lane: &Lane, reason: CloseReason) -> Poll<Received> {
        self.broken |= reason == CloseReason::ClientGone;
        lane.end(reason);
        Poll::Ready(Received::Ended(reason))
    }

    /// Decodes what was read: payload goes to the input, control frames are answered.
    fn take(&mut self, mut bytes: &mut [u8], lane: &Lane, input: &mut Vec<u8>) -> Option<Received> {
        let before = input.len();
        while !bytes.is_empty() {
            let used = match self.decoder.decode(bytes) {
                Ok((used, Some(event))) => {
                    match event {
                        Event::Data { payload, .. } => input.extend_from_slice(payload),
                        Event::Ping(payload) => {
                            // A connection that no longer takes frames needs no pong either.
                            let _ = lane.send(&Frame::control(websocket::pong_frame(&payload)));
                        }
                        Event::Pong(_) => {}
                        Event::Close(_) => {
                            self.farewell.received = true;
                            return Some(self.answer_close(lane));
                        }
                    }
                    used
                }
                Ok((used, None)) => used,
                Err(violation) => return Some(self.refuse(&violation, lane)),
            };
            bytes = &mut bytes[used..];
        }
        (input.len() > before).then_some(Received::Bytes)
    }

    /// The original answers every close frame with 1000 and no reason, at once, whatever the client's code.
    fn answer_close(&mut self, lane: &Lane) -> Received {
        self.say_goodbye(lane, CloseReason::ClientClosed);
        Received::Ended(CloseReason::ClientClosed)
    }

    fn refuse(&mut self, violation: &Violation, lane: &Lane) -> Received {
        let reason = match violation.close_code() {
            1007 => CloseReason::InvalidText,
            _ => CloseReason::ProtocolViolation,
        };
        tracing::debug!(%violation, "the client broke the WebSocket protocol");
        // What else the client sends cannot be understood any more, so nobody waits for its close frame.
        self.farewell.received = true;
        self.say_goodbye(lane, reason);
        Received::Ended(reason)
    }

    fn say_goodbye(&mut self, lane: &Lane, reason: CloseReason) {
        let frame = (!self.farewell.sent).then(|| Frame::control(websocket::close_frame(reason.code(), "")));
        self.farewell.sent = true;
        lane.finish(frame.as_ref(), reason);
    }

    /// Queues the close frame, unless one was sent already.
    pub(crate) fn start_closing(&mut self, lane: &Lane, reason: CloseReason) {
        self.say_goodbye(lane, reason);
    }

    /// Writes what is left and waits for the client's close frame.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>, lane: &Lane) -> Poll<()> {
        if self.broken {
            return Poll::Ready(());
        }
        match lane.poll_drain(cx, |cx, slices| self.io.poll_write(cx, slices)) {
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) if self.farewell.received => return self.io.poll_shutdown(cx),
            _ => {}
        }
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let mut bytes = match ready!(self.io.poll_read(cx, scratch)) {
                    Ok(0) | Err(_) => return Poll::Ready(()),
                    Ok(n) => &mut scratch[..n],
                };
                while !bytes.is_empty() {
                    match self.decoder.decode(bytes) {
                        Ok((_, Some(Event::Close(_)))) | Err(_) => return Poll::Ready(()),
                        Ok((used, _)) => bytes = &mut bytes[used..],
                    }
                }
            }
        })
    }
}
