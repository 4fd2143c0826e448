//! The parts of a server as the configuration wants them: the broker, the hub, its endpoint, and who may publish.

use std::sync::Arc;

use portos_notifications::broker;
use signalhub::connections::{
    ExpiredCredentials, GuessLimit, Issuers, Revocations, Tickets, TransportKind, Transports,
};
use signalhub::events::{
    Broker, BrokerBuilder, Catalogue, EventName, Grants, History, IdempotencyLimits, Resources, UnknownEvents,
};
use signalhub::{Endpoint, ErrorDetails, Hub, HubOptions, ShutdownMessage, TraceHeader};

use super::{HUB_PATH, dialects};
use crate::cluster::Member;
use crate::configuration::{self as settings, Configuration, DefaultGrants, Events, TicketClients};
use crate::http_api::publish::authorize::{Authorizer, OrganisationRule};
use crate::traces::Traces;

/// The transports of the hub, all that there are.
const TRANSPORTS: Transports =
    Transports::WEB_SOCKETS.and(TransportKind::ServerSentEvents).and(TransportKind::LongPolling);

pub(super) fn authorizer(
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

pub(super) fn hub(configuration: &Configuration, broker: Broker, cluster: Option<&Member>, traces: &Traces) -> Hub {
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

pub(super) fn endpoint(
    configuration: &Configuration,
    hub: Hub,
    tokens: Arc<Issuers>,
    guesses: Option<&GuessLimit>,
) -> Endpoint {
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
pub(super) fn guess_limit(rate: settings::RateLimit) -> Option<GuessLimit> {
    match rate {
        settings::RateLimit::Unlimited => None,
        settings::RateLimit::Of { count, per } => Some(GuessLimit::new(count, per)),
    }
}

pub(super) fn broker(
    configuration: &Configuration,
    history: History,
    cluster: Option<&Member>,
    traces: &Traces,
) -> Broker {
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
