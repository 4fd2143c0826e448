//! Which Redis servers a node uses, told by what identifies their data.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{JoinError, connection};
use crate::dataset::DatasetId;
use crate::link::{Instance, Instances};

/// What identifies the data of each Redis server in the list of a node, in its order. `null` stands for a server that it is not connected
/// to now. Nodes may reach one server at different addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ServerList(pub(super) Vec<Option<DatasetId>>);

impl ServerList {
    /// Tells whether two lists may be of the same servers in the same order, as far as both nodes are connected to them.
    pub(super) fn fits(&self, other: &Self) -> bool {
        let is_same =
            |(one, other): (&Option<DatasetId>, &Option<DatasetId>)| one.zip(*other).is_none_or(|(a, b)| a == b);
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(is_same)
    }

    /// The places of two entries that are one server.
    fn repeated(&self) -> Option<(usize, usize)> {
        let places = self.0.iter().enumerate();
        places.filter(|(_, id)| id.is_some()).find_map(|(place, id)| {
            let earlier = self.0[..place].iter().position(|earlier| earlier == id)?;
            Some((earlier, place))
        })
    }
}

/// The servers of this node.
#[derive(Debug)]
pub(super) struct Servers {
    instances: Instances,
    prefix: Box<str>,
    known: Mutex<Known>,
    /// How often a server was found with other data than before.
    replaced: watch::Sender<u64>,
}

#[derive(Debug)]
struct Known {
    /// What identifies the data of those that are connected.
    now: ServerList,
    /// What identified the data of each server last.
    last: Vec<Option<DatasetId>>,
}

impl Servers {
    pub(super) fn new(instances: &Instances, prefix: &str) -> Self {
        let unknown = vec![None; instances.all().len()];
        let known = Mutex::new(Known { now: ServerList(unknown.clone()), last: unknown });
        Self { instances: instances.clone(), prefix: prefix.into(), known, replaced: watch::channel(0).0 }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The servers that are connected, by what was asked last.
    pub(super) fn now(&self) -> ServerList {
        self.known().now.clone()
    }

    /// How often a server was found with other data than before.
    pub(super) fn replaced(&self) -> watch::Receiver<u64> {
        self.replaced.subscribe()
    }

    /// Asks all servers at once what identifies their data.
    pub(super) async fn identify(&self) -> Vec<Result<DatasetId, JoinError>> {
        let ask = async |instance: &Instance| {
            let mut connection = connection(instance)?;
            let asked = DatasetId::ask(&self.prefix, &mut connection).await;
            asked.map_err(|error| {
                instance.doubt();
                JoinError::Redis { address: instance.address().to_string(), error }
            })
        };
        let asked = join_all(self.instances.all().iter().map(ask)).await;
        let mut known = self.known();
        let mut is_replaced = false;
        for (number, asked) in asked.iter().enumerate() {
            let id = asked.as_ref().ok().copied();
            known.now.0[number] = id;
            let Some(id) = id else { continue };
            if known.last[number].replace(id).is_some_and(|last| last != id) {
                let redis = self.instances.all()[number].address();
                tracing::warn!(%redis, "a Redis server has lost its data, or is another one than before");
                is_replaced = true;
            }
        }
        drop(known);
        if is_replaced {
            self.replaced.send_modify(|count| *count += 1);
        }
        asked
    }

    /// Refuses a list that has one server twice.
    pub(super) fn check(&self) -> Result<(), JoinError> {
        let address = |place: usize| self.instances.all()[place].address().to_string();
        match self.now().repeated() {
            Some((one, other)) => Err(JoinError::SameServer(address(one), address(other))),
            None => Ok(()),
        }
    }
}
