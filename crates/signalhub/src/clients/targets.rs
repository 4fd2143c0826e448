//! Addressing clients.

mod single_target;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use signalhub_connections::{BoxFuture, ConnectionId, Frame};
use signalhub_protocol::{HubMessage, Invocation, Protocol};

use super::call_slots::CallSlot;
use super::client::{Client, frame};
use super::connected::{ConnectedClients, User};
use super::errors::SendError;
use super::remote::Remote;
use crate::backplane::{Channel, Copies, Envelope, InvocationEnvelope, Unreachable};
use single_target::Receiver;

pub use single_target::SingleTarget;

/// How many clients get a message before other tasks run.
const CHUNK: usize = 128;

/// How long a send waits at most for clients that read and are far behind.
const READERS_WAIT: Duration = Duration::from_secs(1);

/// Addresses the clients of a hub.
///
/// As a parameter of a hub method it knows the caller; [`Hub::clients`](crate::Hub::clients) gives one for all other
/// tasks. Names of groups and users are compared exactly. Ids, users and groups that do not exist address no client.
///
/// A user is a user of an organisation. A hub method addresses those of its caller's organisation, all other tasks those
/// without one; [`in_organisation`](Self::in_organisation) chooses another. Ids and groups belong to no organisation.
///
/// A target names clients; which clients these are is resolved each time something is sent. So a target can be kept: it
/// reaches who is connected, or in the group, at that time. Messages that one task sends one after another reach each client
/// in this order, even if their targets differ.
///
/// In a hub with a [backplane](crate::HubBuilder::backplane) all this addresses the clients of all servers. Messages to the same
/// receivers keep their order; those to different ones, such as a group and one of its members, need not.
#[derive(Clone, Debug)]
pub struct Clients {
    connected: Arc<ConnectedClients>,
    caller: Option<Arc<Client>>,
    /// The organisation whose users are addressed.
    organisation: Option<Arc<str>>,
    called_from: CalledFrom,
}

/// Where a `Clients` comes from, which decides whether its holder may wait for a client's result.
#[derive(Clone, Debug)]
pub(crate) enum CalledFrom {
    /// A call of a client, with the slot that it gives back while it waits.
    Method(Option<Arc<CallSlot>>),
    /// `on_connected`, which must not wait: the messages of its client are not read before it ends.
    OnConnected,
    /// No call of a client.
    Outside,
}

impl Clients {
    pub(crate) fn of_hub(connected: Arc<ConnectedClients>) -> Self {
        Self { connected, caller: None, organisation: None, called_from: CalledFrom::Outside }
    }

    pub(crate) fn of_caller(connected: Arc<ConnectedClients>, caller: Arc<Client>, called_from: CalledFrom) -> Self {
        let organisation = caller.identity().organisation.clone();
        Self { connected, caller: Some(caller), organisation, called_from }
    }

    /// The same, for the users of this organisation, or with `None` for those of none:
    /// `hub.clients().in_organisation(Some("acme")).user("ann")`.
    #[must_use]
    pub fn in_organisation(&self, organisation: Option<&str>) -> Self {
        Self { organisation: organisation.map(Arc::from), ..self.clone() }
    }

    /// Every client.
    pub fn all(&self) -> Target {
        self.target(Receivers::All)
    }

    /// Every client but the one that calls.
    pub fn others(&self) -> Target {
        self.but_the_caller(Receivers::All)
    }

    /// The client that calls; outside a call, no client.
    pub fn caller(&self) -> SingleTarget {
        self.single(Receiver::Caller(self.caller.clone()))
    }

    /// The client with this connection id.
    pub fn client(&self, id: &ConnectionId) -> SingleTarget {
        self.single(Receiver::Id(id.clone()))
    }

    /// The clients with these connection ids, each once. In a hub with a [backplane](crate::HubBuilder::backplane), a client whose id
    /// is given twice gets the message twice, as from the original.
    pub fn clients<'a>(&self, ids: impl IntoIterator<Item = &'a ConnectionId>) -> Target {
        self.target(Receivers::Clients(ids.into_iter().cloned().collect()))
    }

    /// The members of a group.
    pub fn group(&self, name: &str) -> Target {
        self.target(Receivers::Groups(vec![name.to_owned()]))
    }

    /// The members of a group, except the calling client.
    pub fn others_in_group(&self, name: &str) -> Target {
        self.but_the_caller(Receivers::Groups(vec![name.to_owned()]))
    }

    /// The members of several groups. A client in two of them gets the message twice, as from the original.
    ///
    /// An empty name in the list makes `send` fail. In a hub with a [backplane](crate::HubBuilder::backplane) it is left out, as by
    /// the original.
    pub fn groups<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Target {
        let (names, empty): (Vec<_>, Vec<_>) = names.into_iter().map(str::to_owned).partition(|name| !name.is_empty());
        self.target(if empty.is_empty() { Receivers::Groups(names) } else { Receivers::GroupsAndEmpty(names) })
    }

    /// All connections of a user of the [organisation](Self::in_organisation).
    pub fn user(&self, user: &str) -> Target {
        self.users([user])
    }

    /// All connections of several users of the [organisation](Self::in_organisation), each once.
    pub fn users<'a>(&self, users: impl IntoIterator<Item = &'a str>) -> Target {
        let user = |name: &str| User { organisation: self.organisation.clone(), name: name.into() };
        let mut users: Vec<_> = users.into_iter().map(user).collect();
        users.sort_unstable();
        users.dedup();
        self.target(Receivers::Users(users))
    }

    fn target(&self, receivers: Receivers) -> Target {
        Target { connected: Arc::clone(&self.connected), receivers, except: Vec::new() }
    }

    fn single(&self, receiver: Receiver) -> SingleTarget {
        SingleTarget::new(Arc::clone(&self.connected), receiver, self.called_from.clone())
    }

    fn but_the_caller(&self, receivers: Receivers) -> Target {
        let except = self.caller.iter().map(|caller| caller.id().clone()).collect();
        Target { except, ..self.target(receivers) }
    }
}

/// A set of clients that messages can be sent to.
#[derive(Clone, Debug)]
#[must_use = "nothing is sent before `send`"]
pub struct Target {
    connected: Arc<ConnectedClients>,
    receivers: Receivers,
    except: Vec<ConnectionId>,
}

#[derive(Clone, Debug)]
enum Receivers {
    All,
    Clients(Vec<ConnectionId>),
    Groups(Vec<String>),
    /// The groups of a list that has the empty name, too.
    GroupsAndEmpty(Vec<String>),
    Users(Vec<User>),
}

impl Target {
    /// Excludes a client.
    pub fn except(mut self, id: &ConnectionId) -> Self {
        self.except.push(id.clone());
        self
    }

    /// Calls a method of these clients, without waiting until they have the message.
    ///
    /// While a client that reads is so far behind that more than half of its
    /// [queue](signalhub_connections::Endpoint::queue_limit) is full, this waits for at most a second, so that many messages
    /// in a row do not overtake it.
    ///
    /// The arguments are a tuple with one element each: `send("Renamed", (id, name))`, `send("Ready", ())`. They are
    /// encoded once for all receivers of a protocol.
    ///
    /// In a hub with a [backplane](crate::HubBuilder::backplane) this waits until the message was handed to it. All receivers get
    /// it from there, those of this server too, and at most once.
    ///
    /// # Errors
    /// When the arguments cannot be serialised for one of the receivers, the method has no name, or a list of groups names
    /// the empty one; nothing is sent then. With a backplane: when the arguments cannot be serialised for one of the protocols, or
    /// the backplane cannot be reached.
    pub async fn send<T: Serialize>(&self, method: &str, arguments: T) -> Result<(), SendError> {
        if let Some(remote) = self.connected.remote() {
            return self.publish(remote, method, &arguments)?.await;
        }
        let receivers = self.find()?;
        // All encodings are made first, so that after a failure no client has the message.
        let mut frames = [const { None }; Protocol::ALL.len()];
        for protocol in Protocol::ALL {
            let is_receiver =
                |client: &Arc<Client>| client.protocol() == protocol && !self.except.contains(client.id());
            if receivers.iter().any(is_receiver) {
                frames[protocol as usize] = Some(encode(protocol, method, None, &arguments)?);
            }
        }
        for (index, client) in receivers.iter().enumerate() {
            if let Some(frame) = &frames[client.protocol() as usize]
                && !self.except.contains(client.id())
            {
                // A connection that has ended meanwhile gets nothing.
                let _ = client.outbound().send(frame);
            }
            if index % CHUNK == CHUNK - 1 {
                tokio::task::yield_now().await;
            }
        }
        if let Some(client) = receivers.first() {
            client.outbound().wait_for_readers(READERS_WAIT).await;
        }
        Ok(())
    }

    /// Sends through the backplane.
    fn publish<T: Serialize>(
        &self,
        remote: &Arc<Remote>,
        method: &str,
        arguments: &T,
    ) -> Result<BoxFuture<Result<(), SendError>>, SendError> {
        let channels: Vec<_> = match &self.receivers {
            Receivers::All => vec![Channel::All],
            Receivers::Clients(ids) => {
                let ids = ids.iter().filter(|id| !self.except.contains(id));
                ids.cloned().map(Channel::Connection).collect()
            }
            Receivers::Groups(names) | Receivers::GroupsAndEmpty(names) => {
                names.iter().map(|name| Channel::Group(name.as_str().into())).collect()
            }
            Receivers::Users(users) => users.iter().filter_map(User::channel).collect(),
        };
        let excluded = match &self.receivers {
            Receivers::Clients(_) => Vec::new(),
            Receivers::All | Receivers::Groups(_) | Receivers::GroupsAndEmpty(_) | Receivers::Users(_) => {
                self.except.clone()
            }
        };
        let copies = copies(method, None, arguments)?;
        let (remote, connected) = (Arc::clone(remote), Arc::clone(&self.connected));
        Ok(Box::pin(async move {
            if channels.is_empty() {
                return Ok(());
            }
            let invocation = InvocationEnvelope { excluded, copies, question: None };
            let published = remote.publish(channels, Envelope::Invocation(invocation)).await;
            published.map_err(|Unreachable| SendError::Unreachable)?;
            // The copies for clients of this server come from the backplane. A sender of many messages still waits for its readers.
            if let Some(client) = connected.any() {
                client.outbound().wait_for_readers(READERS_WAIT).await;
            }
            Ok(())
        }))
    }

    fn find(&self) -> Result<Vec<Arc<Client>>, SendError> {
        let connected = &self.connected;
        Ok(match &self.receivers {
            Receivers::All => connected.all(),
            Receivers::Clients(ids) => {
                let mut clients: Vec<_> = ids.iter().filter_map(|id| connected.find(id)).collect();
                clients.sort_unstable_by(|a, b| a.id().cmp(b.id()));
                clients.dedup_by(|a, b| a.id() == b.id());
                clients
            }
            Receivers::Groups(names) => connected.of_groups(names.iter().map(String::as_str)),
            Receivers::Users(users) => connected.of_users(users),
            Receivers::GroupsAndEmpty(_) => return Err(SendError::EmptyGroup),
        })
    }
}

/// Encodes a message for clients of every protocol, because other servers may have some.
fn copies<T: Serialize>(method: &str, id: Option<&str>, arguments: &T) -> Result<Copies, SendError> {
    Protocol::ALL.into_iter().try_fold(Copies::default(), |copies, protocol| {
        let frame = encode(protocol, method, id.map(str::to_owned), arguments)?;
        Ok(copies.with(protocol, frame.payload()))
    })
}

fn encode<T: Serialize>(
    protocol: Protocol,
    method: &str,
    id: Option<String>,
    arguments: &T,
) -> Result<Frame, SendError> {
    if method.is_empty() {
        return Err(SendError::EmptyMethod);
    }
    let mut encoded = Vec::new();
    protocol
        .encode_arguments(arguments, &mut encoded)
        .map_err(|source| SendError::Arguments { method: method.to_owned(), source })?;
    let mut invocation = Invocation::new(method, protocol.arguments(&encoded));
    invocation.invocation_id = id.map(Into::into);
    Ok(frame(protocol, &HubMessage::Invocation(invocation)))
}
