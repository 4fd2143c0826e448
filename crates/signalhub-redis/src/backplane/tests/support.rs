//! Hubs on a real Redis, their clients, and a raw client of Redis that is another server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubStream};
use signalhub::connections::{ConnectionHandler, Peer};
use signalhub::protocol::Protocol;
use signalhub::{CloseReason, Connection, ConnectionId, Hub, HubBuilder, Identity};

use super::super::{BackplaneOptions, RedisBackplane};
use crate::link::{Instances, RedisSettings};
use crate::test_server::TestServer;

/// The name of the hub in the recording.
pub(super) const HUB: &str = "Demo.ChatHub";

/// Waits for an event of another process. The machine may be busy.
pub(super) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), event).await.expect("the event does not happen")
}

/// Connects a hub to Redis.
pub(super) async fn connect<S: Clone + Send + Sync + 'static>(
    redis: &TestServer,
    host: &str,
    hub: HubBuilder<S>,
) -> (Hub, Arc<RedisBackplane>) {
    connect_to_all(&[redis], host, hub).await
}

/// Connects a hub of this name to Redis.
pub(super) async fn connect_as<S: Clone + Send + Sync + 'static>(
    redis: &TestServer,
    name: &str,
    hub: HubBuilder<S>,
) -> (Hub, Arc<RedisBackplane>) {
    connect_with(&[redis], BackplaneOptions::new(name), hub).await
}

/// Connects a hub to several servers.
pub(super) async fn connect_to_all<S: Clone + Send + Sync + 'static>(
    servers: &[&TestServer],
    host: &str,
    hub: HubBuilder<S>,
) -> (Hub, Arc<RedisBackplane>) {
    let options = BackplaneOptions { host: host.to_owned(), ..BackplaneOptions::new(HUB) };
    connect_with(servers, options, hub).await
}

async fn connect_with<S: Clone + Send + Sync + 'static>(
    servers: &[&TestServer],
    options: BackplaneOptions,
    hub: HubBuilder<S>,
) -> (Hub, Arc<RedisBackplane>) {
    let addresses = servers.iter().map(|server| server.url().parse().unwrap()).collect();
    let settings = RedisSettings { addresses, username: None, password: None, tls_ca: None };
    let backplane = RedisBackplane::new(Instances::start(&settings).unwrap(), options);
    let hub = hub.backplane(Arc::clone(&backplane) as _).build();
    soon(backplane.connected()).await;
    (hub, backplane)
}

/// A client of a hub.
pub(super) struct Client {
    pub(super) peer: Peer,
    pub(super) id: ConnectionId,
}

impl Client {
    pub(super) async fn connect(hub: &Hub, user: Option<&str>, protocol: Protocol) -> Self {
        let (connection, mut peer) = Connection::pair(user.map_or_else(Identity::anonymous, Identity::user));
        let id = connection.id().clone();
        tokio::spawn(Arc::new(hub.clone()).handle(connection));
        peer.send(format!("{{\"protocol\":\"{}\",\"version\":1}}\u{1e}", protocol.name()));
        assert_eq!(soon(peer.receive()).await.unwrap(), "{}\u{1e}");
        Self { peer, id }
    }

    /// The next message, framed.
    pub(super) async fn next(&mut self) -> Bytes {
        soon(self.peer.receive()).await.expect("the connection has ended")
    }

    pub(super) fn vanish(&mut self) {
        self.peer.end(CloseReason::ClientGone);
    }
}

/// A client of Redis that sees everything that is published for the hub, and publishes as another server.
pub(super) struct Raw {
    connection: MultiplexedConnection,
    published: PubSubStream,
}

impl Raw {
    pub(super) async fn connect(redis: &TestServer) -> Self {
        let client = redis::Client::open(redis.url()).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        let (mut sink, published) = client.get_async_pubsub().await.unwrap().split();
        sink.psubscribe("*").await.unwrap();
        Self { connection, published }
    }

    pub(super) async fn publish(&self, channel: &str, payload: &[u8]) {
        let () =
            redis::cmd("PUBLISH").arg(channel).arg(payload).query_async(&mut self.connection.clone()).await.unwrap();
    }

    /// What was published next, by any server.
    pub(super) async fn next(&mut self) -> (String, Bytes) {
        let message = soon(self.published.next()).await.expect("the connection to Redis is open");
        (message.get_channel_name().to_owned(), Bytes::copy_from_slice(message.get_payload_bytes()))
    }

    /// The channels that any server listens on.
    pub(super) async fn channels(&self) -> Vec<String> {
        let channels = redis::cmd("PUBSUB").arg("CHANNELS").query_async(&mut self.connection.clone()).await;
        let mut channels: Vec<String> = channels.unwrap();
        channels.sort_unstable();
        channels
    }

    /// Waits until this number of channels is listened on.
    pub(super) async fn has_channels(&self, count: usize) -> Vec<String> {
        soon(async {
            loop {
                let channels = self.channels().await;
                if channels.len() == count {
                    return channels;
                }
                tokio::task::yield_now().await;
            }
        })
        .await
    }
}
