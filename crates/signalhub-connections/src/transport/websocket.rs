//! The WebSocket transport: one socket under the codec, read and written by the connection's own task.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::close::CloseReason;
use crate::frame::Frame;
use crate::intake::Intake;
use crate::outbound::{LastWrite, SendQueue, Writer};
pub(crate) use crate::transport::io::Io;
use crate::transport::io::READ_SIZE;
use crate::transport::received::Received;
use crate::websocket_codec::{self, Decoder, Event, Violation};

thread_local! {
    /// Shared by all connections of a thread, because a read never leaves anything in it.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

/// An upgraded connection: the codec, and which close frames were sent and received.
pub(crate) struct Socket {
    io: Io,
    decoder: Decoder,
    early: Early,
    close_frames: CloseFrames,
    /// The end of the client's side, found behind bytes that are to be read first.
    ended: Option<CloseReason>,
    broken: bool,
}

/// What came before the first read.
#[derive(Default)]
struct Early {
    /// By POSTs before the upgrade: input of the connection.
    posted: Vec<u8>,
    /// With the upgrade request: frames.
    frames: Vec<u8>,
}

/// Which close frames have gone over the wire.
#[derive(Clone, Copy, Debug, Default)]
struct CloseFrames {
    sent: bool,
    received: bool,
}

impl Socket {
    pub(crate) fn new(io: Io, posted: Vec<u8>, frames: Vec<u8>) -> Self {
        Self {
            io,
            decoder: Decoder::new(),
            early: Early { posted, frames },
            close_frames: CloseFrames::default(),
            ended: None,
            broken: false,
        }
    }

    /// Who writes to it.
    pub(crate) fn writer(&self) -> Writer {
        match &self.io {
            Io::Tcp { socket, .. } => Writer::Socket(Arc::clone(socket)),
            Io::Stream { .. } => Writer::Task,
        }
    }

    /// Sends a close frame to a client that has come back on another transport, if that is possible at once. The client
    /// will hardly read it, so nothing waits for it.
    pub(crate) fn abandon(&self, cut: LastWrite) {
        if cut == LastWrite::WholeFrame && !self.close_frames.sent {
            self.io.try_write(&websocket_codec::close_frame(CloseReason::Finished.code(), ""));
        }
    }

    /// Drives what is queued, then reads until the input grows or the transport ends.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        send_queue: &SendQueue,
        intake: Intake,
        input: &mut Vec<u8>,
    ) -> Poll<Received> {
        if let Poll::Ready(Err(_)) = self.io.poll_drain(cx, send_queue) {
            return self.end(CloseReason::ClientGone);
        }
        if intake == Intake::Paused {
            return Poll::Pending;
        }
        if let Some(reason) = self.ended {
            return self.end(reason);
        }
        let Early { posted, mut frames } = std::mem::take(&mut self.early);
        if !posted.is_empty() || !frames.is_empty() {
            input.extend_from_slice(&posted);
            self.take(&mut frames, send_queue, input);
            return Poll::Ready(Received::Bytes);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let before = input.len();
                match ready!(self.io.poll_read(cx, scratch)) {
                    Ok(0) | Err(_) => self.ended = Some(CloseReason::ClientGone),
                    Ok(n) => self.take(&mut scratch[..n], send_queue, input),
                }
                // What came before the end is read before the end is told.
                if input.len() > before {
                    return Poll::Ready(Received::Bytes);
                }
                if let Some(reason) = self.ended {
                    return self.end(reason);
                }
            }
        })
    }

    fn end(&mut self, reason: CloseReason) -> Poll<Received> {
        self.broken |= reason == CloseReason::ClientGone;
        self.ended = Some(reason);
        Poll::Ready(Received::Ended(reason))
    }

    /// Decodes what was read: payload goes to the input, control frames are answered at once.
    fn take(&mut self, mut bytes: &mut [u8], send_queue: &SendQueue, input: &mut Vec<u8>) {
        while !bytes.is_empty() && self.ended.is_none() {
            match self.decoder.decode(bytes) {
                Ok((used, event)) => {
                    match event {
                        Some(Event::Data { payload, .. }) => input.extend_from_slice(payload),
                        Some(Event::Ping(payload)) => {
                            // A connection that no longer takes frames needs no pong either.
                            let _ = send_queue.send_unretained(&Frame::control(websocket_codec::pong_frame(&payload)));
                        }
                        Some(Event::Close(_)) => {
                            // The original answers with 1000 and no reason, whatever the client's code.
                            self.close_frames.received = true;
                            self.send_close_frame(send_queue, CloseReason::ClientClosed);
                            self.ended = Some(CloseReason::ClientClosed);
                        }
                        Some(Event::Pong(_)) | None => {}
                    }
                    bytes = &mut bytes[used..];
                }
                Err(violation) => return self.refuse(violation, send_queue),
            }
        }
    }

    fn refuse(&mut self, violation: Violation, send_queue: &SendQueue) {
        let reason = match violation.close_code() {
            1007 => CloseReason::InvalidText,
            _ => CloseReason::ProtocolViolation,
        };
        tracing::debug!(reason = reason.label(), %violation, "the client broke the WebSocket protocol");
        // What else the client sends cannot be understood any more, so nobody waits for its close frame.
        self.close_frames.received = true;
        self.send_close_frame(send_queue, reason);
        self.ended = Some(reason);
    }

    fn send_close_frame(&mut self, send_queue: &SendQueue, reason: CloseReason) {
        let frame = (!self.close_frames.sent).then(|| Frame::control(websocket_codec::close_frame(reason.code(), "")));
        self.close_frames.sent = true;
        send_queue.finish(frame.as_ref(), reason);
    }

    /// Queues the close frame, unless one was sent already.
    pub(crate) fn start_closing(&mut self, send_queue: &SendQueue, reason: CloseReason) {
        self.send_close_frame(send_queue, reason);
    }

    /// Writes what is queued until nothing is left.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, send_queue: &SendQueue) -> Poll<()> {
        if self.broken {
            return Poll::Ready(());
        }
        self.io.poll_drain(cx, send_queue).map(|result| self.broken |= result.is_err())
    }

    /// Writes what is left and waits for the client's close frame.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>, send_queue: &SendQueue) -> Poll<()> {
        let flushed = self.poll_flush(cx, send_queue).is_ready();
        if self.broken || self.ended == Some(CloseReason::ClientGone) {
            return Poll::Ready(());
        }
        if flushed && self.close_frames.received {
            return self.io.poll_shutdown(cx);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            while !self.close_frames.received {
                let mut bytes = match ready!(self.io.poll_read(cx, scratch)) {
                    Ok(0) | Err(_) => return Poll::Ready(()),
                    Ok(n) => &mut scratch[..n],
                };
                while !bytes.is_empty() {
                    match self.decoder.decode(bytes) {
                        Ok((_, Some(Event::Close(_)))) | Err(_) => {
                            self.close_frames.received = true;
                            break;
                        }
                        Ok((used, _)) => bytes = &mut bytes[used..],
                    }
                }
            }
            if flushed { self.io.poll_shutdown(cx) } else { Poll::Pending }
        })
    }

    /// Tells whether [`give_up`](Self::give_up) has an effect.
    pub(crate) fn can_be_reset(&self) -> bool {
        matches!(self.io, Io::Tcp { .. })
    }

    /// Makes the end of the socket a reset, for a client that does not answer or is to see no orderly end.
    pub(crate) fn give_up(&self) {
        self.io.reset();
    }
}
