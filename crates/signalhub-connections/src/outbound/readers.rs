//! `Readers`: lets publishers wait for clients that read slowly.

use std::sync::Arc;
use std::time::Duration;

use super::backlog::Backlog;

/// Lets a publisher wait for the slow clients of a server, made by [`Server::readers`](crate::Server::readers).
///
/// A publisher that waits before each message does not fill the queues of clients that read, only more slowly than it
/// publishes.
#[derive(Clone, Debug, Default)]
pub struct Readers(pub(crate) Arc<Backlog>);

impl Readers {
    /// Waits while a client that reads has more than half of its [queue](crate::Endpoint::queue_limit) full, for at most
    /// `most`, and returns how long it waited.
    ///
    /// It does not wait for clients that read nothing, nor for longer than the
    /// [send timeout](crate::Endpoint::send_timeout) for a client that does not catch up.
    pub async fn wait(&self, most: Duration) -> Duration {
        self.0.wait(most).await
    }
}
