//! The listeners of the dialects.

use std::io;
use std::net::SocketAddr;

use signalhub::connections::{ConnectionCounts, GuessLimit, Rate, Readers};
use signalhub::events::{Broker, Catalogue};
use signalhub::{Endpoint, Server};
use signalhub_dialects::printfactory::{self, MisKeys, PrintFactory};
use signalhub_dialects::smc::{self, Smc};

use super::StartError;
use super::keys::Keys;
use super::listeners::{encrypted, hosts, listen, public_limits, trusted_proxies};
use crate::cluster::Member;
use crate::configuration::{self as settings, Configuration, Listener, SecondConnection, SmcSessionTracking};
use crate::listener_tls::ListenerTls;

/// The listener of a dialect that is on.
#[derive(Debug)]
pub(super) struct DialectListener {
    /// The name of the dialect, as metrics and logs have it.
    pub(super) name: &'static str,
    pub(super) server: Server,
    pub(super) address: SocketAddr,
}

impl DialectListener {
    /// What the listener counts, with the name of the dialect.
    pub(super) fn counts(&self) -> (&'static str, ConnectionCounts) {
        (self.name, self.server.connections())
    }
}

/// The clients that publishers wait for: those of the hub and of the dialects.
pub(super) fn readers(hub: &Server, dialects: &[DialectListener]) -> Vec<Readers> {
    std::iter::once(hub).chain(dialects.iter().map(|listener| &listener.server)).map(Server::readers).collect()
}

/// Declares the events of the dialects that are on.
pub(super) fn declare(catalogue: Catalogue, configuration: &Configuration) -> Catalogue {
    let catalogue = match configuration.printfactory.listen {
        Listener::At(_) => printfactory::declare(catalogue),
        Listener::Off => catalogue,
    };
    match configuration.smc.listen {
        Listener::At(_) => Smc::declare(catalogue, &configuration.smc.element_types),
        Listener::Off => catalogue,
    }
}

/// What the dialects share with the rest of a node.
pub(super) struct Shared<'a> {
    pub(super) broker: &'a Broker,
    pub(super) guesses: Option<&'a GuessLimit>,
    pub(super) keys: &'a Keys,
    pub(super) cluster: Option<&'a Member>,
    /// The clients of the hub that publishers wait for.
    pub(super) readers: Readers,
}

/// Binds the listeners of the dialects that are on.
pub(super) async fn bind(
    configuration: &Configuration,
    shared: Shared<'_>,
) -> Result<Vec<DialectListener>, StartError> {
    let Shared { broker, guesses, keys, cluster, readers } = shared;
    let tls = keys.tls.as_deref();
    let mut listeners = Vec::new();
    if let (Listener::At(address), Some(keys)) = (&configuration.printfactory.listen, &keys.mis_keys) {
        let configure = |endpoint| limited(endpoint, &configuration.hub);
        let (name, address) = ("printfactory", address.as_str());
        let failed = |error| StartError::ListenForDialect { name, address: address.to_owned(), error };
        let mount = |server: Server| {
            let dialect = printfactory(configuration, broker, keys, guesses);
            let claims = cluster.map(|member| member.organisations());
            let dialect = claims.into_iter().fold(dialect, |dialect, claims| dialect.in_cluster(claims));
            dialect.waiting_for([readers, server.readers()]).mount(server, configure)
        };
        listeners.push(listener(name, address, configuration, tls, mount).await.map_err(failed)?);
    }
    if let Listener::At(address) = &configuration.smc.listen {
        let smc = Smc::new(broker.clone(), smc_settings(configuration), guesses.cloned());
        let configure = |endpoint| limited(endpoint, &configuration.hub);
        let (name, address) = ("smc", address.as_str());
        let failed = |error| StartError::ListenForDialect { name, address: address.to_owned(), error };
        let server = |server| smc.mount(server, configure);
        listeners.push(listener(name, address, configuration, tls, server).await.map_err(failed)?);
    }
    Ok(listeners)
}

/// Binds a listener with the limits and the TLS of the public one.
async fn listener(
    name: &'static str,
    address: &str,
    configuration: &Configuration,
    tls: Option<&ListenerTls>,
    mount: impl FnOnce(Server) -> Server,
) -> io::Result<DialectListener> {
    let (server, address) = listen(address).await?;
    let server = server
        .send_buffer_size(configuration.listen.send_buffer_size.bytes())?
        .limits(public_limits(configuration))
        .trusted_proxies(trusted_proxies(&configuration.listen))
        .drain_time(configuration.listen.drain_time);
    let server = encrypted(mount(server), tls.map(ListenerTls::tls).as_ref())?;
    let checks = configuration.listen.check_hosts;
    let server = if checks { server.hosts(hosts(configuration)) } else { server };
    Ok(DialectListener { name, server, address })
}

/// Sets the limits of slow clients, which are those of the hub.
fn limited(endpoint: Endpoint, limits: &settings::HubLimits) -> Endpoint {
    endpoint.send_timeout(limits.transport_send_timeout).queue_limit(limits.transport_max_buffer_size.bytes())
}

fn printfactory(
    configuration: &Configuration,
    broker: &Broker,
    keys: &MisKeys,
    guesses: Option<&GuessLimit>,
) -> PrintFactory {
    let settings = &configuration.printfactory;
    let second = match settings.second_connection {
        SecondConnection::Replace => printfactory::SecondConnection::Replace,
        SecondConnection::Refuse => printfactory::SecondConnection::Refuse,
    };
    let dialect = PrintFactory::new(broker.clone(), keys.clone())
        .second_connection(second)
        .maximum_body_size(settings.maximum_body_size.bytes());
    let dialect = match configuration.publish.rate {
        settings::RateLimit::Unlimited => dialect,
        settings::RateLimit::Of { count, per } => dialect.publish_rate(Rate::new(count, per)),
    };
    guesses.cloned().into_iter().fold(dialect, PrintFactory::guess_limit)
}

fn smc_settings(configuration: &Configuration) -> smc::Settings {
    let settings = &configuration.smc;
    smc::Settings {
        versions: settings.versions.clone(),
        element_types: settings.element_types.clone(),
        accounts: settings.accounts.iter().filter_map(settings::SmcAccount::to_account).collect(),
        session_tracking: match settings.session_tracking {
            SmcSessionTracking::Cookies => smc::SessionTracking::Cookies,
            SmcSessionTracking::Tokens => smc::SessionTracking::Tokens,
        },
        session_idle_time: settings.session_idle_time,
        session_limits: smc::SessionLimits {
            total: settings.sessions.get(),
            per_account: settings.sessions_per_account.get(),
            per_address: settings.sessions_per_address.get(),
        },
        contexts_per_connection: settings.contexts_per_connection.get(),
        command_rate: configuration.limits.invocation_rate.rate(),
        body_bytes: settings.element_body_bytes.bytes(),
        public_url: settings.public_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned()),
    }
}
