//! Gathers whole messages, for handlers that call `Connection::read_messages`.

use crate::websocket_codec::{CloseBody, ControlPayload, Decoded, Decoder, End, Event, MessageKind, Violation};

/// Gathers the pieces of one message after another. Between messages it holds at most the bytes of one read.
pub(super) struct MessageReader {
    /// How many bytes a message may have.
    max: usize,
    /// The payload of the current message, as far as it has arrived.
    message: Vec<u8>,
    /// The bytes of one read, which may be several messages.
    read: Vec<u8>,
    /// How much of it is decoded.
    decoded: usize,
}

/// The next thing that the client has sent.
pub(super) enum Next {
    /// A whole message, which is the input now.
    Message(MessageKind),
    /// The message is longer than allowed.
    TooLong,
    Ping(ControlPayload),
    Pong,
    Close(Option<CloseBody>),
    /// Nothing is complete: more bytes must be read.
    ReadMore,
}

impl MessageReader {
    pub(super) fn new(max: usize) -> Self {
        Self { max, message: Vec::new(), read: Vec::new(), decoded: 0 }
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// The bytes that were read and not decoded.
    pub(super) fn into_unread(mut self) -> Vec<u8> {
        self.read.split_off(self.decoded)
    }

    /// Adds the bytes of a read, or those that came with the upgrade request.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
    }

    /// Decodes up to the end of a message or of a control frame. `input` is empty, and becomes the message.
    pub(super) fn next(&mut self, decoder: &mut Decoder, input: &mut Vec<u8>) -> Result<Next, Violation> {
        let Self { max, message, read, decoded } = self;
        while *decoded < read.len() {
            let Decoded { used, event } = decoder.decode(&mut read[*decoded..])?;
            *decoded += used;
            match event {
                Some(Event::Data { payload, end, kind }) => {
                    if payload.len() > *max - message.len() {
                        return Ok(Next::TooLong);
                    }
                    message.extend_from_slice(payload);
                    if end == End::Last {
                        *input = std::mem::take(message);
                        return Ok(Next::Message(kind));
                    }
                }
                Some(Event::Ping(payload)) => return Ok(Next::Ping(payload)),
                Some(Event::Pong(_)) => return Ok(Next::Pong),
                Some(Event::Close(close)) => return Ok(Next::Close(close)),
                None => {}
            }
        }
        // An idle connection keeps no buffer.
        (*read, *decoded) = (Vec::new(), 0);
        Ok(Next::ReadMore)
    }
}
