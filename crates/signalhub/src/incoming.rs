//! What a hub does with the messages of other servers, and with its own that come back from the backplane.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Weak};

use signalhub_connections::{BoxFuture, ConnectionId, Frame};
use signalhub_protocol::{Protocol, TransferFormat};

use crate::backplane::{Channel, Envelope, GroupAction, GroupCommand, InvocationEnvelope, Receive};
use crate::clients::client::{Client, message_kind};
use crate::clients::connected::{Changed, Confirmation, ConnectedClients, Member, User};
use crate::clients::remote::{Remote, spawn};
use crate::clients::results::Delivery;
use crate::error::HubError;
use crate::state::HubState;

/// How many clients get a message before other tasks run.
const CHUNK: usize = 128;

/// Takes the messages of the backplane for a hub, which it does not keep alive.
pub(crate) struct Incoming(Weak<HubState>);

impl Incoming {
    pub(crate) fn new(state: &Arc<HubState>) -> Self {
        Self(Arc::downgrade(state))
    }
}

impl Receive for Incoming {
    fn receive(&self, channel: Channel, envelope: Envelope) -> BoxFuture<()> {
        let state = self.0.upgrade();
        Box::pin(async move {
            if let Some(state) = state
                && let Some(remote) = state.clients.remote()
            {
                receive(&state, remote, channel, envelope).await;
            }
        })
    }

    fn refuse(&self, channel: &str, reason: &dyn fmt::Display) {
        let state = self.0.upgrade();
        if let Some(remote) = state.as_ref().and_then(|state| state.clients.remote()) {
            remote.refuse(channel, reason);
        }
    }
}

async fn receive(state: &Arc<HubState>, remote: &Arc<Remote>, channel: Channel, envelope: Envelope) {
    remote.count_received(channel.kind());
    match envelope {
        Envelope::Invocation(invocation) => deliver(&state.clients, remote, &channel, &invocation).await,
        Envelope::GroupCommand(command) => change_group(&state.clients, remote, command),
        Envelope::Ack(id) => remote.on_ack(id),
        Envelope::Completion(completion) => {
            if let Some((client, Delivery::Panicked)) = remote.on_completion(&completion) {
                let error = HubError::panicked("the `Deserialize` of the client's result panicked");
                state.log_failure(&client, "invoke", &error);
            }
        }
    }
}

/// Sends a message to the clients of this server that it is for. Excluded connections are left out, except of a message to one
/// connection, as in the original.
async fn deliver(
    connected: &ConnectedClients,
    remote: &Arc<Remote>,
    channel: &Channel,
    invocation: &InvocationEnvelope,
) {
    let receivers = match channel {
        Channel::All => connected.all(),
        Channel::Group(group) => connected.of_groups([&**group]),
        Channel::User { organisation, name } => {
            connected.of_users(&[User { organisation: organisation.clone(), name: Arc::clone(name) }])
        }
        Channel::Connection(id) => {
            return connected.find(id).map_or((), |client| deliver_to_one(connected, remote, &client, invocation));
        }
        Channel::GroupCommands | Channel::Acks(_) | Channel::Completions(_) => return,
    };
    let excluded: HashSet<&ConnectionId> = invocation.excluded.iter().collect();
    let mut frames = Frames::new(invocation);
    for (index, client) in receivers.iter().enumerate() {
        if !excluded.contains(client.id())
            && let Some(frame) = frames.of(client.protocol())
        {
            // A connection that has ended meanwhile gets nothing.
            let _ = client.outbound().send(frame);
        }
        if index % CHUNK == CHUNK - 1 {
            tokio::task::yield_now().await;
        }
    }
    if frames.is_missing_one {
        remote.count_missing_copy(channel.kind());
    }
}

fn deliver_to_one(
    connected: &ConnectedClients,
    remote: &Arc<Remote>,
    client: &Arc<Client>,
    invocation: &InvocationEnvelope,
) {
    let mut frames = Frames::new(invocation);
    let Some(frame) = frames.of(client.protocol()) else {
        return remote.count_missing_copy(Channel::Connection(client.id().clone()).kind());
    };
    if let Some(question) = &invocation.question {
        if !remote.begin_question(client, question) {
            return;
        }
        if connected.find(client.id()).is_none() {
            // It has gone meanwhile, and what was asked before has ended with it.
            return remote.end_questions(client);
        }
    }
    let _ = client.outbound().send(frame);
}

/// The frames of a message, each made when the first client of its protocol needs it.
struct Frames<'a> {
    invocation: &'a InvocationEnvelope,
    made: [Option<Frame>; Protocol::ALL.len()],
    is_missing_one: bool,
}

impl<'a> Frames<'a> {
    fn new(invocation: &'a InvocationEnvelope) -> Self {
        Self { invocation, made: [const { None }; Protocol::ALL.len()], is_missing_one: false }
    }

    /// The frame for clients of this protocol; `None` if the message has no copy for them that can be sent.
    fn of(&mut self, protocol: Protocol) -> Option<&Frame> {
        let frame = &mut self.made[protocol as usize];
        if frame.is_none() {
            let copy = self.invocation.copies.of(protocol).filter(|copy| is_sendable(protocol, copy));
            *frame = copy.map(|copy| Frame::new(message_kind(protocol), copy));
        }
        self.is_missing_one |= frame.is_none();
        frame.as_ref()
    }
}

/// A client that gets text that is not UTF-8, or an empty message, would end its connection.
fn is_sendable(protocol: Protocol, copy: &[u8]) -> bool {
    match protocol.transfer_format() {
        TransferFormat::Text => !copy.is_empty() && std::str::from_utf8(copy).is_ok(),
        TransferFormat::Binary => !copy.is_empty(),
    }
}

/// Changes a group as another server asks for, and acknowledges it when that is confirmed. A connection of another server is ignored. What is
/// refused is not acknowledged, so that the caller is told after its time limit.
fn change_group(connected: &Arc<ConnectedClients>, remote: &Arc<Remote>, command: GroupCommand) {
    let GroupCommand { id, server, action, group, connection } = command;
    if action == GroupAction::Add && !connected.has_room_in_group(&connection, &group) {
        return remote.refuse_group(&connection);
    }
    let changed = match action {
        GroupAction::Add => connected.join(&connection, &group),
        GroupAction::Remove => connected.leave(&connection, &group),
        // The original acknowledges what it does not know.
        GroupAction::Other(_) if connected.find(&connection).is_some() => Changed::Done,
        GroupAction::Other(_) => return,
    };
    let (confirmation, was): (Option<Confirmation>, _) = match changed {
        Changed::Elsewhere(_) => return,
        Changed::Done => (None, Member::Yes),
        Changed::Confirming { confirmation, was } => (Some(confirmation), was),
    };
    let Some(permit) = remote.pending_ack() else {
        return remote.refuse("internal", &"too many group commands wait for their channels");
    };
    let (connected, remote) = (Arc::clone(connected), Arc::clone(remote));
    spawn(async move {
        let _permit = permit;
        let confirmed = match confirmation {
            Some(confirmation) => confirmation.await,
            None => Ok(()),
        };
        if confirmed.is_ok() {
            let _ = remote.publish(vec![Channel::Acks(server)], Envelope::Ack(id)).await;
        } else if action == GroupAction::Add && was == Member::No {
            let _ = connected.leave(&connection, &group);
        }
    });
}
