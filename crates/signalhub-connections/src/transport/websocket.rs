//! The WebSocket transport: reads and writes one socket through the codec, in the connection's own task.

mod message_reader;

use std::cell::RefCell;
use std::io;
use std::task::{Context, Poll, ready};

use self::message_reader::{MessageReader, Next};
use crate::close::CloseReason;
use crate::close::close_frame::{ClientClose, CloseCode, CloseFrame};
use crate::frame::Frame;
use crate::intake::Intake;
use crate::outbound::{LastWrite, SendQueue, Writer};
pub(crate) use crate::transport::io::Io;
use crate::transport::io::READ_SIZE;
use crate::transport::received::{ReadMessagesError, Received};
use crate::transport_kind::TransportKind;
use crate::websocket_codec::{self, CloseBody, Decoded, Decoder, Event, Violation};

thread_local! {
    /// Shared by all connections of a thread: a read never leaves anything in it.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

/// An upgraded connection: the codec, and how far each side has closed it.
pub(crate) struct Socket {
    io: Io,
    decoder: Decoder,
    /// What arrived before the first read.
    early: Option<Box<Early>>,
    client: ClientSide,
    server: ServerSide,
    /// Gathers whole messages, if the handler called `Connection::read_messages`.
    messages: Option<Box<MessageReader>>,
}

/// Bytes that arrived before the first read. At least one of the fields is not empty.
struct Early {
    /// The bodies of POSTs before the upgrade. They are input of the connection.
    posted: Vec<u8>,
    /// Bytes behind the upgrade request. They are frames.
    frames: Vec<u8>,
}

/// Whether the client can still send, and why not.
enum ClientSide {
    /// It can send frames.
    Open,
    /// It has sent its close frame.
    Closed(Box<ClientClose>),
    /// It violated the protocol or sent a message that is too long. What it sends is not read.
    Refused(CloseReason),
    /// The socket has ended without a close frame, or writing to it failed.
    Gone,
}

/// Whether the server's close frame was sent or queued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ServerSide {
    Open,
    Closed,
}

impl ClientSide {
    /// Why the client sends no further message; `None` while it can.
    fn end(&self) -> Option<CloseReason> {
        match self {
            Self::Open => None,
            Self::Closed(_) => Some(CloseReason::ClientClosed),
            Self::Refused(reason) => Some(*reason),
            Self::Gone => Some(CloseReason::ClientGone),
        }
    }

    /// Tells whether the client's close frame has arrived, or could no longer be decoded.
    fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Refused(_))
    }
}

impl Socket {
    pub(crate) fn new(io: Io, posted: Vec<u8>, frames: Vec<u8>) -> Self {
        let is_early = !posted.is_empty() || !frames.is_empty();
        Self {
            io,
            decoder: Decoder::new(),
            early: is_early.then(|| Box::new(Early { posted, frames })),
            client: ClientSide::Open,
            server: ServerSide::Open,
            messages: None,
        }
    }

    /// Which part of the program writes to it.
    pub(crate) fn writer(&self) -> Writer {
        self.io.shared().map_or(Writer::Task, Writer::Socket)
    }

    /// Sends a close frame to a client that has reconnected on another transport, if that is possible at once. The client
    /// probably does not read it, so nothing waits for it.
    pub(crate) fn abandon(&self, last_write: LastWrite) {
        if last_write == LastWrite::WholeFrame && self.server == ServerSide::Open {
            self.io.try_write(&websocket_codec::close_frame(CloseReason::Finished.code(), ""));
        }
    }

    /// Returns whole messages from now on; see [`Connection::read_messages`](crate::Connection::read_messages).
    pub(crate) fn read_messages(&mut self, max_bytes: usize) -> Result<(), ReadMessagesError> {
        let has_posted = self.early.as_ref().is_some_and(|early| !early.posted.is_empty());
        if has_posted || !self.decoder.is_between_messages() {
            return Err(ReadMessagesError::PartOfMessage);
        }
        let mut reader = Box::new(MessageReader::new(max_bytes));
        if let Some(early) = self.early.take() {
            reader.add(&early.frames);
        }
        self.messages = Some(reader);
        Ok(())
    }

    /// Tells whether a close frame was sent, or is queued.
    pub(crate) fn has_sent_close(&self) -> bool {
        self.server == ServerSide::Closed
    }

    /// The client's close frame, once it has arrived.
    pub(crate) fn client_close(&self) -> Option<&ClientClose> {
        match &self.client {
            ClientSide::Closed(close) => Some(close),
            ClientSide::Open | ClientSide::Refused(_) | ClientSide::Gone => None,
        }
    }

    /// Writes what is queued, then reads until the input grows or the transport ends.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        send_queue: &SendQueue,
        intake: Intake,
        input: &mut Vec<u8>,
    ) -> Poll<Received> {
        if let Poll::Ready(Err(_)) = self.io.poll_drain(cx, send_queue) {
            self.client = ClientSide::Gone;
            return Poll::Ready(Received::Ended(CloseReason::ClientGone));
        }
        if intake == Intake::Paused {
            return Poll::Pending;
        }
        if self.messages.is_some() {
            return self.poll_message(cx, send_queue, input);
        }
        if let Some(reason) = self.client.end() {
            return Poll::Ready(Received::Ended(reason));
        }
        if let Some(early) = self.early.take() {
            let Early { posted, mut frames } = *early;
            send_queue.count_received(TransportKind::WebSockets, posted.len() + frames.len());
            input.extend_from_slice(&posted);
            self.take(&mut frames, send_queue, input);
            return Poll::Ready(Received::Bytes);
        }
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let before = input.len();
                match ready!(poll_read(&mut self.io, cx, scratch, send_queue)) {
                    Ok(0) | Err(_) => self.client = ClientSide::Gone,
                    Ok(n) => self.take(&mut scratch[..n], send_queue, input),
                }
                // Bytes that arrived before the end are given to the handler first.
                if input.len() > before {
                    return Poll::Ready(Received::Bytes);
                }
                if let Some(reason) = self.client.end() {
                    return Poll::Ready(Received::Ended(reason));
                }
            }
        })
    }

    /// Reads until the input is the next whole message. Nothing is read until the previous one is consumed.
    fn poll_message(&mut self, cx: &mut Context<'_>, send_queue: &SendQueue, input: &mut Vec<u8>) -> Poll<Received> {
        if !input.is_empty() {
            return Poll::Pending;
        }
        loop {
            if let Some(reason) = self.client.end() {
                return Poll::Ready(Received::Ended(reason));
            }
            let Some(reader) = &mut self.messages else { return Poll::Pending };
            match reader.next(&mut self.decoder, input) {
                Ok(Next::Message(kind)) => return Poll::Ready(Received::Message { kind }),
                Ok(Next::TooLong) => {
                    let (reason, most) = (CloseReason::MessageTooLong, reader.max());
                    tracing::debug!(reason = reason.label(), most, "a message of a client is too long");
                    self.refuse(reason, CloseCode::MESSAGE_TOO_BIG.get(), send_queue);
                }
                Ok(Next::Pong) => return Poll::Ready(Received::Pong),
                Ok(Next::Ping(payload)) => answer_ping(&payload, send_queue),
                Ok(Next::Close(close)) => self.on_close(close, send_queue),
                Ok(Next::ReadMore) => {
                    let read = SCRATCH.with_borrow_mut(|scratch| {
                        let read = poll_read(&mut self.io, cx, scratch, send_queue);
                        if let Poll::Ready(Ok(count)) = read {
                            reader.add(&scratch[..count]);
                        }
                        read
                    });
                    if let Ok(0) | Err(_) = ready!(read) {
                        self.client = ClientSide::Gone;
                    }
                }
                Err(violation) => self.on_violation(violation, send_queue),
            }
        }
    }

    /// Decodes bytes that were read: appends payload to the input, and answers control frames.
    fn take(&mut self, mut bytes: &mut [u8], send_queue: &SendQueue, input: &mut Vec<u8>) {
        while !bytes.is_empty() && self.client.end().is_none() {
            match self.decoder.decode(bytes) {
                Ok(Decoded { used, event }) => {
                    match event {
                        Some(Event::Data { payload, .. }) => input.extend_from_slice(payload),
                        Some(Event::Ping(payload)) => answer_ping(&payload, send_queue),
                        Some(Event::Close(close)) => self.on_close(close, send_queue),
                        Some(Event::Pong(_)) | None => {}
                    }
                    bytes = &mut bytes[used..];
                }
                Err(violation) => return self.on_violation(violation, send_queue),
            }
        }
    }

    /// Answers the client's close frame with 1000 and no reason, whatever its code, as the original does.
    fn on_close(&mut self, close: Option<CloseBody>, send_queue: &SendQueue) {
        let close = close.map(|CloseBody { code, reason }| ClientClose::new(Some(code.into()), reason));
        self.client = ClientSide::Closed(Box::new(close.unwrap_or_default()));
        let reason = CloseReason::ClientClosed;
        self.send_close_frame(send_queue, reason, reason.code(), "");
    }

    fn on_violation(&mut self, violation: Violation, send_queue: &SendQueue) {
        let reason = match violation.close_code() {
            1007 => CloseReason::InvalidText,
            _ => CloseReason::ProtocolViolation,
        };
        tracing::debug!(reason = reason.label(), %violation, "the client violated the WebSocket protocol");
        self.refuse(reason, reason.code(), send_queue);
    }

    /// Sends a close frame, and reads nothing more: what the client sends after a violation cannot be decoded.
    fn refuse(&mut self, reason: CloseReason, code: u16, send_queue: &SendQueue) {
        self.client = ClientSide::Refused(reason);
        self.send_close_frame(send_queue, reason, code, "");
    }

    fn send_close_frame(&mut self, send_queue: &SendQueue, reason: CloseReason, code: u16, text: &str) {
        let frame = (self.server == ServerSide::Open).then(|| Frame::control(websocket_codec::close_frame(code, text)));
        self.server = ServerSide::Closed;
        send_queue.finish(frame.as_ref(), reason);
    }

    /// Queues the close frame with the code of a reason, unless a close frame was sent before.
    pub(crate) fn start_closing(&mut self, send_queue: &SendQueue, reason: CloseReason) {
        self.send_close_frame(send_queue, reason, reason.code(), "");
    }

    /// Queues the close frame of a handler, unless a close frame was sent before.
    pub(crate) fn start_closing_with(&mut self, send_queue: &SendQueue, reason: CloseReason, frame: &CloseFrame) {
        self.send_close_frame(send_queue, reason, frame.code().get(), frame.reason());
    }

    /// Writes queued frames until the queue is empty.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>, send_queue: &SendQueue) -> Poll<()> {
        if let ClientSide::Gone = self.client {
            return Poll::Ready(());
        }
        self.io.poll_drain(cx, send_queue).map(|result| {
            if result.is_err() {
                self.client = ClientSide::Gone;
            }
        })
    }

    /// Writes the queued frames and waits for the client's close frame.
    pub(crate) fn poll_closed(&mut self, cx: &mut Context<'_>, send_queue: &SendQueue) -> Poll<()> {
        let flushed = self.poll_flush(cx, send_queue).is_ready();
        if let ClientSide::Gone = self.client {
            return Poll::Ready(());
        }
        if !self.client.is_closed() {
            if let Some(reader) = self.messages.take() {
                // Bytes that were read and not given to the handler may contain the close frame.
                self.skip(&mut reader.into_unread());
            }
            while !self.client.is_closed() {
                ready!(SCRATCH.with_borrow_mut(|scratch| {
                    match ready!(poll_read(&mut self.io, cx, scratch, send_queue)) {
                        Ok(0) | Err(_) => self.client = ClientSide::Gone,
                        Ok(n) => self.skip(&mut scratch[..n]),
                    }
                    Poll::Ready(())
                }));
                if let ClientSide::Gone = self.client {
                    return Poll::Ready(());
                }
            }
        }
        if flushed { self.io.poll_shutdown(cx) } else { Poll::Pending }
    }

    /// Drops what the client sends, up to its close frame.
    fn skip(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            match self.decoder.decode(bytes) {
                Ok(Decoded { event: Some(Event::Close(_)), .. }) => {
                    self.client = ClientSide::Closed(Box::default());
                    return;
                }
                Err(_) => {
                    self.client = ClientSide::Refused(CloseReason::ProtocolViolation);
                    return;
                }
                Ok(Decoded { used, .. }) => bytes = &mut bytes[used..],
            }
        }
    }

    /// Tells whether [`give_up`](Self::give_up) has an effect.
    pub(crate) fn can_be_reset(&self) -> bool {
        self.io.can_be_reset()
    }

    /// Makes the socket end with a reset, for a client that does not answer, or that must not see an orderly end.
    pub(crate) fn give_up(&self) {
        self.io.reset();
    }
}

/// Reads from the socket, and counts what was read.
fn poll_read(io: &mut Io, cx: &mut Context<'_>, buffer: &mut [u8], send_queue: &SendQueue) -> Poll<io::Result<usize>> {
    let read = io.poll_read(cx, buffer);
    if let Poll::Ready(Ok(bytes)) = read {
        send_queue.count_received(TransportKind::WebSockets, bytes);
    }
    read
}

/// Answers a ping. If the connection accepts no more frames, the pong is not needed.
fn answer_ping(payload: &[u8], send_queue: &SendQueue) {
    let _ = send_queue.send_unretained(&Frame::control(websocket_codec::pong_frame(payload)));
}
