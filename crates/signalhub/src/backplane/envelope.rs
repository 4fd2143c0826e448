//! What the servers of a cluster send to each other for a hub.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use signalhub_connections::ConnectionId;
use signalhub_protocol::Protocol;

/// One message between servers. Its channel decides which of them it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// Calls a method of clients: on the channels of all clients, groups, users and connections.
    Invocation(InvocationEnvelope),
    /// Adds a connection to a group, or removes it, at the server that has the connection.
    GroupCommand(GroupCommand),
    /// Tells the sender of a group command that it was carried out.
    Ack(CommandId),
    /// The answer of a client that another server has asked.
    Completion(CompletionEnvelope),
}

/// A call of a method of clients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InvocationEnvelope {
    /// The connections that do not get it.
    pub excluded: Vec<ConnectionId>,
    /// The call in each protocol.
    pub copies: Copies,
    /// Where the answer of the client goes; `None` if none is wanted.
    pub question: Option<Question>,
}

/// One hub message, encoded and framed for clients of each protocol. A copy may be missing in an envelope of another server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies([Option<Bytes>; Protocol::ALL.len()]);

impl Copies {
    /// Adds the copy for clients of this protocol.
    #[must_use]
    pub fn with(mut self, protocol: Protocol, message: Bytes) -> Self {
        self.0[protocol as usize] = Some(message);
        self
    }

    /// The copy for clients of this protocol.
    pub fn of(&self, protocol: Protocol) -> Option<&Bytes> {
        self.0[protocol as usize].as_ref()
    }

    /// The copies that are there, in the order of [`Protocol::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Protocol, &Bytes)> {
        Protocol::ALL.into_iter().zip(&self.0).filter_map(|(protocol, copy)| Some((protocol, copy.as_ref()?)))
    }
}

/// A wanted client result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its invocation id, which also stands in each copy.
    pub id: QuestionId,
    /// Where the answer goes.
    pub return_to: ReturnAddress,
}

/// A change of a group, for a connection of another server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupCommand {
    /// Its number, which the ack repeats.
    pub id: CommandId,
    /// Who sends it, and waits for the ack.
    pub server: ServerName,
    /// What is changed.
    pub action: GroupAction,
    /// The group.
    pub group: Arc<str>,
    /// The connection.
    pub connection: ConnectionId,
}

/// What a group command changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupAction {
    /// The connection joins the group.
    Add,
    /// The connection leaves the group.
    Remove,
    /// A number that has no meaning. The command changes nothing, and is acknowledged.
    Other(i32),
}

/// The answer of a client, in its own protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionEnvelope {
    /// The protocol of the client.
    pub protocol: Protocol,
    /// A Completion message with its framing.
    pub message: Bytes,
}

/// The number of a group command; it has a meaning to its sender only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandId(pub i32);

/// Defines names that are shared text.
macro_rules! names {
    ($( $(#[doc = $doc:literal])+ $name:ident, )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(Arc<str>);

            impl $name {
                /// Wraps a name.
                pub fn new(name: impl Into<Arc<str>>) -> Self {
                    Self(name.into())
                }

                /// The name as text.
                pub fn as_str(&self) -> &str {
                    &self.0
                }
            }

            impl Borrow<str> for $name {
                fn borrow(&self) -> &str {
                    &self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }
        )+
    };
}

names! {
    /// The name of one server of a hub, which no other has.
    ServerName,
    /// Where a server receives the answers of clients that it has asked. Other servers do not look into it.
    ReturnAddress,
    /// The invocation id of a client result that another server waits for.
    QuestionId,
}
