//! The connected clients of a hub, by id, by user and by group.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use signalhub_connections::{BoxFuture, ConnectionId};
use signalhub_protocol::{Outcome, Protocol};

use super::client::Client;
use super::remote::Remote;
use super::results::{ClientResults, Delivery, ForeignAnswer};
use crate::backplane::{Channel, Unreachable};

/// All clients of a hub between handshake and end, and the calls that wait for their answers.
#[derive(Default)]
pub(crate) struct ConnectedClients {
    directory: RwLock<Directory>,
    results: ClientResults,
    /// The other servers of the hub; `None` in a hub without a backplane, which is alone.
    remote: Option<Arc<Remote>>,
}

/// When the other servers reach a client or the members of a group.
pub(crate) type Confirmation = BoxFuture<Result<(), Unreachable>>;

/// What became of a change of a group.
#[must_use]
pub(crate) enum Changed {
    /// It is done, or there was nothing to do.
    Done,
    /// It is done here, and confirmed when this ends. `was` tells whether the client was a member before.
    Confirming { confirmation: Confirmation, was: Member },
    /// The client is not connected to this server, but there are others.
    Elsewhere(Arc<Remote>),
}

/// To how many groups other servers may add a client. The code of this server alone decides how many it adds one to.
const MOST_GROUPS: usize = 10_000;

/// How many bytes the name of such a group may have.
const LONGEST_GROUP: usize = 4_096;

/// Whether a client is a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Yes,
    No,
}

#[derive(Debug, Default)]
struct Directory {
    clients: HashMap<ConnectionId, Entry>,
    users: HashMap<User, Members>,
    groups: HashMap<Arc<str>, Members>,
    /// How many clients speak each protocol.
    protocols: [usize; Protocol::ALL.len()],
}

#[derive(Debug)]
struct Entry {
    client: Arc<Client>,
    /// The client's groups, so that a client that leaves need not be searched for in all groups.
    groups: HashSet<Arc<str>>,
}

/// A user of an organisation, or of none. Users with the same name in two organisations are different users.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct User {
    pub(crate) organisation: Option<Arc<str>>,
    pub(crate) name: Arc<str>,
}

impl User {
    fn of(client: &Client) -> Option<Self> {
        let identity = client.identity();
        let name = identity.user.clone()?;
        Some(Self { organisation: identity.organisation.clone(), name })
    }

    /// Where other servers reach the user. One without a name has no channel, as in the original.
    pub(crate) fn channel(&self) -> Option<Channel> {
        let Self { organisation, name } = self.clone();
        (!name.is_empty()).then_some(Channel::User { organisation, name })
    }
}

type Members = HashMap<ConnectionId, Arc<Client>>;

impl ConnectedClients {
    fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn with_remote(remote: Option<Arc<Remote>>) -> Self {
        Self { remote, ..Self::default() }
    }

    /// The other servers of the hub.
    pub(crate) fn remote(&self) -> Option<&Arc<Remote>> {
        self.remote.as_ref()
    }

    /// Adds a client. In a cluster it gives what confirms that other servers reach it.
    pub(crate) fn insert(&self, client: &Arc<Client>) -> Vec<Confirmation> {
        let id = client.id().clone();
        let mut confirmations = Vec::new();
        let mut directory = self.write();
        if let Some(remote) = &self.remote {
            confirmations.push(remote.join(Channel::Connection(id.clone())));
        }
        if let Some(user) = User::of(client) {
            if let Some(remote) = &self.remote {
                confirmations.extend(user.channel().map(|channel| remote.join(channel)));
            }
            directory.users.entry(user).or_default().insert(id.clone(), Arc::clone(client));
        }
        directory.protocols[client.protocol() as usize] += 1;
        directory.clients.insert(id, Entry { client: Arc::clone(client), groups: HashSet::new() });
        confirmations
    }

    pub(crate) fn remove(&self, id: &ConnectionId) {
        let mut directory = self.write();
        let Some(entry) = directory.clients.remove(id) else { return };
        directory.protocols[entry.client.protocol() as usize] -= 1;
        // Channels are left in the order of the original; no one waits for the confirmations.
        let left = |channel: Channel| self.remote.as_ref().map(|remote| remote.leave(channel));
        if self.remote.is_some() {
            drop(left(Channel::Connection(id.clone())));
        }
        for group in &entry.groups {
            if let Left::Last = leave(&mut directory.groups, group, id) {
                drop(left(Channel::Group(Arc::clone(group))));
            }
        }
        if let Some(user) = User::of(&entry.client)
            && let Left::Last = leave(&mut directory.users, &user, id)
            && self.remote.is_some()
        {
            drop(user.channel().map(left));
        }
    }

    /// Adds a client to a group; an unknown client is ignored.
    pub(crate) fn join(&self, id: &ConnectionId, group: &str) -> Changed {
        let mut directory = self.write();
        let Directory { clients, groups, .. } = &mut *directory;
        let Some(entry) = clients.get_mut(id) else { return self.elsewhere() };
        let name = groups.get_key_value(group).map_or_else(|| group.into(), |(name, _)| Arc::clone(name));
        groups.entry(Arc::clone(&name)).or_default().insert(id.clone(), Arc::clone(&entry.client));
        let is_new = entry.groups.insert(Arc::clone(&name));
        match &self.remote {
            None => Changed::Done,
            // A member that is not the first one waits for the confirmation of the first one as well.
            Some(remote) => Changed::Confirming {
                confirmation: remote.join(Channel::Group(name)),
                was: if is_new { Member::No } else { Member::Yes },
            },
        }
    }

    /// Tells whether another server may add a client to a group. A client that is not here is left to its server.
    pub(crate) fn has_room_in_group(&self, id: &ConnectionId, group: &str) -> bool {
        let directory = self.read();
        let Some(Entry { groups, .. }) = directory.clients.get(id) else { return true };
        groups.contains(group) || (groups.len() < MOST_GROUPS && group.len() <= LONGEST_GROUP)
    }

    /// Removes a client from a group; a client that is not in it is ignored.
    pub(crate) fn leave(&self, id: &ConnectionId, group: &str) -> Changed {
        let mut directory = self.write();
        let Some(entry) = directory.clients.get_mut(id) else { return self.elsewhere() };
        if !entry.groups.remove(group) {
            return Changed::Done;
        }
        match (leave(&mut directory.groups, group, id), &self.remote) {
            (Left::Last, Some(remote)) => {
                let confirmation = remote.leave(Channel::Group(group.into()));
                Changed::Confirming { confirmation, was: Member::Yes }
            }
            _ => Changed::Done,
        }
    }

    fn elsewhere(&self) -> Changed {
        self.remote.as_ref().map_or(Changed::Done, |remote| Changed::Elsewhere(Arc::clone(remote)))
    }

    /// Passes on a client's completion, to this server or to the one that asked; a completion that is not waited for is ignored.
    pub(crate) fn complete(&self, client: &Client, id: &str, outcome: Outcome<'_>) -> Result<Delivery, ForeignAnswer> {
        if let Some(remote) = &self.remote
            && remote.pass_on(client, id, &outcome)?
        {
            return Ok(Delivery::Done);
        }
        self.results.complete(client, id, outcome)
    }

    /// Ends all waiting for a client that has gone.
    pub(crate) fn disconnect(&self, client: &Client) {
        self.results.disconnect(client);
        if let Some(remote) = &self.remote {
            remote.end_questions(client);
        }
    }

    pub(crate) fn find(&self, id: &ConnectionId) -> Option<Arc<Client>> {
        self.read().clients.get(id).map(|entry| Arc::clone(&entry.client))
    }

    /// The groups of a client; none if it is unknown.
    pub(crate) fn groups_of(&self, id: &ConnectionId) -> Vec<Arc<str>> {
        self.read().clients.get(id).map(|entry| entry.groups.iter().cloned().collect()).unwrap_or_default()
    }

    /// Any one of the clients.
    pub(crate) fn any(&self) -> Option<Arc<Client>> {
        self.read().clients.values().next().map(|entry| Arc::clone(&entry.client))
    }

    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        self.read().clients.values().map(|entry| Arc::clone(&entry.client)).collect()
    }

    /// The clients of each of these users.
    pub(crate) fn of_users(&self, users: &[User]) -> Vec<Arc<Client>> {
        let directory = self.read();
        members(users.iter().filter_map(|user| directory.users.get(user)))
    }

    /// The members of each of these groups. A client that is in several of them is there as often.
    pub(crate) fn of_groups<'a>(&self, groups: impl IntoIterator<Item = &'a str>) -> Vec<Arc<Client>> {
        let directory = self.read();
        members(groups.into_iter().filter_map(|group| directory.groups.get(group)))
    }

    /// The calls that wait for the answers of these clients.
    pub(crate) fn results(&self) -> &ClientResults {
        &self.results
    }

    pub(crate) fn len(&self) -> usize {
        self.read().clients.len()
    }

    /// How many clients speak a protocol.
    pub(crate) fn count_of(&self, protocol: Protocol) -> usize {
        self.read().protocols[protocol as usize]
    }

    pub(crate) fn group_count(&self) -> usize {
        self.read().groups.len()
    }
}

impl fmt::Debug for ConnectedClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectedClients({})", self.len())
    }
}

/// All members of some sets.
fn members<'a>(sets: impl Iterator<Item = &'a Members>) -> Vec<Arc<Client>> {
    let mut all = Vec::new();
    for set in sets {
        all.reserve(set.len());
        all.extend(set.values().cloned());
    }
    all
}

/// Whether others are in a set that a member has left.
enum Left {
    Last,
    Others,
}

/// Removes a member, and its set with the last member.
fn leave<K, Q>(sets: &mut HashMap<K, Members>, name: &Q, id: &ConnectionId) -> Left
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
{
    if let Some(members) = sets.get_mut(name) {
        members.remove(id);
        if members.is_empty() {
            sets.remove(name);
            return Left::Last;
        }
    }
    Left::Others
}
