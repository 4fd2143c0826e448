//! Why a client could not be called.

use signalhub_connections::ConnectionId;
use signalhub_protocol::EncodeError;

use crate::error::HubError;

/// Something could not be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The arguments cannot be serialised.
    #[error("the arguments of '{method}' cannot be serialised")]
    Arguments {
        /// The method of the clients.
        method: String,
        /// What is wrong with them.
        source: EncodeError,
    },
    /// The name of the method is empty.
    #[error("The value cannot be an empty string. (Parameter 'target')")]
    EmptyMethod,
    /// A list of groups names the empty one.
    #[error("Cannot send to an empty group name.")]
    EmptyGroup,
}

impl From<SendError> for HubError {
    fn from(error: SendError) -> Self {
        match &error {
            SendError::Arguments { source, .. } => Self::internal("SerializationException", source),
            SendError::EmptyMethod => Self::internal("ArgumentException", error),
            SendError::EmptyGroup => Self::internal("InvalidOperationException", error),
        }
    }
}

/// Why the members of a group could not be changed.
///
/// Within one process this cannot happen, so the type has no values yet. A hub whose clients are connected to several servers
/// will need some, for servers that cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {}

impl From<GroupError> for HubError {
    fn from(error: GroupError) -> Self {
        match error {}
    }
}

/// Why a client gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// There is no such client.
    #[error("Connection '{}' does not exist.", .0.for_log())]
    Unknown(ConnectionId),
    /// The client has gone before it answered.
    #[error("Connection '{}' disconnected.", .0.for_log())]
    Disconnected(ConnectionId),
    /// The client answered with an error, without a result, or with one of another type.
    #[error("{0}")]
    Refused(String),
    /// `on_connected` cannot wait for a client whose messages are not read yet.
    #[error("Client results inside OnConnectedAsync Hub methods are not allowed.")]
    Connecting,
    /// The arguments cannot be sent.
    #[error(transparent)]
    Arguments(#[from] SendError),
}

impl From<InvokeError> for HubError {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Refused(text) => Self::new(text),
            InvokeError::Arguments(error) => error.into(),
            InvokeError::Connecting => Self::internal("InvalidOperationException", error),
            InvokeError::Unknown(_) | InvokeError::Disconnected(_) => Self::disconnected(error),
        }
    }
}
