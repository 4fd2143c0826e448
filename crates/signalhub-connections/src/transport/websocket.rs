//! The WebSocket transport: one socket under the codec, read and written by the connection's own task.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::outbound::{Cut, Lane, Outlet};
pub(crate) use crate::transport::io::Io;
use crate::transport::io::READ_SIZE;
use crate::websocket_codec::{self, Decoder, Event, Violation};
use crate::{CloseReason, Frame, Intake, Received};

thread_local! {
    /// Shared by all connections of a thread, because a read never leaves anything in it.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

/// An upgraded connection: the codec and how far the farewell has come.
pub(crate) struct Socket {
    io: Io,
    decoder: Decoder,
    early: Early,
    farewell: Farewell,
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
struct Farewell {
    sent: bool,
    received: bool,
}

impl Socket {
    pub(crate) fn new(io: Io, posted: Vec<u8>, frames: Vec<u8>) -> Self {
        Self {
            io,
            decoder: Decoder::new(),
            early: Early { posted, frames },
            farewell: Farewell::default(),
            ended: None,
            broken: false,
        }
    }

    /// Who writes to it.
    pub(crate) fn outlet(&self) -> Outlet {
        match &self.io {
            Io::Tcp { socket, .. } => Outlet::Socket(Arc::clone(socket)),
            Io::Stream { .. } => Outlet::Task,
        }
    }

    /// Says goodbye to a client that has come back another way and will hardly read it; nobody waits for that.
    pub(crate) fn abandon(&self, cut: Cut) {
        if cut == Cut::BetweenFrames && !self.farewell.sent {
            self.io.try_write(&websocket_codec::close_frame(CloseReason::Finished.code(), ""));
        }
    }

    /// Drives what is queued, then reads until the input grows or the transport ends.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        lane: &Lane,
        intake: Intake,
        input: &mut Vec<u8>,
    ) -> Poll<Received> {
        if let Poll::Ready(Err(_)) = self.io.poll_drain(cx, lane) {
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
            self.take(&mut frames, lane, input);
            return Poll::Ready(Received::Bytes);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let before = input.len();
                match ready!(self.io.poll_read(cx, scratch)) {
                    Ok(0) | Err(_) => self.ended = Some(CloseReason::ClientGone),
                    Ok(n) => self.take(&mut scratch[..n], lane, input),
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
    fn take(&mut self, mut bytes: &mut [u8], lane: &Lane, input: &mut Vec<u8>) {
        while !bytes.is_empty() && self.ended.is_none() {
            match self.decoder.decode(bytes) {
                Ok((used, event)) => {
                    match event {
                        Some(Event::Data { payload, .. }) => input.extend_from_slice(payload),
                        Some(Event::Ping(payload)) => {
                            // A connection that no longer takes frames needs no pong either.
                            let _ = lane.send_unretained(&Frame::control(websocket_codec::pong_frame(&payload)));
                        }
                        Some(Event::Close(_)) => {
                            // The original answers with 1000 and no reason, whatever the client's code.
                            self.farewell.received = true;
                            self.say_goodbye(lane, CloseReason::ClientClosed);
                            self.ended = Some(CloseReason::ClientClosed);
                        }
                        Some(Event::Pong(_)) | None => {}
                    }
                    bytes = &mut bytes[used..];
                }
                Err(violation) => return self.refuse(violation, lane),
            }
        }
    }

    fn refuse(&mut self, violation: Violation, lane: &Lane) {
        let reason = match violation.close_code() {
            1007 => CloseReason::InvalidText,
            _ => CloseReason::ProtocolViolation,
        };
        tracing::debug!(reason = reason.label(), %violation, "the client broke the WebSocket protocol");
        // What else the client sends cannot be understood any more, so nobody waits for its close frame.
        self.farewell.received = true;
        self.say_goodbye(lane, reason);
        self.ended = Some(reason);
    }

    fn say_goodbye(&mut self, lane: &Lane, reason: CloseReason) {
        let frame = (!self.farewell.sent).then(|| Frame::control(websocket_codec::close_frame(reason.code(), "")));
        self.farewell.sent = true;
        lane.finish(frame.as_ref(), reason);
    }

    /// Queues the close frame, unless one was sent already.
    pub(crate) fn start_closing(&mut self, lane: &Lane, reason: CloseReason) {
        self.say_goodbye(lane, reason);
    }

    /// Writes what is queued until nothing is left.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, lane: &Lane) -> Poll<()> {
        if self.broken {
            return Poll::Ready(());
        }
        self.io.poll_drain(cx, lane).map(|result| self.broken |= result.is_err())
    }

    /// Writes what is left and waits for the client's close frame.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>, lane: &Lane) -> Poll<()> {
        let flushed = self.poll_flush(cx, lane).is_ready();
        if self.broken || self.ended == Some(CloseReason::ClientGone) {
            return Poll::Ready(());
        }
        if flushed && self.farewell.received {
            return self.io.poll_shutdown(cx);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            while !self.farewell.received {
                let mut bytes = match ready!(self.io.poll_read(cx, scratch)) {
                    Ok(0) | Err(_) => return Poll::Ready(()),
                    Ok(n) => &mut scratch[..n],
                };
                while !bytes.is_empty() {
                    match self.decoder.decode(bytes) {
                        Ok((_, Some(Event::Close(_)))) | Err(_) => {
                            self.farewell.received = true;
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
