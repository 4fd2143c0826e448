//! `ConnectionHandler`: the trait that serves connections.

use std::pin::Pin;
use std::sync::Arc;

use crate::connection::Connection;

/// A future that can move between threads, behind one pointer.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Serves the connections of an endpoint in one dialect, as a SignalR hub does.
pub trait ConnectionHandler: Send + Sync + 'static {
    /// Serves one connection from its start to its end.
    ///
    /// It is called once per connection. A handler ends a connection with [`Connection::close`]; one that just returns
    /// drops the transport.
    fn handle(self: Arc<Self>, connection: Connection) -> BoxFuture<()>;

    /// Tells whether connections keep the request that opened them, for
    /// [`Connection::opening_request`]. By default they do not: it takes memory for as long as a connection lives.
    fn keeps_opening_request(&self) -> bool {
        false
    }
}
