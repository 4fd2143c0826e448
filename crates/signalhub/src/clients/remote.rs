//! The other servers of a hub's cluster, and what is open between them and this one.

mod answers;
mod commands;
mod counts;
mod questions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use signalhub_connections::{BoxFuture, ConnectionId, LogThrottle};
use signalhub_protocol::{Completion, HubMessage, Outcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::client::Client;
use super::errors::GroupError;
use super::results::{Delivery, ForeignAnswer};
use crate::backplane::{
    Backplane, Channel, ChannelKind, CommandId, CompletionEnvelope, Envelope, GroupAction, GroupCommand, Question,
    ReturnAddress, Unreachable,
};
use answers::Answers;
use commands::Commands;
use counts::Counters;
use questions::Questions;

pub use counts::BackplaneCounts;

/// How many group commands of other servers may wait for the confirmation of a channel. The acks of further ones are not sent.
const MOST_PENDING_ACKS: usize = 10_000;

/// What a client is said to have answered that has gone (recording: client result, connection ends before it answers).
const DISCONNECTED: &str = "Connection disconnected.";

/// What a server is answered that uses an id again which is open (RedisHubLifetimeManager).
const COLLISION: &str = "ID collision occurred when using client results. This is likely a bug in SignalR.";

/// The other servers of the cluster, as the clients of this one reach them.
pub(crate) struct Remote {
    backplane: Arc<dyn Backplane>,
    /// Group commands of this server that are not acknowledged yet.
    commands: Commands,
    /// Calls of this server that wait for clients of others.
    answers: Answers,
    /// What other servers have asked clients of this one.
    questions: Questions,
    pending_acks: Arc<Semaphore>,
    counters: Counters,
    limits: RemoteLimits,
    /// Limits the log lines about messages that cannot be read.
    malformed_lines: LogThrottle,
    /// Limits the warnings about messages that could not be sent.
    unsent_warnings: LogThrottle,
}

/// How long other servers may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteLimits {
    pub(crate) result: Duration,
    pub(crate) group_command: Duration,
}

impl Remote {
    pub(crate) fn new(backplane: Arc<dyn Backplane>, limits: RemoteLimits, now: Instant) -> Self {
        Self {
            backplane,
            commands: Commands::default(),
            answers: Answers::default(),
            questions: Questions::default(),
            pending_acks: Arc::new(Semaphore::new(MOST_PENDING_ACKS)),
            counters: Counters::default(),
            limits,
            malformed_lines: LogThrottle::new(now),
            unsent_warnings: LogThrottle::new(now),
        }
    }

    pub(crate) fn limits(&self) -> RemoteLimits {
        self.limits
    }

    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    pub(crate) fn counts(&self) -> BackplaneCounts {
        self.counters.read()
    }

    pub(crate) fn join(&self, channel: Channel) -> BoxFuture<Result<(), Unreachable>> {
        self.backplane.join(channel)
    }

    pub(crate) fn leave(&self, channel: Channel) -> BoxFuture<Result<(), Unreachable>> {
        self.backplane.leave(channel)
    }

    /// Sends a message on each of the channels, and gives how many servers received it.
    pub(crate) async fn publish(&self, channels: Vec<Channel>, envelope: Envelope) -> Result<u64, Unreachable> {
        let (count, kind) = (channels.len() as u64, channels.first().map(Channel::kind));
        let published = self.backplane.publish(channels, envelope).await;
        // The channels of one message are all of one kind.
        let Some(kind) = kind else { return published };
        match published {
            Ok(_) => self.counters.count_sent(kind, count),
            Err(error) => {
                self.counters.count_unsent(count);
                if let Some(skipped) = self.unsent_warnings.admit(Instant::now()) {
                    tracing::warn!(channel = kind.label(), %error, skipped, "a message to other servers could not be sent");
                }
            }
        }
        published
    }

    /// Sends a message in a task of its own, for callers that cannot wait.
    fn publish_later(self: &Arc<Self>, channel: Channel, envelope: Envelope) {
        let remote = Arc::clone(self);
        spawn(async move {
            // A failure is counted and logged; the other server waits for a bounded time.
            let _ = remote.publish(vec![channel], envelope).await;
        });
    }

    /// Adds a connection of another server to a group, or removes it, and waits until its server has done so.
    pub(crate) async fn change_group(
        &self,
        action: GroupAction,
        connection: ConnectionId,
        group: Arc<str>,
    ) -> Result<(), GroupError> {
        let wait = self.commands.begin();
        let server = self.backplane.server().clone();
        let command = GroupCommand { id: wait.id(), server, action, group, connection: connection.clone() };
        let sent = self.publish(vec![Channel::GroupCommands], Envelope::GroupCommand(command)).await;
        sent.map_err(|Unreachable| GroupError::Unreachable)?;
        let acknowledged = tokio::time::timeout(self.limits.group_command, wait.acknowledged()).await;
        acknowledged.map_err(|_| GroupError::Unanswered(connection))
    }

    pub(crate) fn on_ack(&self, id: CommandId) {
        self.commands.acknowledge(id);
    }

    /// The right to acknowledge one group command later; `None` if too many wait.
    pub(crate) fn pending_ack(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.pending_acks).try_acquire_owned().ok()
    }

    /// A new question to a client of another server, which answers it to this one.
    pub(crate) fn new_question(&self) -> Question {
        Question { id: answers::random_id(), return_to: self.backplane.return_address().clone() }
    }

    /// Takes the answer of a client of another server. One that is not waited for is ignored.
    pub(crate) fn on_completion(&self, envelope: &CompletionEnvelope) -> Option<(ConnectionId, Delivery)> {
        let channel = ChannelKind::Internal.label();
        match envelope.protocol.decode(&envelope.message) {
            Ok(Some((HubMessage::Completion(completion), _))) => {
                self.answers.complete(&completion.invocation_id, completion.outcome)
            }
            Ok(_) => {
                self.refuse(channel, &"an answer is not one completion");
                None
            }
            Err(error) => {
                self.refuse(channel, &error);
                None
            }
        }
    }

    /// Keeps that another server waits for an answer of this client. `false` if the id is open already; the server is told.
    pub(crate) fn begin_question(self: &Arc<Self>, client: &Client, question: &Question) -> bool {
        let begun = self.questions.begin(client.id(), question);
        if !begun {
            self.answer(client, &question.return_to, question.id.as_str(), Outcome::Error(COLLISION.into()));
        }
        begun
    }

    /// Passes the answer of a client on to the server that waits for it; `Ok(false)` if none does.
    pub(crate) fn pass_on(
        self: &Arc<Self>,
        client: &Client,
        id: &str,
        outcome: &Outcome<'_>,
    ) -> Result<bool, ForeignAnswer> {
        let Some(return_to) = self.questions.take(client.id(), id)? else { return Ok(false) };
        self.answer(client, &return_to, id, outcome.clone());
        Ok(true)
    }

    /// Tells the servers that wait for a client that it has gone.
    pub(crate) fn end_questions(self: &Arc<Self>, client: &Client) {
        for question in self.questions.end(client.id()) {
            self.answer(client, &question.return_to, question.id.as_str(), Outcome::Error(DISCONNECTED.into()));
        }
    }

    fn answer(self: &Arc<Self>, client: &Client, return_to: &ReturnAddress, id: &str, outcome: Outcome<'_>) {
        let protocol = client.protocol();
        let mut message = Vec::new();
        protocol.encode(&HubMessage::Completion(Completion::new(id, outcome)), &mut message);
        let envelope = Envelope::Completion(CompletionEnvelope { protocol, message: message.into() });
        self.publish_later(Channel::Completions(return_to.clone()), envelope);
    }

    pub(crate) fn count_received(&self, kind: ChannelKind) {
        self.counters.count_received(kind);
    }

    /// Counts and logs that a message has no copy for the protocol of some clients.
    pub(crate) fn count_missing_copy(&self, kind: ChannelKind) {
        self.counters.count_missing_copy();
        if let Some(skipped) = self.malformed_lines.admit(Instant::now()) {
            let channel = kind.label();
            tracing::debug!(
                channel,
                skipped,
                "a message of another server has no copy for the protocol of some clients"
            );
        }
    }

    /// Counts and logs a command to add a client to a group that is refused.
    pub(crate) fn refuse_group(&self, id: &ConnectionId) {
        self.counters.count_refused_group();
        if let Some(skipped) = self.malformed_lines.admit(Instant::now()) {
            tracing::warn!(
                connection = id.as_str(),
                skipped,
                "another server adds a client to too many groups, or to one with a long name: this is refused"
            );
        }
    }

    /// Counts and logs a message that cannot be read.
    pub(crate) fn refuse(&self, channel: &str, reason: &dyn fmt::Display) {
        self.counters.count_malformed();
        if let Some(skipped) = self.malformed_lines.admit(Instant::now()) {
            tracing::debug!(channel, detail = %reason, skipped, "a message of another server was ignored");
        }
    }
}

/// Runs a task, unless the runtime has ended.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("backplane", &self.backplane).finish_non_exhaustive()
    }
}
