//! A backplane in memory, for hubs that are the servers of one cluster.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use signalhub::backplane::{Backplane, Channel, Envelope, Receive, ReturnAddress, ServerName, Unreachable};
use signalhub::connections::BoxFuture;
use tokio::sync::mpsc;

/// How long a server waits for a bus that is cut.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// How many messages may wait for one server.
const MOST_MESSAGES: usize = 1_000;

/// What the servers of a cluster are connected by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bus(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    servers: Vec<Connected>,
    published: Vec<(Channel, Envelope)>,
    is_cut: bool,
}

#[derive(Debug)]
struct Connected {
    joined: HashSet<Channel>,
    messages: mpsc::Sender<(Channel, Envelope)>,
}

/// The connection of one server to the bus.
#[derive(Debug)]
pub(crate) struct Server {
    bus: Bus,
    index: usize,
    name: ServerName,
    address: ReturnAddress,
    messages: Mutex<Option<mpsc::Receiver<(Channel, Envelope)>>>,
}

impl Bus {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Connects a server.
    pub(crate) fn server(&self, name: &str) -> Arc<Server> {
        let (name, address) = (ServerName::new(name), ReturnAddress::new(format!("Hub:internal:return:{name}")));
        let joined =
            [Channel::All, Channel::GroupCommands, Channel::Acks(name.clone()), Channel::Completions(address.clone())];
        let (sender, receiver) = mpsc::channel(MOST_MESSAGES);
        let mut state = self.lock();
        state.servers.push(Connected { joined: joined.into(), messages: sender });
        let (index, messages) = (state.servers.len() - 1, Mutex::new(Some(receiver)));
        Arc::new(Server { bus: self.clone(), index, name, address, messages })
    }

    pub(crate) fn cut(&self) {
        self.lock().is_cut = true;
    }

    pub(crate) fn mend(&self) {
        self.lock().is_cut = false;
    }

    /// What was published since the last call.
    pub(crate) fn published(&self) -> Vec<(Channel, Envelope)> {
        std::mem::take(&mut self.lock().published)
    }

    /// How many channels a server listens on besides those of every server.
    pub(crate) fn joined(&self, index: usize) -> usize {
        self.lock().servers[index].joined.len() - 4
    }

    /// Publishes a message as some server, and gives how many received it.
    pub(crate) fn publish(&self, channel: Channel, envelope: Envelope) -> u64 {
        let mut state = self.lock();
        let listening = state.servers.iter().filter(|server| server.joined.contains(&channel));
        // A server that has ended takes nothing. No test sends more at once than there is room for.
        let sent = listening.filter(|server| server.messages.try_send((channel.clone(), envelope.clone())).is_ok());
        let count = sent.count() as u64;
        state.published.push((channel, envelope));
        count
    }

    /// Ends at once if the bus works, and in an error after the patience if it is cut.
    fn reached(&self) -> BoxFuture<Result<(), Unreachable>> {
        if self.lock().is_cut {
            return Box::pin(async {
                tokio::time::sleep(PATIENCE).await;
                Err(Unreachable)
            });
        }
        Box::pin(async { Ok(()) })
    }
}

impl Backplane for Server {
    fn server(&self) -> &ServerName {
        &self.name
    }

    fn return_address(&self) -> &ReturnAddress {
        &self.address
    }

    fn start(&self, receiver: Arc<dyn Receive>) {
        let mut messages = self.messages.lock().unwrap().take().expect("a server is started once");
        tokio::spawn(async move {
            while let Some((channel, envelope)) = messages.recv().await {
                receiver.receive(channel, envelope).await;
            }
        });
    }

    fn publish(&self, channels: Vec<Channel>, envelope: Envelope) -> BoxFuture<Result<u64, Unreachable>> {
        let bus = self.bus.clone();
        Box::pin(async move {
            bus.reached().await?;
            Ok(channels.into_iter().map(|channel| bus.publish(channel, envelope.clone())).sum())
        })
    }

    fn join(&self, channel: Channel) -> BoxFuture<Result<(), Unreachable>> {
        self.bus.lock().servers[self.index].joined.insert(channel);
        self.bus.reached()
    }

    fn leave(&self, channel: Channel) -> BoxFuture<Result<(), Unreachable>> {
        self.bus.lock().servers[self.index].joined.remove(&channel);
        self.bus.reached()
    }
}
