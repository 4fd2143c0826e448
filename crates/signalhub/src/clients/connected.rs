//! The connected clients of a hub, by id, by user and by group.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use signalhub_connections::ConnectionId;
use signalhub_protocol::Protocol;

use super::client::Client;
use super::results::ClientResults;

/// All clients of a hub between handshake and end, and the calls that wait for their answers.
#[derive(Default)]
pub(crate) struct ConnectedClients {
    directory: RwLock<Directory>,
    results: ClientResults,
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
}

type Members = HashMap<ConnectionId, Arc<Client>>;

impl ConnectedClients {
    fn read(&self) -> RwLockReadGuard<'_, Directory> {
        self.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Directory> {
        self.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, client: &Arc<Client>) {
        let id = client.id().clone();
        let mut directory = self.write();
        if let Some(user) = User::of(client) {
            directory.users.entry(user).or_default().insert(id.clone(), Arc::clone(client));
        }
        directory.protocols[client.protocol() as usize] += 1;
        directory.clients.insert(id, Entry { client: Arc::clone(client), groups: HashSet::new() });
    }

    pub(crate) fn remove(&self, id: &ConnectionId) {
        let mut directory = self.write();
        let Some(entry) = directory.clients.remove(id) else { return };
        directory.protocols[entry.client.protocol() as usize] -= 1;
        if let Some(user) = User::of(&entry.client) {
            leave(&mut directory.users, &user, id);
        }
        for group in &entry.groups {
            leave(&mut directory.groups, group, id);
        }
    }

    /// Adds a client to a group; an unknown client is ignored.
    pub(crate) fn join(&self, id: &ConnectionId, group: &str) {
        let mut directory = self.write();
        let Directory { clients, groups, .. } = &mut *directory;
        let Some(entry) = clients.get_mut(id) else { return };
        let name = groups.get_key_value(group).map_or_else(|| group.into(), |(name, _)| Arc::clone(name));
        groups.entry(Arc::clone(&name)).or_default().insert(id.clone(), Arc::clone(&entry.client));
        entry.groups.insert(name);
    }

    /// Removes a client from a group; a client that is not in it is ignored.
    pub(crate) fn leave(&self, id: &ConnectionId, group: &str) {
        let mut directory = self.write();
        if let Some(entry) = directory.clients.get_mut(id)
            && entry.groups.remove(group)
        {
            leave(&mut directory.groups, group, id);
        }
    }

    pub(crate) fn find(&self, id: &ConnectionId) -> Option<Arc<Client>> {
        self.read().clients.get(id).map(|entry| Arc::clone(&entry.client))
    }

    /// The groups of a client; none if it is unknown.
    pub(crate) fn groups_of(&self, id: &ConnectionId) -> Vec<Arc<str>> {
        self.read().clients.get(id).map(|entry| entry.groups.iter().cloned().collect()).unwrap_or_default()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Client>> {
        self.read().clients.values().map(|entry| Arc::clone(&entry.client)).collect()
    }

    pub(crate) fn of_user(&self, user: &User) -> Vec<Arc<Client>> {
        self.read().users.get(user).into_iter().flat_map(Members::values).cloned().collect()
    }

    pub(crate) fn of_group(&self, group: &str) -> Vec<Arc<Client>> {
        self.read().groups.get(group).into_iter().flat_map(Members::values).cloned().collect()
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

/// Removes a member, and its set with the last member.
fn leave<K, Q>(sets: &mut HashMap<K, Members>, name: &Q, id: &ConnectionId)
where
    K: Borrow<Q> + Eq + Hash,
    Q: Eq + Hash + ?Sized,
{
    if let Some(members) = sets.get_mut(name) {
        members.remove(id);
        if members.is_empty() {
            sets.remove(name);
        }
    }
}
