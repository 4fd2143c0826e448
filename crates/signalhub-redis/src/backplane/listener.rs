//! The connection on which a server listens to the channels of one Redis server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{RedisError, Value};
use signalhub::backplane::Receive;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::channels::Names;
use super::envelope::decode;
use super::subscriptions::{Batch, Subscriptions};
use crate::link::backoff::Backoff;
use crate::link::{Instance, Link};

/// How long Redis may take to confirm a command.
const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may be without a command before it is tried out.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// How many bytes of messages may wait until the hub has taken them. Redis itself ends a connection that is 32 MiB behind.
const MOST_WAITING_BYTES: u32 = 32 * 1024 * 1024;

/// How many messages may wait.
const MOST_WAITING_MESSAGES: usize = 65_536;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the connection was closed")]
    Closed,
    #[error(
        "more than {MOST_WAITING_MESSAGES} messages or {MOST_WAITING_BYTES} bytes waited for the hub; messages were lost"
    )]
    TooFarBehind,
    #[error("the primary is another server")]
    Moved,
    #[error("no answer in {CONFIRMATION_TIMEOUT:?}")]
    Silent,
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// A message that waits for the hub.
struct Waiting {
    channel: String,
    payload: Bytes,
    _bytes: OwnedSemaphorePermit,
}

/// Listens at one Redis server.
#[derive(Debug)]
pub(super) struct Listener {
    instance: Instance,
    /// The channels of this server itself at this Redis server, in the order in which they are subscribed.
    own: Vec<String>,
    pub(super) subscriptions: Subscriptions,
    is_connected: watch::Sender<bool>,
}

impl Listener {
    pub(super) fn new(instance: Instance, own: Vec<String>) -> Self {
        let (is_connected, _) = watch::channel(false);
        Self { instance, own, subscriptions: Subscriptions::default(), is_connected }
    }

    pub(super) fn instance(&self) -> &Instance {
        &self.instance
    }

    /// Says that the node has a link for channels, before it is opened.
    pub(super) fn announce(&self) {
        self.instance.uses(Link::Channels);
    }

    /// Waits until all channels are confirmed.
    pub(super) async fn connected(&self) {
        // It owns the sender, so this ends with the state alone.
        drop(self.is_connected.subscribe().wait_for(|is_connected| *is_connected).await);
    }

    /// Listens until it is dropped, and opens the connection again when it is lost.
    pub(super) async fn run(&self, names: &Names, receiver: &Arc<dyn Receive>) {
        // An earlier run may have panicked while it was connected.
        self.is_connected.send_replace(false);
        self.subscriptions.lost();
        let (sender, waiting) = mpsc::channel(MOST_WAITING_MESSAGES);
        tokio::join!(self.keep_connected(&sender), pass_on(names, receiver, waiting));
    }

    async fn keep_connected(&self, sender: &mpsc::Sender<Waiting>) {
        let room = Arc::new(Semaphore::new(MOST_WAITING_BYTES as usize));
        let mut backoff = Backoff::default();
        loop {
            let mut primaries = self.instance.primaries();
            match self.instance.open_channels().await {
                Ok(connection) => {
                    let (sink, stream) = connection.split();
                    let ended = tokio::select! {
                        ended = read(stream, sender, &room) => ended,
                        ended = self.subscribe(sink) => ended,
                        Ok(()) = primaries.changed() => Ended::Moved,
                    };
                    if self.is_connected.send_replace(false) {
                        backoff = Backoff::default();
                    }
                    self.subscriptions.lost();
                    tracing::warn!(redis = %self.instance.address(), error = %ended, "lost the channels of the backplane");
                }
                Err(error) => tracing::debug!(redis = %self.instance.address(), %error, "Redis cannot be reached"),
            }
            tokio::time::sleep(backoff.next()).await;
        }
    }

    /// Subscribes to what is wanted: first to the channels of this server, one after another as the original, then to all others.
    async fn subscribe(&self, mut sink: PubSubSink) -> Ended {
        let ended: Result<(), Ended> = async {
            for name in &self.own {
                in_time(sink.subscribe(name)).await?;
            }
            self.send_batches(&mut sink).await?;
            let _connected = self.instance.mark_connected(Link::Channels);
            self.is_connected.send_replace(true);
            loop {
                if tokio::time::timeout(PING_INTERVAL, self.subscriptions.changed()).await.is_err() {
                    in_time(sink.ping::<Value>()).await?;
                }
                self.send_batches(&mut sink).await?;
            }
        }
        .await;
        ended.err().unwrap_or(Ended::Closed)
    }

    async fn send_batches(&self, sink: &mut PubSubSink) -> Result<(), Ended> {
        while let Some(batch) = self.subscriptions.next_batch() {
            match &batch {
                Batch::Subscribe(names) => {
                    in_time(sink.subscribe(names.iter().map(|name| &**name).collect::<Vec<_>>())).await?;
                }
                Batch::Unsubscribe(names) => {
                    in_time(sink.unsubscribe(names.iter().map(|name| &**name).collect::<Vec<_>>())).await?;
                }
            }
            self.subscriptions.confirm(&batch);
        }
        Ok(())
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, RedisError>>) -> Result<T, Ended> {
    Ok(tokio::time::timeout(CONFIRMATION_TIMEOUT, answer).await.map_err(|_| Ended::Silent)??)
}

/// Takes messages from the connection at once, because the client library keeps what is not taken, without a limit.
async fn read(mut stream: PubSubStream, sender: &mpsc::Sender<Waiting>, room: &Arc<Semaphore>) -> Ended {
    while let Some(message) = stream.next().await {
        let payload = Bytes::copy_from_slice(message.get_payload_bytes());
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX).min(MOST_WAITING_BYTES);
        let Ok(bytes) = Arc::clone(room).try_acquire_many_owned(len) else { return Ended::TooFarBehind };
        let waiting = Waiting { channel: message.get_channel_name().to_owned(), payload, _bytes: bytes };
        if sender.try_send(waiting).is_err() {
            return Ended::TooFarBehind;
        }
    }
    Ended::Closed
}

/// Gives the messages to the hub, one after another.
async fn pass_on(names: &Names, receiver: &Arc<dyn Receive>, mut waiting: mpsc::Receiver<Waiting>) {
    while let Some(message) = waiting.recv().await {
        let Some(channel) = names.channel(&message.channel) else { continue };
        match decode(&channel, &message.payload) {
            Ok(envelope) => receiver.receive(channel, envelope).await,
            Err(malformed) => receiver.refuse(channel.kind().label(), &malformed),
        }
    }
}
