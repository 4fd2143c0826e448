//! The owners of connections, in the memory of the test.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use signalhub_connections::*;
use tokio::time::Instant;

/// What all nodes share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    nodes: Mutex<HashMap<NodeName, Node>>,
    claims: Mutex<HashMap<String, Entry>>,
}

#[derive(Clone, Debug)]
enum Entry {
    Of(NodeName),
    EndedUntil(Instant),
}

/// The store as one node sees it.
#[derive(Debug)]
pub(super) struct Store {
    shared: Arc<Shared>,
    name: NodeName,
    /// Whether the node cannot reach the store.
    pub(super) severed: AtomicBool,
    /// Whether the part of the store with the claims does not answer renewals.
    pub(super) answers_no_renewal: AtomicBool,
    /// Whether the next renewal panics.
    pub(super) panics_once: AtomicBool,
    /// Told when it has lost claims.
    lost: tokio::sync::Notify,
    /// How often it was asked.
    pub(super) asked: AtomicUsize,
}

impl Shared {
    pub(super) fn join(&self, name: &NodeName, address: &str) {
        let node = Node { name: name.clone(), address: Some(NodeAddress::new(address).unwrap()) };
        self.nodes.lock().unwrap().insert(name.clone(), node);
    }

    pub(super) fn leave(&self, name: &NodeName) {
        self.nodes.lock().unwrap().remove(name);
    }

    /// The number of connections that some node owns.
    pub(super) fn owned(&self) -> usize {
        self.claims.lock().unwrap().values().filter(|entry| matches!(entry, Entry::Of(_))).count()
    }

    /// Makes a node the owner of everything that is asked for.
    pub(super) fn give_all_to(&self, name: &NodeName) {
        self.claims.lock().unwrap().values_mut().for_each(|entry| *entry = Entry::Of(name.clone()));
    }

    /// Loses all claims, as a store that was restarted without its data.
    pub(super) fn forget_all(&self) {
        self.claims.lock().unwrap().clear();
    }

    fn present(&self, name: &NodeName) -> Option<Node> {
        self.nodes.lock().unwrap().get(name).cloned()
    }
}

impl Store {
    pub(super) fn new(shared: &Arc<Shared>, name: &NodeName) -> Self {
        let (severed, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
        let answers_no_renewal = AtomicBool::new(false);
        Self {
            shared: Arc::clone(shared),
            name: name.clone(),
            severed,
            answers_no_renewal,
            panics_once: AtomicBool::new(false),
            lost: Default::default(),
            asked,
        }
    }

    pub(super) fn sever(&self, severed: bool) {
        self.severed.store(severed, Ordering::Relaxed);
    }

    /// Tells the server that claims may be lost.
    pub(super) fn tell_lost(&self) {
        self.lost.notify_one();
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    fn ask(&self) -> Result<(), OwnersUnavailable> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match self.severed.load(Ordering::Relaxed) {
            true => Err(OwnersUnavailable("severed".to_owned())),
            false => Ok(()),
        }
    }

    fn take(&self, id: &ConnectionId) -> Claim {
        let mut claims = self.shared.claims.lock().unwrap();
        match claims.get(id.as_str()) {
            Some(Entry::Of(name)) if *name != self.name => self.shared.present(name).map_or(Claim::Ended, Claim::At),
            Some(Entry::EndedUntil(until)) if *until > Instant::now() => Claim::Ended,
            _ => {
                claims.insert(id.as_str().to_owned(), Entry::Of(self.name.clone()));
                Claim::Here
            }
        }
    }
}

impl Owners for Store {
    fn claim<'a>(&'a self, id: &'a ConnectionId, _: Duration) -> OwnersFuture<'a, Claim> {
        Box::pin(async move { self.ask().map(|()| self.take(id)) })
    }

    fn renew<'a>(&'a self, ids: &'a [ConnectionId]) -> OwnersFuture<'a, RenewedClaims> {
        Box::pin(async move {
            self.ask()?;
            assert!(!self.panics_once.swap(false, Ordering::Relaxed), "the code of an application panics");
            if self.answers_no_renewal.load(Ordering::Relaxed) {
                return Ok(RenewedClaims { lost: Vec::new(), unanswered: ids.to_vec() });
            }
            let lost = ids.iter().filter(|id| matches!(self.take(id), Claim::At(_))).cloned().collect();
            Ok(RenewedClaims { lost, unanswered: Vec::new() })
        })
    }

    fn lost(&self) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.lost.notified())
    }

    fn find<'a>(&'a self, id: &'a ConnectionId) -> OwnersFuture<'a, Option<Node>> {
        Box::pin(async move {
            self.ask()?;
            Ok(match self.shared.claims.lock().unwrap().get(id.as_str()) {
                Some(Entry::Of(name)) => self.shared.present(name),
                _ => None,
            })
        })
    }

    fn release(&self, id: &ConnectionId, remembered: Duration) {
        if self.ask().is_err() {
            return;
        }
        let mut claims = self.shared.claims.lock().unwrap();
        match claims.get(id.as_str()) {
            _ if !remembered.is_zero() => {
                claims.insert(id.as_str().to_owned(), Entry::EndedUntil(Instant::now() + remembered));
            }
            Some(Entry::Of(name)) if *name == self.name => drop(claims.remove(id.as_str())),
            _ => {}
        }
    }
}
