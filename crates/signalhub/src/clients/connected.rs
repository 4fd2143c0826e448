//! The connected clients of a hub, by id, by user and by group.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use signalhub_connections::ConnectionId;

use crate::clients::client::Client;

/// All clients of a hub between handshake and end.
#[derive(Debug, Default)]
pub(crate) struct Lifetime(RwLock<Roster>);

#[derive(Debug, Default)]
struct Roster {
    clients: HashMap<ConnectionId, Entry>,
    users: HashMap<User, Members>,
    groups: HashMap<Arc<str>, Members>,
}

#[derive(Debug)]
struct Entry {
    client: Arc<Client>,
    /// So that leaving costs a client's own groups and not those of all.
    groups: HashSet<Arc<str>>,
}

/// A user of an organisation, or of none: the same name in another one is somebody else.
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

impl Lifetime {
    fn read(&self) -> RwLockReadGuard<'_, Roster> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Roster> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, client: &Arc<Client>) {
        let id = client.id().clone();
        let mut roster = self.write();
        if let Some(user) = User::of(client) {
            roster.users.entry(user).or_default().insert(id.clone(), Arc::clone(client));
        }
        roster.clients.insert(id, Entry { client: Arc::clone(client), groups: HashSet::new() });
    }

    pub(crate) fn remove(&self, id: &ConnectionId) {
        let mut roster = self.write();
        let Some(entry) = roster.clients.remove(id) else { return };
        if let Some(user) = User::of(&entry.client) {
            leave(&mut roster.users, &user, id);
        }
        for group in &entry.groups {
            leave(&mut roster.groups, group, id);
        }
    }

    /// Puts a client into a group; an unknown client is nobody.
    pub(crate) fn join(&self, id: &ConnectionId, group: &str) {
        let mut roster = self.write();
        let Roster { clients, groups, .. } = &mut *roster;
        let Some(entry) = clients.get_mut(id) else { return };
        let name = groups.get_key_value(group).map_or_else(|| group.into(), |(name, _)| Arc::clone(name));
        groups.entry(Arc::clone(&name)).or_default().insert(id.clone(), Arc::clone(&entry.client));
        entry.groups.insert(name);
    }

    /// Takes a client out of a group; one that is not in it stays out.
    pub(crate) fn leave(&self, id: &ConnectionId, group: &str) {
        let mut roster = self.write();
        if let Some(entry) = roster.clients.get_mut(id)
            && entry.groups.remove(group)
        {
            leave(&mut roster.groups, group, id);
        }
    }

    pub(crate) fn find(&self, id: &ConnectionId) -> Option<Arc<Client>> {
        self.read().clients.get(id).map(|entry| Arc::clone(&entry.client))
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

    pub(crate) fn len(&self) -> usize {
        self.read().clients.len()
    }

    pub(crate) fn group_count(&self) -> usize {
        self.read().groups.len()
    }
}

/// Takes a member out, and the set with its last one.
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
