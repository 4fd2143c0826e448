//! The backplane: how the servers of a cluster pass the messages of one hub to each other.

mod channel;
mod envelope;

use std::fmt;
use std::sync::Arc;

use signalhub_connections::BoxFuture;

pub use channel::{Channel, ChannelKind};
pub use envelope::{
    CommandId, CompletionEnvelope, Copies, Envelope, GroupAction, GroupCommand, InvocationEnvelope, Question,
    QuestionId, ReturnAddress, ServerName,
};

/// Passes messages between the servers of one hub. A hub without one is alone, and costs nothing more.
///
/// A message on a channel reaches every server that listens there, its sender too, at most once. Messages on one channel keep
/// their order.
///
/// The hub does not name the channels that every server needs: an implementation listens on [`Channel::All`],
/// [`Channel::GroupCommands`], and the [`Channel::Acks`] and [`Channel::Completions`] of its own server, from start to end. It
/// is connected only while all four are confirmed.
pub trait Backplane: fmt::Debug + Send + Sync + 'static {
    /// The name of this server.
    fn server(&self) -> &ServerName;

    /// Where answers to this server go.
    fn return_address(&self) -> &ReturnAddress;

    /// Begins to pass messages on to the receiver. The hub calls it once, when it is built.
    fn start(&self, receiver: Arc<dyn Receive>);

    /// Sends a message to each of the channels, in this order, and gives how many servers received it, in all.
    ///
    /// It waits for a bounded time while the backplane cannot be reached.
    fn publish(&self, channels: Vec<Channel>, envelope: Envelope) -> BoxFuture<Result<u64, Unreachable>>;

    /// Begins to listen on a channel, if the server does not do so yet. The future tells when that is confirmed.
    ///
    /// The call itself joins, and must not block. What is joined stays joined, however the future ends, and also if it is dropped: a
    /// backplane that cannot be reached is told later.
    fn join(&self, channel: Channel) -> BoxFuture<Result<(), Unreachable>>;

    /// Ceases to listen on a channel. The call itself leaves, and must not block; the future tells when that is confirmed.
    fn leave(&self, channel: Channel) -> BoxFuture<Result<(), Unreachable>>;
}

/// Takes the messages of a backplane.
pub trait Receive: Send + Sync + 'static {
    /// Takes one message. It never waits for a client: the next message of the channel follows when the future ends.
    fn receive(&self, channel: Channel, envelope: Envelope) -> BoxFuture<()>;

    /// Counts and logs a message that cannot be read.
    fn refuse(&self, channel: &str, reason: &dyn fmt::Display);
}

/// The backplane cannot be reached, or did not confirm in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the backplane cannot be reached")]
pub struct Unreachable;
