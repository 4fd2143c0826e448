//! The listeners: their sockets, their limits, and which requests they accept.

use std::io;
use std::net::SocketAddr;

use signalhub::Server;
use signalhub::connections::{Hosts, Limits, Origins, Tls, TrustedProxies};

use super::StartError;
use crate::configuration::{
    self as settings, Configuration, Cors, ForwardedHeader, Listen, Listener, Maximum, SocketShare,
    publishers_reserved_descriptors,
};
use crate::http_api::PublicRoutes;
use crate::listener_tls::ListenerTls;

pub(super) async fn listen(address: &str) -> io::Result<(Server, SocketAddr)> {
    let server = Server::bind(address).await?;
    let address = server.local_addr()?;
    Ok((server, address))
}

/// Makes a server speak TLS, if there is a certificate.
pub(super) fn encrypted(server: Server, tls: Option<&Tls>) -> io::Result<Server> {
    match tls {
        Some(tls) => server.tls(tls),
        None => Ok(server),
    }
}

/// The limits that both listeners have: times, sizes, and the descriptors that neither of them uses.
fn common_limits(configuration: &Configuration) -> Limits {
    let settings = &configuration.limits;
    Limits::default()
        .header_timeout(settings.header_timeout)
        .idle_timeout(settings.idle_timeout)
        .body_timeout(settings.body_timeout)
        .send_timeout(configuration.hub.transport_send_timeout)
        .head_size(settings.maximum_head_size.bytes())
        .descriptor_headroom(settings.file_descriptor_headroom)
}

pub(super) fn public_limits(configuration: &Configuration) -> Limits {
    let settings = &configuration.limits;
    let mut limits = common_limits(configuration)
        .pending_negotiations(settings.pending_negotiations.get())
        .negotiation_lifetime(settings.negotiation_lifetime)
        .queued_bytes(settings.queued_bytes.bytes())
        .descriptor_headroom(settings::reserved_descriptors(configuration));
    if let Some(count) = settings.pending_negotiations_per_user {
        limits = limits.pending_negotiations_per_user(count.get());
    }
    if let Some(count) = settings.pending_negotiations_per_address {
        limits = limits.pending_negotiations_per_address(count.get());
    }
    if let Maximum::Of(count) = settings.connections {
        limits = limits.connections(count.get());
    }
    if let Maximum::Of(count) = settings.connections_per_user {
        limits = limits.connections_per_user(count.get());
    }
    if let Maximum::Of(count) = settings.connections_per_address {
        limits = limits.connections_per_address(count.get());
    }
    sockets_limit(configuration, limits)
}

fn sockets_limit(configuration: &Configuration, limits: Limits) -> Limits {
    match configuration.limits.sockets_per_address {
        SocketShare::Quarter => limits,
        SocketShare::Unlimited => limits.sockets_per_address(usize::MAX),
        SocketShare::Of(count) => limits.sockets_per_address(count.get()),
    }
}

fn origins(cors: &Cors) -> Origins {
    let origins = cors.origins.iter().fold(Origins::same(), |origins, origin| origin.allowed_by(origins));
    if cors.allow_loopback { origins.allow_loopback() } else { origins }
}

/// Binds the listener of the hub. It asks for client certificates only if it has the publish API.
pub(super) async fn public(
    configuration: &Configuration,
    tls: Option<&ListenerTls>,
) -> Result<(Server, SocketAddr), StartError> {
    let Listen { public, send_buffer_size, drain_time, check_hosts, .. } = &configuration.listen;
    let failed = |error| StartError::Listen { address: public.as_str().to_owned(), error };
    let tls = tls.map(|tls| match configuration.publish.listen {
        Listener::Off => tls.tls_for_publishers(),
        Listener::At(_) => tls.tls(),
    });
    let (server, address) = listen(public.as_str()).await.map_err(failed)?;
    let server = encrypted(server, tls.as_ref())
        .and_then(|server| server.send_buffer_size(send_buffer_size.bytes()))
        .map_err(failed)?
        .limits(public_limits(configuration))
        .origins(origins(&configuration.cors))
        .trusted_proxies(trusted_proxies(&configuration.listen))
        .drain_time(*drain_time);
    Ok((if *check_hosts { server.hosts(hosts(configuration)) } else { server }, address))
}

/// Binds the listener of publishers, if there is one.
pub(super) async fn publishers(
    configuration: &Configuration,
    tls: Option<&ListenerTls>,
    routes: PublicRoutes,
) -> Result<Option<(Server, SocketAddr)>, StartError> {
    let Listener::At(address) = &configuration.publish.listen else { return Ok(None) };
    let failed = |error| StartError::ListenForPublishers { address: address.as_str().to_owned(), error };
    let (server, address) = listen(address.as_str()).await.map_err(failed)?;
    let limits = common_limits(configuration).descriptor_headroom(publishers_reserved_descriptors(configuration));
    let server = encrypted(server, tls.map(ListenerTls::tls_for_publishers).as_ref())
        .map_err(failed)?
        .limits(sockets_limit(configuration, limits))
        .origins(origins(&configuration.cors))
        .trusted_proxies(trusted_proxies(&configuration.listen))
        .otherwise(routes);
    let checks = configuration.listen.check_hosts;
    Ok(Some((if checks { server.hosts(hosts(configuration)) } else { server }, address)))
}

/// Binds the listener of operators, without its pages; `None` if none is configured.
pub(super) async fn internal(
    configuration: &Configuration,
    tls: Option<&ListenerTls>,
) -> Result<Option<(Server, SocketAddr)>, StartError> {
    let Listener::At(address) = &configuration.listen.internal else { return Ok(None) };
    let failed = |error| StartError::ListenInternally { address: address.as_str().to_owned(), error };
    let (server, address) = listen(address.as_str()).await.map_err(failed)?;
    let tls = tls.filter(|_| configuration.tls.internal).map(ListenerTls::tls);
    let server = encrypted(server, tls.as_ref()).map_err(failed)?;
    let hosts = configuration.admin.hosts.iter().fold(hosts(configuration), |hosts, name| name.served_by(hosts));
    Ok(Some((server.limits(common_limits(configuration)).hosts(hosts), address)))
}

/// The hosts that are served where hosts are checked: local ones, those of the listeners' addresses, and the configured ones.
pub(super) fn hosts(configuration: &Configuration) -> Hosts {
    let Configuration { listen, publish, .. } = configuration;
    let others = [&listen.internal, &publish.listen].into_iter().filter_map(|listener| match listener {
        Listener::Off => None,
        Listener::At(address) => Some(address),
    });
    let named = std::iter::once(&listen.public).chain(others);
    let names = named.filter_map(|address| settings::HostName::new(address.host()));
    names.chain(listen.hosts.iter().cloned()).fold(Hosts::local(), |hosts, name| name.served_by(hosts))
}

pub(super) fn trusted_proxies(listen: &Listen) -> TrustedProxies {
    let proxies = listen.trusted_proxies.iter().fold(TrustedProxies::none(), |all, proxy| proxy.trusted_by(all));
    match listen.forwarded_header {
        ForwardedHeader::XForwarded => proxies,
        ForwardedHeader::Forwarded => proxies.using_forwarded(),
    }
}
