//! The backplane of ASP.NET Core SignalR on Redis: hubs of this program and of ASP.NET Core share clients, groups and users.

pub mod channels;
pub mod envelope;
mod listener;
mod subscriptions;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use redis::RedisError;
use signalhub::backplane::{Backplane, Channel, Envelope, Receive, ReturnAddress, ServerName, Unreachable};
use signalhub_connections::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::channels::Names;
use self::envelope::encode;
use self::listener::Listener;
use self::subscriptions::Confirmed;
use crate::link::{Instances, Link};
use crate::watched::keep_running;

/// How many messages are sent together.
const MOST_IN_A_PIPELINE: usize = 500;

/// How long a send waits before it looks for another connection after it has met a dead one.
const RETRY_PAUSE: Duration = Duration::from_millis(5);

/// How a hub takes part in a cluster.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BackplaneOptions {
    /// The name of the hub, which servers of one cluster have in common: in ASP.NET Core the full name of its class, such as
    /// `Demo.ChatHub`.
    pub hub: String,
    /// What stands in front of all channels. Servers with different prefixes do not see each other. Default: nothing.
    pub channel_prefix: String,
    /// The first part of the server's name, which other servers show in logs. Default: the name of the machine.
    pub host: String,
    /// How long a send waits for Redis, and a client or a group for its channel. Default: 2 s.
    pub patience: Duration,
}

impl BackplaneOptions {
    /// The defaults for a hub of this name.
    pub fn new(hub: impl Into<String>) -> Self {
        let (hub, channel_prefix) = (hub.into(), String::new());
        Self { hub, channel_prefix, host: host(), patience: Duration::from_secs(2) }
    }
}

/// The name of the machine.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "signalhub".to_owned())
}

/// The backplane of one hub. Each Redis server of the cluster has a part of the channels, chosen by their names; servers of ASP.NET
/// Core know one Redis server.
///
/// It shares the links for commands with everything else that uses the instances, and has a connection of its own to each Redis server
/// for its channels. When a connection is lost it is opened again, and what is wanted then is subscribed again.
pub struct RedisBackplane {
    names: Arc<Names>,
    server: ServerName,
    return_address: ReturnAddress,
    instances: Instances,
    patience: Duration,
    /// One for each Redis server, in their order.
    listeners: Arc<[Listener]>,
    /// It aborts the tasks when it is dropped.
    tasks: Mutex<JoinSet<()>>,
}

impl RedisBackplane {
    /// Makes the backplane of one hub. It connects when [the hub](signalhub::HubBuilder::backplane) is built, which must happen in a
    /// runtime.
    ///
    /// # Panics
    /// When the operating system has no random numbers.
    #[must_use]
    pub fn new(instances: Instances, options: BackplaneOptions) -> Arc<Self> {
        let BackplaneOptions { hub, channel_prefix, host, patience } = options;
        let names = Names::new(channel_prefix, hub);
        let server = ServerName::new(format!("{host}_{:032x}", random()));
        let return_address = names.return_address(&server);
        let own = [
            Channel::All,
            Channel::GroupCommands,
            Channel::Acks(server.clone()),
            Channel::Completions(return_address.clone()),
        ]
        .map(|channel| names.name(&channel));
        let listener = |(number, instance): (usize, &crate::link::Instance)| {
            let own = own.iter().filter(|name| instances.number_of(name.as_bytes()) == number);
            Listener::new(instance.clone(), own.cloned().collect())
        };
        let listeners = instances.all().iter().enumerate().map(listener).collect();
        let tasks = Mutex::default();
        Arc::new(Self { names: Arc::new(names), server, return_address, instances, patience, listeners, tasks })
    }

    /// Waits until all channels that every server needs are confirmed, at all Redis servers.
    pub async fn connected(&self) {
        for listener in &*self.listeners {
            listener.connected().await;
        }
    }

    fn listener(&self, name: &str) -> &Listener {
        &self.listeners[self.instances.number_of(name.as_bytes())]
    }

    /// Waits for a confirmation. `removed` is the outcome when the channel is not listened on any more.
    fn confirmation(
        &self,
        confirmed: Confirmed,
        removed: Result<(), Unreachable>,
    ) -> BoxFuture<Result<(), Unreachable>> {
        let deadline = Instant::now() + self.patience;
        Box::pin(async move {
            let Some(confirmed) = confirmed else { return Ok(()) };
            match tokio::time::timeout_at(deadline, confirmed).await {
                Ok(Ok(())) => Ok(()),
                // Removing a channel drops those who wait.
                Ok(Err(_)) => removed,
                Err(_) => Err(Unreachable),
            }
        })
    }
}

impl Backplane for RedisBackplane {
    fn server(&self) -> &ServerName {
        &self.server
    }

    fn return_address(&self) -> &ReturnAddress {
        &self.return_address
    }

    fn start(&self, receiver: Arc<dyn Receive>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 0..self.listeners.len() {
            self.listeners[number].announce();
            let (listeners, names, receiver) =
                (Arc::clone(&self.listeners), Arc::clone(&self.names), Arc::clone(&receiver));
            tasks.spawn(async move { keep_running("channels", || listeners[number].run(&names, &receiver)).await });
        }
    }

    fn publish(&self, channels: Vec<Channel>, envelope: Envelope) -> BoxFuture<Result<u64, Unreachable>> {
        let names: Vec<String> = channels.iter().map(|channel| self.names.name(channel)).collect();
        let (listeners, instances, patience) = (Arc::clone(&self.listeners), self.instances.clone(), self.patience);
        let deadline = Instant::now() + patience;
        Box::pin(async move {
            let payload = encode(&envelope);
            let mut of_listeners = vec![Vec::new(); listeners.len()];
            match &mut *of_listeners {
                [only] => *only = names,
                several => {
                    for name in names {
                        several[instances.number_of(name.as_bytes())].push(name);
                    }
                }
            }
            // All Redis servers at once: one that does not answer delays no other. Messages keep their order at each of them.
            let sends = listeners.iter().zip(&of_listeners).map(async |(listener, names)| {
                let published = async {
                    let mut receivers = 0;
                    for names in names.chunks(MOST_IN_A_PIPELINE) {
                        receivers += publish(listener, names, &payload, patience).await?;
                    }
                    Ok(receivers)
                };
                tokio::time::timeout_at(deadline, published).await.unwrap_or(Err(Unreachable))
            });
            join_all(sends).await.into_iter().sum()
        })
    }

    fn join(&self, channel: Channel) -> BoxFuture<Result<(), Unreachable>> {
        let name = self.names.name(&channel);
        // Another join of the channel may have given up, and left it for both.
        self.confirmation(self.listener(&name).subscriptions.join(&name), Err(Unreachable))
    }

    fn leave(&self, channel: Channel) -> BoxFuture<Result<(), Unreachable>> {
        let name = self.names.name(&channel);
        self.confirmation(self.listener(&name).subscriptions.leave(&name), Ok(()))
    }
}

impl fmt::Debug for RedisBackplane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackplane")
            .field("names", &self.names)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Sends a message on channels of one Redis server, and gives how many servers received it. It waits for a connection, and is sent at
/// most once: when an answer is lost, it is not known whether others have the message.
async fn publish(
    listener: &Listener,
    names: &[String],
    payload: &[u8],
    patience: Duration,
) -> Result<u64, Unreachable> {
    let mut pipeline = redis::pipe();
    for name in names {
        pipeline.publish(name, payload);
    }
    let instance = listener.instance();
    loop {
        // A server that is not subscribed to the channels of its own clients must not tell its callers that messages were sent to them.
        listener.connected().await;
        let Ok(mut connection) = instance.commands() else {
            instance.connected(Link::Commands).await;
            continue;
        };
        connection.set_response_timeout(patience);
        let mut answer = Box::pin(pipeline.query_async::<Vec<u64>>(&mut connection));
        let at_once = tokio::select! {
            biased;
            answer = &mut answer => Some(answer),
            () = std::future::ready(()) => None,
        };
        match at_once {
            // Nothing was written, because the connection is closed and its link does not know it yet.
            Some(Err(error)) if is_closed(&error) => {
                instance.doubt();
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Some(answer) => return received(answer),
            None => {
                let answer = answer.await;
                if answer.is_err() {
                    instance.doubt();
                }
                return received(answer);
            }
        }
    }
}

fn is_closed(error: &RedisError) -> bool {
    error.is_connection_dropped()
}

fn received(answer: Result<Vec<u64>, RedisError>) -> Result<u64, Unreachable> {
    answer.map(|receivers| receivers.iter().sum()).map_err(|error| {
        tracing::debug!(%error, "Redis did not take a message");
        Unreachable
    })
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system has a random number generator");
    u128::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests;
