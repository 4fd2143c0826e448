//! A running server: the hub, the publish API and the broker between them.

pub(crate) mod dialects;
mod draining;
pub(crate) mod history;
pub(crate) mod keys;
mod listeners;
mod operators;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use portos_notifications::broker;
use signalhub::connections::{
    Cluster, ExpiredCredentials, GuessLimit, Issuers, Revocations, Tickets, TransportKind, Transports,
};
use signalhub::events::{
    Broker, BrokerBuilder, Catalogue, EventName, Grants, History, IdempotencyLimits, Resources, UnknownEvents,
};
use signalhub::{Endpoint, ErrorDetails, Hub, HubOptions, Server, ShutdownMessage, TraceHeader};
use signalhub_dialects::printfactory::{KeyFileError, KeyStoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::dialects::DialectListener;
use self::draining::Draining;
pub use self::history::HistoryError;
use self::history::OpenHistory;
use self::keys::Keys;
use self::listeners::{internal, public, publishers};
use crate::cluster::{self, ClusterError, Member};
use crate::configuration::{self as settings, Configuration, DefaultGrants, Events, TicketClients};
use crate::http_api::admin::{AdminState, Clock, Listed, NodeApi, Operated};
use crate::http_api::console::Console;
use crate::http_api::counts::{Counts, IssuerCounts};
use crate::http_api::publish::PublishApi;
use crate::http_api::publish::authorize::{Authorizer, OrganisationRule};
use crate::http_api::{PublicRoutes, Publishing};
use crate::key_expiry::KeyExpiry;
use crate::key_fetch::KeyFetches;
use crate::lifecycle::{DrainRequest, Lifecycle, ReloadRequest};
use crate::listener_tls::{ListenerTls, ListenerTlsError};
use crate::reload::Reloader;
use crate::token_verifier::IssuerKeyError;
use crate::traces::{Traces, TracesError};

/// The path of the hub.
pub const HUB_PATH: &str = "/signalr/v1/mainHub";

/// The transports of the hub, all that there are.
const TRANSPORTS: Transports =
    Transports::WEB_SOCKETS.and(TransportKind::ServerSentEvents).and(TransportKind::LongPolling);

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

/// Tells why the server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no key to check tokens with.
    #[error("neither auth.secret nor auth.issuers is configured")]
    NoSecret,
    /// The keys of an issuer cannot be used.
    #[error(transparent)]
    IssuerKeys(#[from] IssuerKeyError),
    /// The keys of PrintFactory cannot be used.
    #[error("\"dialects.printfactory.keys\": {0}")]
    MisKeys(#[from] KeyFileError),
    /// The keys of PrintFactory in Redis cannot be used.
    #[error("\"cluster.redis\": {0}")]
    SharedMisKeys(#[from] KeyStoreError),
    /// The certificate of the listeners cannot be used.
    #[error(transparent)]
    Tls(#[from] ListenerTlsError),
    /// Spans cannot be sent as the variables of OpenTelemetry say.
    #[error(transparent)]
    Traces(#[from] TracesError),
    /// The history cannot be used.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The node cannot join its cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Without a key, only this machine is served.
    #[error(
        "will not listen on {address} ({key}) without a key: configure auth.secret (at least 32 bytes) or auth.issuers, or listen on a loopback address"
    )]
    BeyondLoopback {
        /// The configuration key that names it.
        key: &'static str,
        /// The address.
        address: String,
    },
    /// The address of the internal listener cannot be listened on.
    #[error("cannot listen on {address} (listen.internal): {error}")]
    ListenInternally {
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The address of the listener for publishers cannot be listened on.
    #[error("cannot listen on {address} (publish.listen): {error}")]
    ListenForPublishers {
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The address of a dialect cannot be listened on.
    #[error("cannot listen on {address} (dialects.{name}.listen): {error}")]
    ListenForDialect {
        /// The name of the dialect.
        name: &'static str,
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address} (listen.public): {error}")]
    Listen {
        /// The address.
        address: String,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
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

fn authorizer(
    configuration: &Configuration,
    tokens: Arc<Issuers>,
    guesses: Option<GuessLimit>,
    revocations: Revocations,
) -> Authorizer {
    let organisation = match configuration.auth.publish_requires_organisation {
        true => OrganisationRule::Required,
        false => OrganisationRule::Optional,
    };
    let authorizer = Authorizer::new(&configuration.publish, tokens, organisation);
    authorizer.default_grants(default_grants(configuration)).limited(guesses).refusing(revocations)
}

/// The grants of tokens that have no `grants` claim.
fn default_grants(configuration: &Configuration) -> Grants {
    match configuration.auth.default_grants {
        DefaultGrants::All => Grants::All,
        DefaultGrants::None => Grants::Only(Vec::new()),
    }
}

fn hub(configuration: &Configuration, broker: Broker, cluster: Option<&Member>, traces: &Traces) -> Hub {
    let limits = &configuration.hub;
    let details = if limits.enable_detailed_errors { ErrorDetails::Shown } else { ErrorDetails::Hidden };
    let message = if limits.close_message_on_shutdown { ShutdownMessage::Close } else { ShutdownMessage::Omitted };
    let trace_header = if limits.trace_header { TraceHeader::Sent } else { TraceHeader::Omitted };
    let configure = |options: &mut HubOptions| {
        options.keep_alive_interval = limits.keep_alive_interval;
        options.client_timeout_interval = limits.client_timeout_interval;
        options.handshake_timeout = limits.handshake_timeout;
        options.maximum_receive_message_size = Some(limits.maximum_receive_message_size.bytes());
        options.maximum_parallel_invocations_per_client = limits.maximum_parallel_invocations_per_client.get();
        options.stream_buffer_capacity = limits.stream_buffer_capacity.get();
        options.stateful_reconnect_buffer_size = limits.stateful_reconnect_buffer_size.bytes();
        options.maximum_streams_per_client = limits.maximum_streams_per_client.get();
        options.maximum_subscriptions_per_client = configuration.limits.subscriptions_per_connection.get();
        options.maximum_subscription_bytes_per_client = configuration.limits.subscription_bytes_per_connection.bytes();
        options.maximum_replayed_events = configuration.history.replay_limit.get();
        options.maximum_scanned_events = configuration.history.scan_limit.get();
        options.invocation_rate = configuration.limits.invocation_rate.rate();
        options.shutdown_grace = limits.shutdown_grace;
        options.shutdown_message = message;
        options.error_details = details;
        options.trace_header = trace_header;
        options.remote_result_timeout = configuration.cluster.result_timeout;
    };
    let hub =
        Hub::builder().events_with_default(broker, default_grants(configuration)).token_refresh().configure(configure);
    let hub = match cluster {
        Some(member) => hub.backplane(member.backplane(&configuration.cluster)),
        None => hub,
    };
    // Spans name the hub by the end of its path.
    traces.hub(HUB_PATH.rsplit('/').next().unwrap_or(HUB_PATH), hub).build()
}

/// Which clients get tickets, and for which address; `None` for none.
fn tickets(configuration: &Configuration) -> Option<Tickets> {
    let tickets = match configuration.auth.tickets {
        TicketClients::Browsers => Tickets::for_browsers(),
        TicketClients::All => Tickets::for_all(),
        TicketClients::Off => return None,
    };
    let tickets = tickets.lifetime(configuration.auth.ticket_lifetime);
    Some(configuration.listen.public_url.iter().fold(tickets, |tickets, url| url.used_by(tickets)))
}

fn endpoint(configuration: &Configuration, hub: Hub, tokens: Arc<Issuers>, guesses: Option<&GuessLimit>) -> Endpoint {
    let limits = &configuration.hub;
    let endpoint = Endpoint::new(hub)
        .transports(TRANSPORTS)
        .send_timeout(limits.transport_send_timeout)
        .queue_limit(limits.transport_max_buffer_size.bytes())
        .poll_timeout(limits.poll_timeout)
        .disconnect_timeout(limits.disconnect_timeout)
        .minimum_negotiate_version(limits.minimum_protocol_version)
        .on_expired_credentials(ExpiredCredentials::Close);
    let endpoint = if limits.stateful_reconnect { endpoint.allow_stateful_reconnects() } else { endpoint };
    let endpoint = if configuration.auth.refresh_endpoint { endpoint.refresh_route() } else { endpoint };
    let endpoint = tickets(configuration).into_iter().fold(endpoint, Endpoint::tickets);
    guesses.cloned().into_iter().fold(endpoint.authenticate(tokens), Endpoint::guess_limit)
}

/// The hub and the publish API share this limit: wrong credentials at either count towards it.
fn guess_limit(rate: settings::RateLimit) -> Option<GuessLimit> {
    match rate {
        settings::RateLimit::Unlimited => None,
        settings::RateLimit::Of { count, per } => Some(GuessLimit::new(count, per)),
    }
}

fn broker(configuration: &Configuration, history: History, cluster: Option<&Member>, traces: &Traces) -> Broker {
    let broker = Broker::builder(dialects::declare(catalogue(&configuration.events), configuration))
        .undeclared_names(configuration.events.maximum_unknown.get())
        .history(history)
        .idempotency(idempotency(&configuration.publish));
    // Nodes of a cluster are told apart by their names there.
    let name = cluster.map(|member| member.nodes().own_name().as_str());
    let broker = name.into_iter().fold(broker, BrokerBuilder::node);
    traces.broker(broker).build()
}

/// Which repeated publishes are recognised.
fn idempotency(settings: &settings::Publish) -> IdempotencyLimits {
    let mut limits = IdempotencyLimits::default();
    (limits.window, limits.keys) = (settings.idempotency_window, settings.idempotency_keys.get());
    limits
}

fn catalogue(events: &Events) -> Catalogue {
    let declare = |catalogue: Catalogue, names: &[EventName], resources| {
        names.iter().fold(catalogue, |catalogue, name| catalogue.with_event(name.clone(), resources))
    };
    let catalogue = declare(Catalogue::new(), &events.with_resources, Resources::With);
    let catalogue = declare(catalogue, &events.without_resources, Resources::Without);
    // The events of Portos come last, because a declaration must not change what they are.
    let portos = broker::catalogue();
    let catalogue =
        portos.events().fold(catalogue, |catalogue, (name, resources)| catalogue.with_event(name.clone(), resources));
    match events.allow_unknown {
        true => catalogue.with_unknown(UnknownEvents::Allowed),
        false => catalogue,
    }
}
