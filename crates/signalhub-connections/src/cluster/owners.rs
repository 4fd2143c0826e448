//! Which node of a cluster owns which connection: what a server needs of a store that all nodes share.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use super::node::Node;
use crate::id::ConnectionId;

/// What [`Owners`] return where they wait.
pub type OwnersFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, OwnersUnavailable>> + Send + 'a>>;

/// Which node owns which connection, in a store that all nodes of a cluster share.
///
/// A *claim* is the entry of one connection: the name of the node that owns it. A store may drop a claim that was not
/// [renewed](Self::renew) for 60 s, which ends the claims of nodes that have crashed.
///
/// Tickets are claimed, too, under ids that are made from them: as long as a ticket may open connections, its claim may be any
/// node's, and when it may not any more, it is [released](Self::release).
///
/// All methods must answer within about a second, with [`OwnersUnavailable`] if the store does not.
pub trait Owners: fmt::Debug + Send + Sync + 'static {
    /// Makes this node the owner of a connection, unless another node is, or the connection has ended before. A claim of
    /// this node stays as it is. The claim lasts at least for `lasting`, also if it is not renewed.
    ///
    /// A node without the store owns the connections that reach it without a claim, and claims them with
    /// [`Owners::renew`] later.
    ///
    /// # Errors
    /// When the store cannot be asked now.
    fn claim<'a>(&'a self, id: &'a ConnectionId, lasting: Duration) -> OwnersFuture<'a, Claim>;

    /// Keeps the claims of this node, and makes those that the store does not have, because they are new or were dropped.
    /// The server calls it every 20 s with all connections to which further requests may come, at most 500 at once.
    ///
    /// # Errors
    /// When no part of the store can be asked now.
    fn renew<'a>(&'a self, ids: &'a [ConnectionId]) -> OwnersFuture<'a, RenewedClaims>;

    /// Completes when the store may have lost claims since the last time, because it was restarted or replaced. The server then
    /// [renews](Self::renew) all of them at once. By default it never completes.
    fn lost(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::pending())
    }

    /// Finds the node that owns a connection. `None` if no node does, or if the node is not present any more. It may be
    /// this node.
    ///
    /// # Errors
    /// When the store cannot be asked now.
    fn find<'a>(&'a self, id: &'a ConnectionId) -> OwnersFuture<'a, Option<Node>>;

    /// Records that a connection has ended, without waiting for the store. For the time of `remembered`, the answer to a
    /// [claim](Self::claim) of any node is [`Claim::Ended`], whichever node owned it: its token cannot be used again. If the
    /// time is zero, only the claim of this node is removed.
    ///
    /// If the store cannot be asked now, nothing is recorded.
    fn release(&self, id: &ConnectionId, remembered: Duration);
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This node owns the connection.
    Here,
    /// Another node owns it.
    At(Node),
    /// The connection has ended, or belongs to a node that is not present any more.
    Ended,
}

/// The answer to a [renewal](Owners::renew). Connections that are in no list have their claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenewedClaims {
    /// The connections that another node owns instead.
    pub lost: Vec<ConnectionId>,
    /// The connections whose claims are in a part of the store that cannot be asked now.
    pub unanswered: Vec<ConnectionId>,
}

/// The store of the owners cannot be asked now: this node is severed from it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the owners of connections are not available: {0}")]
pub struct OwnersUnavailable(pub String);
