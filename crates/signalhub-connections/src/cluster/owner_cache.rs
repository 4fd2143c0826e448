//! The nodes that own connections, as this node has found out lately.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::node::Node;
use super::token::ConnectionKey;

/// How long an owner is remembered.
const LIFETIME: Duration = Duration::from_secs(30);

/// How many owners are remembered.
const MOST: usize = 10_000;

/// The owners of the connections whose requests were forwarded lately.
#[derive(Debug, Default)]
pub(super) struct OwnerCache {
    owners: HashMap<ConnectionKey, (Node, Instant)>,
    /// In the order in which they were added. A connection may be in it more than once.
    order: VecDeque<(Instant, ConnectionKey)>,
}

impl OwnerCache {
    pub(super) fn get(&self, key: &ConnectionKey, now: Instant) -> Option<Node> {
        let (node, until) = self.owners.get(key)?;
        (*until > now).then(|| node.clone())
    }

    pub(super) fn insert(&mut self, key: ConnectionKey, owner: Node, now: Instant) {
        while let Some(&(until, oldest)) = self.order.front()
            && (until <= now || self.order.len() >= MOST)
        {
            self.order.pop_front();
            // It may have been added again later.
            if self.owners.get(&oldest).is_some_and(|(_, latest)| *latest == until) {
                self.owners.remove(&oldest);
            }
        }
        let until = now + LIFETIME;
        self.owners.insert(key, (owner, until));
        self.order.push_back((until, key));
    }

    pub(super) fn remove(&mut self, key: &ConnectionKey) {
        self.owners.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::node::NodeName;

    fn node(name: &str) -> Node {
        Node { name: NodeName::new(name).unwrap(), address: None }
    }

    #[test]
    fn an_owner_is_remembered_for_30_s() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut cache = OwnerCache::default();
        cache.insert([1; 16], node("a"), start);
        cache.insert([1; 16], node("b"), start + 10 * second);
        assert_eq!(cache.get(&[1; 16], start + 29 * second), Some(node("b")));
        cache.insert([2; 16], node("a"), start + 30 * second);
        assert_eq!(cache.get(&[1; 16], start + 39 * second), Some(node("b")));
        assert_eq!(cache.get(&[1; 16], start + 40 * second), None);
        cache.remove(&[2; 16]);
        assert_eq!(cache.get(&[2; 16], start + 31 * second), None);
    }

    #[test]
    fn the_oldest_owners_make_room() {
        let (start, mut cache) = (Instant::now(), OwnerCache::default());
        for number in 0..MOST as u128 + 2 {
            cache.insert(number.to_be_bytes(), node("a"), start);
        }
        assert_eq!((cache.owners.len(), cache.order.len()), (MOST, MOST));
        assert_eq!(cache.get(&1_u128.to_be_bytes(), start), None);
        assert_eq!(cache.get(&2_u128.to_be_bytes(), start), Some(node("a")));
    }
}
