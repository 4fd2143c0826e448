//! A running server: the hub, the publish API and the broker between them.

mod configured;
pub(crate) mod dialects;
mod draining;
pub(crate) mod history;
pub(crate) mod keys;
mod listeners;
mod operators;
mod start_error;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use signalhub::connections::{Cluster, Revocations};
use signalhub::events::Broker;
use signalhub::{Hub, Server};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::configured::{authorizer, broker, endpoint, guess_limit, hub};
use self::dialects::DialectListener;
use self::draining::Draining;
pub use self::history::HistoryError;
use self::history::OpenHistory;
use self::keys::Keys;
use self::listeners::{internal, public, publishers};
pub use self::start_error::StartError;
use crate::cluster::{self, Member};
use crate::configuration::Configuration;
use crate::http_api::admin::{AdminState, Clock, Listed, NodeApi, Operated};
use crate::http_api::console::Console;
use crate::http_api::counts::{Counts, IssuerCounts};
use crate::http_api::publish::PublishApi;
use crate::http_api::publish::authorize::Authorizer;
use crate::http_api::{PublicRoutes, Publishing};
use crate::key_expiry::KeyExpiry;
use crate::key_fetch::KeyFetches;
use crate::lifecycle::{DrainRequest, Lifecycle, ReloadRequest};
use crate::listener_tls::ListenerTls;
use crate::reload::Reloader;
use crate::traces::Traces;

/// The path of the hub.
pub const HUB_PATH: &str = "/signalr/v1/mainHub";

/// A server that is ready to run.
#[derive(Debug)]
pub struct Node {
    server: Server,
    address: SocketAddr,
    publishers: Option<(Server, SocketAddr)>,
    internal: Option<(Server, SocketAddr)>,
    dialects: Vec<DialectListener>,
    draining: Draining,
    counts: Counts,
    reloader: Reloader,
    key_expiry: KeyExpiry,
    fetches: KeyFetches,
    history: OpenHistory,
    traces: Traces,
    cluster: Option<Member>,
}

/// The hub and its listener, with all that comes before: the other nodes of a cluster, the history and the broker.
struct HubServer {
    cluster: Option<Member>,
    history: OpenHistory,
    broker: Broker,
    hub: Hub,
    server: Server,
    /// Makes the server a node of the cluster, if there is one.
    in_cluster: Option<Cluster>,
    address: SocketAddr,
}

impl HubServer {
    async fn bind(
        configuration: &Configuration,
        tls: Option<&ListenerTls>,
        lifecycle: &Lifecycle,
        traces: &Traces,
    ) -> Result<Self, StartError> {
        let (cluster, in_cluster) = Member::join(configuration, tls, lifecycle).await?.unzip();
        let (kept, history) = history::open(configuration, cluster.as_ref()).await?;
        let broker = broker(configuration, kept, cluster.as_ref(), traces);
        let hub = hub(configuration, broker.clone(), cluster.as_ref(), traces);
        if let Some(member) = &cluster {
            member.joined().await?;
        }
        let (server, address) = public(configuration, tls).await?;
        if let Some(member) = &cluster {
            member.share_revocations(server.revocations()).await?;
            member.ask_with(server.node_requests());
        }
        Ok(Self { cluster, history, broker, hub, server, in_cluster, address })
    }
}

impl Node {
    /// Binds the listeners, and creates the hub, the broker and the publish API.
    ///
    /// # Errors
    /// When there is no key to check tokens with, or an address cannot be bound.
    pub async fn bind(configuration: &Configuration) -> Result<Self, StartError> {
        let mut keys = Keys::read(configuration)?;
        let (lifecycle, drain, traces) = (Lifecycle::default(), DrainRequest::default(), Traces::from_environment()?);
        let HubServer { cluster, history, broker, hub, server, in_cluster: joining, address } =
            HubServer::bind(configuration, keys.tls.as_deref(), &lifecycle, &traces).await?;
        keys.join(configuration, cluster.as_ref()).await?;
        let (tls, tokens) = (keys.tls.as_deref(), &keys.tokens);
        let guesses = guess_limit(configuration.limits.failed_authentications);
        let endpoint = endpoint(configuration, hub.clone(), Arc::clone(tokens), guesses.as_ref());
        let server = server.endpoint(HUB_PATH, endpoint);
        let authorizer = authorizer(configuration, Arc::clone(tokens), guesses.clone(), server.revocations());
        let publish = publish_api(configuration, &broker, authorizer, &lifecycle, &traces, cluster.as_ref());
        let (readers, in_cluster) = (server.readers(), cluster.as_ref());
        let shared =
            dialects::Shared { broker: &broker, guesses: guesses.as_ref(), keys: &keys, cluster: in_cluster, readers };
        let dialects = dialects::bind(configuration, shared).await?;
        let publish = Arc::new(publish.waiting_for(dialects::readers(&server, &dialects)));
        let (server, publishers) = with_publish_api(server, configuration, tls, &publish).await?;
        let mut counts = Counts::new(server.connections(), hub.clone(), broker.clone(), publish.refused())
            .with_dialects(dialects.iter().map(DialectListener::counts).collect())
            .with_traces(traces.clone())
            .with_issuers(IssuerCounts::new(&configuration.auth, Arc::clone(tokens), keys.fetches.clone()))
            .with_tls(keys.tls.clone())
            .with_cluster(cluster.clone());
        let (listed, internal) = (listed(&server, &dialects), internal(configuration, tls).await?);
        publishers.iter().chain(&internal).for_each(|(server, _)| counts.add_listener(server.connections()));
        let operated = Arc::new(Operated {
            configuration: Arc::new(configuration.clone()),
            lifecycle: lifecycle.clone(),
            counts: counts.clone(),
            hub,
            broker,
            publish,
            revocations: server.revocations(),
            reload: keys.reloader.request(),
            drain: drain.clone(),
            mis_keys: keys.mis_keys.clone(),
            connections: listed.clone(),
            state: AdminState::default(),
            clock: Clock::start(),
        });
        let server = as_node(server, joining, &operated);
        let console = Console::new(configuration, tls, address, HUB_PATH);
        let internal = internal.map(|listener| operators::serve(listener, operated, guesses, console));
        Ok(Self {
            server,
            address,
            publishers,
            internal,
            dialects,
            draining: Draining::new(&configuration.listen, drain, lifecycle, listed),
            counts,
            reloader: keys.reloader,
            key_expiry: KeyExpiry::new(&configuration.publish.clients, SystemTime::now()),
            fetches: keys.fetches,
            history,
            traces,
            cluster,
        })
    }

    /// Returns the address of the hub.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the publish API, which may be that of the hub.
    pub fn publish_address(&self) -> SocketAddr {
        self.publishers.as_ref().map_or(self.address, |(_, address)| *address)
    }

    /// Returns the address of the internal listener, if there is one.
    pub fn internal_address(&self) -> Option<SocketAddr> {
        self.internal.as_ref().map(|(_, address)| *address)
    }

    /// Returns the addresses of the dialects that are on, with their names.
    pub fn dialect_addresses(&self) -> impl Iterator<Item = (&'static str, SocketAddr)> {
        self.dialects.iter().map(|listener| (listener.name, listener.address))
    }

    /// Returns what revokes tokens, for the hub and the publish API.
    pub fn revocations(&self) -> Revocations {
        self.server.revocations()
    }

    /// Returns what it counts.
    pub fn counts(&self) -> Counts {
        self.counts.clone()
    }

    /// What makes the running server read certificates and keys again at once.
    pub fn reload_request(&self) -> ReloadRequest {
        self.reloader.request()
    }

    /// Serves until `shutdown` completes. Then it reports that it is not ready, waits for `listen.shutdown_delay`, closes the connections of
    /// the clients, those of dialects as well, and ends. The other listeners serve until the end. The history on disk is closed when this
    /// returns.
    ///
    /// # Errors
    /// When a listener fails.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let Self {
            server,
            publishers,
            internal,
            dialects,
            draining,
            reloader,
            key_expiry,
            fetches,
            history,
            traces,
            cluster,
            ..
        } = self;
        let (ended, end) = watch::channel(());
        let (stop, stopping) = watch::channel(());
        let mut of_dialects = JoinSet::new();
        for DialectListener { server, .. } in dialects {
            let mut stopping = stopping.clone();
            // Nothing is ever sent: the error tells that the sender was dropped.
            of_dialects.spawn(server.run_until(async move { drop(stopping.changed().await) }));
        }
        let public = async {
            let shutdown = async {
                shutdown.await;
                draining.leave().await;
                drop(stop);
            };
            let result = server.run_until(shutdown).await;
            let dialects = of_dialects.join_all().await.into_iter().collect::<io::Result<()>>();
            drop(ended);
            result.and(dialects)
        };
        let [publishers, internal] = [publishers, internal].map(|listener| serve_until(listener, end.clone()));
        let serving = async { tokio::join!(public, publishers, internal) };
        let result = tokio::select! {
            (public, publishers, internal) = serving => public.and(publishers).and(internal),
            never = reloader.run() => match never {},
            never = key_expiry.run() => match never {},
            never = fetches.run() => match never {},
            never = draining.run() => match never {},
            never = cluster::run(cluster.as_ref()) => match never {},
        };
        if let Some(cluster) = &cluster {
            cluster.leave().await;
        }
        history.close().await;
        traces.flush().await;
        result
    }
}

/// Serves a listener, if it is there, until the sender of `end` is dropped.
async fn serve_until(listener: Option<(Server, SocketAddr)>, mut end: watch::Receiver<()>) -> io::Result<()> {
    match listener {
        // Nothing is ever sent: the error tells that the sender was dropped.
        Some((server, _)) => server.run_until(async move { drop(end.changed().await) }).await,
        None => Ok(()),
    }
}

/// The connections of clients: those of the hub and of the dialects.
fn listed(hub: &Server, dialects: &[DialectListener]) -> Vec<Listed> {
    let of_hub = Listed { dialect: None, connections: hub.live_connections() };
    let of_dialects = dialects
        .iter()
        .map(|listener| Listed { dialect: Some(listener.name), connections: listener.server.live_connections() });
    std::iter::once(of_hub).chain(of_dialects).collect()
}

/// Makes the server a node of the cluster, if there is one, which answers what other nodes ask.
fn as_node(server: Server, joining: Option<Cluster>, operated: &Arc<Operated>) -> Server {
    match joining {
        Some(cluster) => server.cluster(cluster.otherwise(NodeApi::new(Arc::clone(operated)))),
        None => server,
    }
}

/// Adds the publish API to the public listener, or to one of its own.
async fn with_publish_api(
    server: Server,
    configuration: &Configuration,
    tls: Option<&ListenerTls>,
    publish: &Arc<PublishApi>,
) -> Result<(Server, Option<(Server, SocketAddr)>), StartError> {
    let routes = PublicRoutes::new(Arc::clone(publish), Publishing::Here);
    let publishers = publishers(configuration, tls, routes).await?;
    let place = if publishers.is_some() { Publishing::Elsewhere } else { Publishing::Here };
    Ok((server.otherwise(PublicRoutes::new(Arc::clone(publish), place)), publishers))
}

fn publish_api(
    configuration: &Configuration,
    broker: &Broker,
    authorizer: Authorizer,
    lifecycle: &Lifecycle,
    traces: &Traces,
    cluster: Option<&Member>,
) -> PublishApi {
    PublishApi::new(broker.clone(), authorizer, &configuration.publish, lifecycle.clone())
        .waiting_for_nodes(cluster.map(|member| member.peers().clone()), configuration.cluster.receipt_timeout)
        .traced_by(traces.clone())
}
