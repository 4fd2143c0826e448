//! The channels of a hub, on which its servers send messages to each other.

use std::sync::Arc;

use signalhub_connections::ConnectionId;

use super::envelope::{ReturnAddress, ServerName};

/// Who a message between servers is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// All clients of the hub; every server listens.
    All,
    /// The members of a group; servers with a member listen.
    Group(Arc<str>),
    /// The connections of a user; servers with one of them listen.
    User {
        /// The organisation of the user, if it has one.
        organisation: Option<Arc<str>>,
        /// The name of the user in it.
        name: Arc<str>,
    },
    /// One connection; its server listens.
    Connection(ConnectionId),
    /// Group commands; every server listens.
    GroupCommands,
    /// The acks for the group commands of this server.
    Acks(ServerName),
    /// The answers of clients that the server with this address has asked.
    Completions(ReturnAddress),
}

impl Channel {
    /// The kind of the channel, as counters name it.
    pub fn kind(&self) -> ChannelKind {
        match self {
            Self::All => ChannelKind::All,
            Self::Group(_) => ChannelKind::Group,
            Self::User { .. } => ChannelKind::User,
            Self::Connection(_) => ChannelKind::Connection,
            Self::GroupCommands | Self::Acks(_) | Self::Completions(_) => ChannelKind::Internal,
        }
    }
}

/// Kinds of channels, for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelKind {
    /// [`Channel::All`].
    All,
    /// [`Channel::Group`].
    Group,
    /// [`Channel::User`].
    User,
    /// [`Channel::Connection`].
    Connection,
    /// The channels on which servers speak with each other.
    Internal,
}

impl ChannelKind {
    /// All kinds; the index of each is its discriminant.
    pub const ALL: [Self; 5] = [Self::All, Self::Group, Self::User, Self::Connection, Self::Internal];

    /// A short name for metrics and logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Group => "group",
            Self::User => "user",
            Self::Connection => "connection",
            Self::Internal => "internal",
        }
    }
}
