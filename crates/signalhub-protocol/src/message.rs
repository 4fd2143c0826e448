//! The messages of the hub protocol (HubProtocol, message types 1 to 9).

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::limits::MAX_HEADERS;
use crate::value::{Arguments, Value};

/// A message of either direction, borrowing what it was read from.
#[derive(Debug, Clone, PartialEq)]
pub enum HubMessage<'a> {
    /// Calls a method (type 1).
    Invocation(Invocation<'a>),
    /// Carries one item of a stream (type 2).
    StreamItem(StreamItem<'a>),
    /// Ends an invocation or a stream (type 3).
    Completion(Completion<'a>),
    /// Calls a method that answers with a stream (type 4).
    StreamInvocation(Invocation<'a>),
    /// Ends a stream that the server is sending (type 5).
    CancelInvocation(CancelInvocation<'a>),
    /// Shows that the sender is alive (type 6).
    Ping,
    /// Announces the end of the connection (type 7).
    Close(Close<'a>),
    /// Acknowledges received messages (type 8).
    Ack(SequenceId),
    /// Says which message is the next one after a reconnect (type 9).
    Sequence(SequenceId),
    /// A message of an unknown type. Its receiver ignores it.
    Unknown(i32),
}

impl HubMessage<'_> {
    /// Tells whether the message is numbered, so that a resumed connection can tell what was received: calls, items, completions and
    /// cancellations are (HubProtocol, Ack).
    pub fn is_numbered(&self) -> bool {
        match self {
            Self::Invocation(_)
            | Self::StreamItem(_)
            | Self::Completion(_)
            | Self::StreamInvocation(_)
            | Self::CancelInvocation(_) => true,
            Self::Ping | Self::Close(_) | Self::Ack(_) | Self::Sequence(_) | Self::Unknown(_) => false,
        }
    }
}

/// Calls a method (HubProtocol, Invocation and StreamInvocation).
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation<'a> {
    /// What was sent along; it has no meaning to the protocol.
    pub headers: Headers<'a>,
    /// The id of the call; without one, or with an empty one, no answer is wanted.
    pub invocation_id: Option<Cow<'a, str>>,
    /// The name of the method.
    pub target: Cow<'a, str>,
    /// Whether `target` was spelt with escapes: error texts then keep the sender's spelling of the name.
    pub target_escaped: bool,
    /// What the method is called with.
    pub arguments: Arguments<'a>,
    /// The ids of the streams that the caller will send.
    pub stream_ids: Vec<Cow<'a, str>>,
}

impl<'a> Invocation<'a> {
    /// Creates a call that wants no answer; the fields are open for the rest.
    pub fn new(target: impl Into<Cow<'a, str>>, arguments: Arguments<'a>) -> Self {
        Self {
            headers: Headers::default(),
            invocation_id: None,
            target: target.into(),
            target_escaped: false,
            arguments,
            stream_ids: Vec::new(),
        }
    }
}

/// Carries one item of a stream (HubProtocol, StreamItem).
#[derive(Debug, Clone, PartialEq)]
pub struct StreamItem<'a> {
    /// What was sent along; it has no meaning to the protocol.
    pub headers: Headers<'a>,
    /// The id of the stream.
    pub invocation_id: Cow<'a, str>,
    /// The item.
    pub item: Value<'a>,
}

impl<'a> StreamItem<'a> {
    /// Creates an item without headers.
    pub fn new(invocation_id: impl Into<Cow<'a, str>>, item: Value<'a>) -> Self {
        Self { headers: Headers::default(), invocation_id: invocation_id.into(), item }
    }
}

/// Ends an invocation or a stream (HubProtocol, Completion).
#[derive(Debug, Clone, PartialEq)]
pub struct Completion<'a> {
    /// What was sent along; it has no meaning to the protocol.
    pub headers: Headers<'a>,
    /// The id of the invocation or stream.
    pub invocation_id: Cow<'a, str>,
    /// How it ended.
    pub outcome: Outcome<'a>,
}

impl<'a> Completion<'a> {
    /// Creates a completion without headers.
    pub fn new(invocation_id: impl Into<Cow<'a, str>>, outcome: Outcome<'a>) -> Self {
        Self { headers: Headers::default(), invocation_id: invocation_id.into(), outcome }
    }
}

/// How an invocation or a stream ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<'a> {
    /// It failed, with this text.
    Error(Cow<'a, str>),
    /// It gave this result.
    Result(Value<'a>),
    /// It ended without a result.
    Void,
}

/// Ends a stream that the server is sending (HubProtocol, CancelInvocation).
#[derive(Debug, Clone, PartialEq)]
pub struct CancelInvocation<'a> {
    /// What was sent along; it has no meaning to the protocol.
    pub headers: Headers<'a>,
    /// The id of the stream.
    pub invocation_id: Cow<'a, str>,
}

impl<'a> CancelInvocation<'a> {
    /// Creates a cancellation without headers.
    pub fn new(invocation_id: impl Into<Cow<'a, str>>) -> Self {
        Self { headers: Headers::default(), invocation_id: invocation_id.into() }
    }
}

/// Announces the end of the connection (HubProtocol, Close).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Close<'a> {
    /// Why it ends, if it ends badly.
    pub error: Option<Cow<'a, str>>,
    /// Whether the receiver may connect again by itself.
    pub allow_reconnect: bool,
}

/// The number of a message of a resumable connection (HubProtocol, Ack and Sequence).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceId(pub i64);

/// Names with texts that were sent along with a message (HubProtocol, Message Headers), in the order of the names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Headers<'a>(BTreeMap<Cow<'a, str>, Cow<'a, str>>);

impl<'a> Headers<'a> {
    /// How many headers a message that is read may have, those that another one replaces included. The original has no limit.
    pub const MAX: usize = MAX_HEADERS;

    /// Sets a header; an earlier one of the same name is replaced.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, text: impl Into<Cow<'a, str>>) {
        self.0.insert(name.into(), text.into());
    }

    /// Counts them.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over names and texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_ref(), text.as_ref()))
    }
}
