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
    /// The other servers of the cluster cannot be reached. Some of the receivers may have the message.
    #[error("The message could not be sent.")]
    Unreachable,
}

impl From<SendError> for HubError {
    fn from(error: SendError) -> Self {
        match &error {
            SendError::Arguments { source, .. } => Self::internal("SerializationException", source),
            SendError::EmptyMethod => Self::internal("ArgumentException", error),
            SendError::EmptyGroup => Self::internal("InvalidOperationException", error),
            SendError::Unreachable => Self::new(error.to_string()),
        }
    }
}

/// Why the members of a group could not be changed. Only a hub with a [backplane](crate::HubBuilder::backplane) can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The other servers of the cluster cannot be reached. The connection is in the groups it was in before.
    #[error("The group could not be changed.")]
    Unreachable,
    /// No server of the cluster has the connection, or its server did not answer in time.
    #[error("no server has changed the groups of connection '{}' in time", .0.for_log())]
    Unanswered(ConnectionId),
}

impl From<GroupError> for HubError {
    fn from(error: GroupError) -> Self {
        match error {
            GroupError::Unreachable => Self::new(error.to_string()),
            // The text of the original (recording: Groups.AddToGroup, unknown connection).
            GroupError::Unanswered(_) => Self::internal("TaskCanceledException", "A task was canceled."),
        }
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
    /// The other servers of the cluster cannot be reached.
    #[error("The message could not be sent.")]
    Unreachable,
    /// A client of another server has not answered in time.
    #[error("Invocation canceled by the server.")]
    TimedOut(ConnectionId),
    /// The arguments cannot be sent.
    #[error(transparent)]
    Arguments(#[from] SendError),
}

impl From<InvokeError> for HubError {
    fn from(error: InvokeError) -> Self {
        match error {
            InvokeError::Refused(text) => Self::new(text),
            InvokeError::Arguments(error) => error.into(),
            InvokeError::Unreachable | InvokeError::TimedOut(_) => Self::new(error.to_string()),
            InvokeError::Connecting => Self::internal("InvalidOperationException", error),
            InvokeError::Unknown(_) | InvokeError::Disconnected(_) => Self::disconnected(error),
        }
    }
}
