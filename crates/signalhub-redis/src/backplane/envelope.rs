//! The bytes of the messages between servers (Microsoft.AspNetCore.SignalR.StackExchangeRedis, `RedisProtocol`).
//!
//! Each is one MessagePack array, written in the shortest forms. A reader accepts every width, further items in the array and
//! bytes behind it. What it reserves is bounded by the bytes that are there.

use std::sync::Arc;

use bytes::Bytes;
use signalhub::backplane::{
    Channel, CommandId, CompletionEnvelope, Envelope, GroupAction, GroupCommand, InvocationEnvelope, Question,
    QuestionId, ReturnAddress, ServerName,
};
use signalhub_connections::ConnectionId;
use signalhub_protocol::Protocol;
use signalhub_protocol::message_pack::{
    Container, ScanError, Scanner, Token, write_bin, write_head, write_signed, write_str,
};

/// Why a message of another server cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not MessagePack.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// An item is of another type.
    #[error("expected {expected}")]
    Type {
        /// What should be there.
        expected: &'static str,
    },
    /// The array has too few items.
    #[error("the array has fewer than {0} items")]
    Items(usize),
    /// A text is not UTF-8.
    #[error("a text is not UTF-8")]
    Text,
    /// An answer is in a protocol that this server does not speak.
    #[error("the answer is in an unknown protocol")]
    Protocol,
}

/// Writes a message.
#[must_use]
pub fn encode(envelope: &Envelope) -> Vec<u8> {
    let mut out = Vec::new();
    match envelope {
        Envelope::Invocation(invocation) => encode_invocation(invocation, &mut out),
        Envelope::GroupCommand(command) => {
            write_head(Container::Array, 5, &mut out);
            write_signed(command.id.0.into(), &mut out);
            write_str(command.server.as_str(), &mut out);
            let action = match command.action {
                GroupAction::Add => 1,
                GroupAction::Remove => 2,
                GroupAction::Other(number) => number,
            };
            write_signed(action.into(), &mut out);
            write_str(&command.group, &mut out);
            write_str(command.connection.as_str(), &mut out);
        }
        Envelope::Ack(id) => {
            write_head(Container::Array, 1, &mut out);
            write_signed(id.0.into(), &mut out);
        }
        Envelope::Completion(completion) => {
            write_head(Container::Array, 2, &mut out);
            write_str(completion.protocol.name(), &mut out);
            write_bin(&completion.message, &mut out);
        }
    }
    out
}

fn encode_invocation(invocation: &InvocationEnvelope, out: &mut Vec<u8>) {
    write_head(Container::Array, if invocation.question.is_some() { 4 } else { 2 }, out);
    write_head(Container::Array, invocation.excluded.len(), out);
    for id in &invocation.excluded {
        write_str(id.as_str(), out);
    }
    write_head(Container::Map, invocation.copies.iter().count(), out);
    for (protocol, message) in invocation.copies.iter() {
        write_str(protocol.name(), out);
        write_bin(message, out);
    }
    if let Some(question) = &invocation.question {
        write_str(question.id.as_str(), out);
        write_str(question.return_to.as_str(), out);
    }
}

/// Reads a message of this channel.
///
/// # Errors
/// It cannot be read. The original ignores the same ones.
pub fn decode(channel: &Channel, payload: &Bytes) -> Result<Envelope, Malformed> {
    let mut items = Items::new(payload)?;
    Ok(match channel {
        Channel::All | Channel::Group(_) | Channel::User { .. } | Channel::Connection(_) => {
            Envelope::Invocation(decode_invocation(&mut items)?)
        }
        Channel::GroupCommands => {
            items.at_least(5)?;
            Envelope::GroupCommand(GroupCommand {
                id: CommandId(items.integer()?),
                server: ServerName::new(items.text_or_nil()?.unwrap_or_default()),
                action: match items.integer()? {
                    1 => GroupAction::Add,
                    2 => GroupAction::Remove,
                    other => GroupAction::Other(other),
                },
                group: Arc::from(items.text_or_nil()?.unwrap_or_default()),
                connection: ConnectionId::new(items.text()?),
            })
        }
        Channel::Acks(_) => {
            items.at_least(1)?;
            Envelope::Ack(CommandId(items.integer()?))
        }
        Channel::Completions(_) => {
            items.at_least(2)?;
            let protocol = known_protocol(items.text()?).ok_or(Malformed::Protocol)?;
            let message = items.bytes_or_nil()?.ok_or(Malformed::Type { expected: "bytes" })?;
            Envelope::Completion(CompletionEnvelope { protocol, message })
        }
    })
}

fn decode_invocation(items: &mut Items<'_>) -> Result<InvocationEnvelope, Malformed> {
    items.at_least(2)?;
    let mut invocation = InvocationEnvelope::default();
    for _ in 0..items.array()? {
        invocation.excluded.push(ConnectionId::new(items.text()?));
    }
    for _ in 0..items.map()? {
        let protocol = items.text_or_nil()?.and_then(known_protocol);
        let message = items.bytes_or_nil()?;
        if let (Some(protocol), Some(message)) = (protocol, message) {
            invocation.copies = std::mem::take(&mut invocation.copies).with(protocol, message);
        }
    }
    // An invocation of three items wants no result, as one without an id or an address.
    if items.count >= 4 {
        let (id, return_to) = (items.text_or_nil()?, items.text_or_nil()?);
        if let (Some(id), Some(return_to)) = (id, return_to)
            && !id.is_empty()
            && !return_to.is_empty()
        {
            invocation.question = Some(Question { id: QuestionId::new(id), return_to: ReturnAddress::new(return_to) });
        }
    }
    Ok(invocation)
}

/// The names in envelopes are compared exactly.
fn known_protocol(name: &str) -> Option<Protocol> {
    Protocol::ALL.into_iter().find(|protocol| protocol.name() == name)
}

/// The items of the array that a message is.
struct Items<'a> {
    payload: &'a Bytes,
    scanner: Scanner<'a>,
    count: usize,
}

impl<'a> Items<'a> {
    fn new(payload: &'a Bytes) -> Result<Self, Malformed> {
        let mut items = Self { payload, scanner: Scanner::new(payload), count: 0 };
        items.count = items.array()?;
        Ok(items)
    }

    fn at_least(&self, count: usize) -> Result<(), Malformed> {
        if self.count < count { Err(Malformed::Items(count)) } else { Ok(()) }
    }

    fn array(&mut self) -> Result<usize, Malformed> {
        match self.scanner.token()? {
            Token::Array(count) => Ok(count),
            _ => Err(Malformed::Type { expected: "an array" }),
        }
    }

    fn map(&mut self) -> Result<usize, Malformed> {
        match self.scanner.token()? {
            Token::Map(count) => Ok(count),
            _ => Err(Malformed::Type { expected: "a map" }),
        }
    }

    fn integer(&mut self) -> Result<i32, Malformed> {
        let number = match self.scanner.token()? {
            Token::Unsigned(number) => i32::try_from(number).ok(),
            Token::Negative(number) => i32::try_from(number).ok(),
            _ => None,
        };
        number.ok_or(Malformed::Type { expected: "an integer of 32 bits" })
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        self.text_or_nil()?.ok_or(Malformed::Type { expected: "a text" })
    }

    fn text_or_nil(&mut self) -> Result<Option<&'a str>, Malformed> {
        match self.scanner.token()? {
            Token::Str(bytes) => std::str::from_utf8(bytes).map(Some).map_err(|_| Malformed::Text),
            Token::Nil => Ok(None),
            _ => Err(Malformed::Type { expected: "a text" }),
        }
    }

    /// Gives bytes that share the memory of the payload.
    fn bytes_or_nil(&mut self) -> Result<Option<Bytes>, Malformed> {
        match self.scanner.token()? {
            Token::Bin(bytes) => Ok(Some(self.payload.slice_ref(bytes))),
            Token::Nil => Ok(None),
            _ => Err(Malformed::Type { expected: "bytes" }),
        }
    }
}

#[cfg(test)]
mod tests;
