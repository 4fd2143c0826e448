//! Hubs and their builder.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use signalhub_connections::{BoxFuture, Connection, ConnectionHandler, ConnectionId};
use signalhub_events::{Broker, Grants};
use signalhub_protocol::Protocol;
use tokio::time::Instant;

use crate::backplane::Backplane;
use crate::calls::caller::Caller;
use crate::calls::handler::{Handler, StreamHandler};
use crate::calls::hub_filter::{HubFilter, HubFilterList};
use crate::calls::method::{Hook, Method, MethodTable, Purpose};
use crate::calls::parameter::Args;
use crate::clients::groups::Groups;
use crate::clients::remote::BackplaneCounts;
use crate::clients::targets::Clients;
use crate::connected_client::ConnectedClient;
use crate::counters::{CallError, RefusedCalls, Replays};
use crate::definition::HubDefinition;
use crate::handshake_counts::HandshakeOutcome;
use crate::incoming::Incoming;
use crate::method_counts::MethodCalls;
use crate::options::HubOptions;
use crate::request::Requests;
use crate::session;
use crate::state::HubState;
use crate::subscription_manager::{self, Subscribing, SubscriptionMethods};
use crate::token_refresh;

/// A SignalR hub: methods that clients call, and the clients that are connected.
///
/// Clones share one hub. An [`Endpoint`](signalhub_connections::Endpoint) of a server makes it reachable.
#[derive(Clone)]
pub struct Hub {
    definition: Arc<HubDefinition>,
    state: Arc<HubState>,
}

impl Hub {
    /// Returns a builder for a hub without state; [`HubBuilder::state`] adds one.
    pub fn builder() -> HubBuilder<()> {
        HubBuilder {
            state: (),
            methods: HashMap::new(),
            options: HubOptions::default(),
            on_connected: None,
            on_disconnected: None,
            subscriptions: None,
            token_refresh: TokenRefresh::Absent,
            filters: HubFilterList::default(),
            requests: Requests::default(),
            backplane: None,
        }
    }

    /// Returns the clients of the hub, to which any task can send.
    pub fn clients(&self) -> Clients {
        Clients::of_hub(Arc::clone(&self.state.clients))
    }

    /// Returns the groups of the hub, to which any task can add clients.
    pub fn groups(&self) -> Groups {
        Groups::new(Arc::clone(&self.state.clients))
    }

    /// Returns the connected client with this id, for pages of operators; `None` if there is none.
    pub fn connected_client(&self, id: &ConnectionId) -> Option<ConnectedClient> {
        let (connected, events) = (Arc::clone(&self.state.clients), self.definition.subscriptions.clone());
        Some(ConnectedClient::new(connected.find(id)?, connected, events))
    }

    /// Returns how many groups have members.
    pub fn group_count(&self) -> usize {
        self.state.clients.group_count()
    }

    /// Returns how many invocations of client methods wait for the result of a client.
    pub fn pending_result_count(&self) -> usize {
        let clients = &self.state.clients;
        clients.results().len() + clients.remote().map_or(0, |remote| remote.answers().len())
    }

    /// Returns what the hub has sent to other servers and received from them, since it was built; `None` if it has no
    /// [backplane](HubBuilder::backplane).
    pub fn backplane_counts(&self) -> Option<BackplaneCounts> {
        self.state.clients.remote().map(|remote| remote.counts())
    }

    /// Returns how many calls were refused because of limits, since the hub was built.
    pub fn refused_calls(&self) -> RefusedCalls {
        self.state.refused.read()
    }

    /// Returns how many calls of clients were answered with this error, since the hub was built.
    pub fn call_errors(&self, error: CallError) -> u64 {
        self.state.call_errors.of(error)
    }

    /// Returns how many calls of `Subscribe` with `since` were answered, since the hub was built.
    pub fn replays(&self) -> Replays {
        self.state.replays.read()
    }

    /// Returns how the handshakes ended, since the hub was built: how many agreed on each protocol, and how many on none.
    pub fn handshakes(&self) -> Vec<(Option<Protocol>, HandshakeOutcome, u64)> {
        self.state.handshakes.read()
    }

    /// Returns the calls of each method, since the hub was built, by the name of the method.
    pub fn method_calls(&self) -> Vec<(&str, MethodCalls)> {
        self.definition.methods.all().into_iter().map(|method| (&**method.name(), method.counts().read())).collect()
    }

    /// Returns how many calls named a method that the hub does not have, since it was built.
    pub fn unknown_method_calls(&self) -> u64 {
        self.state.unknown_methods.read().error
    }

    /// Returns how many clients are connected: their handshake is done, and their connection has not ended.
    pub fn client_count(&self) -> usize {
        self.state.clients.len()
    }

    /// Returns how many of the connected clients speak this protocol.
    pub fn client_count_of(&self, protocol: Protocol) -> usize {
        self.state.clients.count_of(protocol)
    }
}

impl ConnectionHandler for Hub {
    fn handle(self: Arc<Self>, connection: Connection) -> BoxFuture<()> {
        Box::pin(session::run(Arc::clone(&self.definition), Arc::clone(&self.state), connection))
    }

    fn keeps_opening_request(&self) -> bool {
        self.definition.requests == Requests::Kept
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Builds a [`Hub`]: its state, methods, hooks, filters and options.
#[must_use]
pub struct HubBuilder<S> {
    state: S,
    methods: HashMap<String, Method>,
    options: HubOptions,
    on_connected: Option<Hook>,
    on_disconnected: Option<Hook>,
    subscriptions: Option<SubscriptionMethods>,
    token_refresh: TokenRefresh,
    filters: HubFilterList,
    requests: Requests,
    backplane: Option<Arc<dyn Backplane>>,
}

/// Whether a hub has the method `Refresh`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TokenRefresh {
    Absent,
    Present,
}

impl HubBuilder<()> {
    /// Sets the state of the hub, which methods and hooks take as [`State`](crate::State). It must be set before methods and
    /// hooks are added.
    ///
    /// # Panics
    /// When a method or a hook was added before.
    pub fn state<S: Clone + Send + Sync + 'static>(self, state: S) -> HubBuilder<S> {
        let first = self.methods.is_empty() && self.on_connected.is_none() && self.on_disconnected.is_none();
        assert!(first, "the state of a hub comes before its methods");
        let Self { methods, options, token_refresh, filters, requests, backplane, .. } = self;
        let (on_connected, on_disconnected, subscriptions) = (None, None, None);
        HubBuilder {
            state,
            methods,
            options,
            on_connected,
            on_disconnected,
            subscriptions,
            token_refresh,
            filters,
            requests,
            backplane,
        }
    }
}

impl<S: Clone + Send + Sync + 'static> HubBuilder<S> {
    /// Adds a method that clients call. Its name is not case-sensitive.
    ///
    /// # Panics
    /// When the hub has a method of this name: there are no overloads, as in the original.
    pub fn method<P: 'static>(mut self, name: &str, handler: impl Handler<P, S>) -> Self {
        self.requests = self.requests.used();
        let method = Method::plain(name, handler, self.state.clone());
        self.add(method)
    }

    /// Adds a streaming method, which clients call with `stream`. Its name is not case-sensitive.
    ///
    /// # Panics
    /// When the hub has a method of this name.
    pub fn stream<P: 'static>(mut self, name: &str, handler: impl StreamHandler<P, S>) -> Self {
        self.requests = self.requests.used();
        let method = Method::stream(name, handler, self.state.clone());
        self.add(method)
    }

    fn add(mut self, method: Method) -> Self {
        let name = Arc::clone(method.name());
        let earlier = self.methods.insert(name.to_lowercase(), method);
        assert!(earlier.is_none(), "Duplicate definitions of '{name}'. Overloading is not supported.");
        self
    }

    /// Sets the hook that runs after the handshake of a client, before its first message is read. If it fails, the client is
    /// refused: its connection ends, and it may not reconnect by itself.
    ///
    /// # Panics
    /// When the handler takes arguments or streams of the client.
    pub fn on_connected<P: 'static>(mut self, handler: impl Handler<P, S>) -> Self {
        self.requests = self.requests.used();
        self.on_connected = Some(Hook::new("OnConnected", handler, self.state.clone()));
        self
    }

    /// Sets the hook that runs after the connection of a client has ended, unless `on_connected` refused the client. The
    /// reason is a parameter: [`Disconnected`](crate::Disconnected).
    ///
    /// It also runs when the session ends because code of the application panicked. It does not run when the runtime drops
    /// the session: stop a server with [`Server::run_until`](crate::Server::run_until), or drain the endpoint, before the
    /// runtime ends.
    ///
    /// # Panics
    /// When the handler takes arguments or streams of the client.
    pub fn on_disconnected<P: 'static>(mut self, handler: impl Handler<P, S>) -> Self {
        self.requests = self.requests.used();
        self.on_disconnected = Some(Hook::new("OnDisconnected", handler, self.state.clone()));
        self
    }

    /// Adds a filter, which runs around all calls and around the start and the end of connections.
    ///
    /// The filter that is added first is the outermost. A filter applies to all methods of the hub, including those that were
    /// added before it.
    pub fn filter(mut self, filter: impl HubFilter) -> Self {
        self.requests = self.requests.used();
        self.filters.push(filter);
        self
    }

    /// Adds the methods `Subscribe` and `Unsubscribe`. Clients get the events of the broker that they subscribed to as
    /// invocations of `OnEvent`.
    ///
    /// The identity of a client decides which events it may get: its organisation, and the grants of its `grants` claim.
    /// Without this claim, all events are granted. New credentials end the subscriptions that their grants do not permit.
    ///
    /// A client that sends the position of the last event that it has got as `since` gets the events that it has missed, if the broker
    /// has a [history](signalhub_events::BrokerBuilder::history), or is told that they are missing.
    pub fn events(self, broker: Broker) -> Self {
        self.events_with_default(broker, Grants::All)
    }

    /// Adds `Subscribe` and `Unsubscribe` as [`events`](Self::events) does, with these grants for identities that have no
    /// `grants` claim.
    pub fn events_with_default(mut self, broker: Broker, default_grants: Grants) -> Self {
        let methods = SubscriptionMethods::new(broker, default_grants);
        self.subscriptions = Some(methods.clone());
        let (subscribe, unsubscribe) = (methods.clone(), methods);
        let subscribe = move |caller: Caller, args: Args<_>| {
            let answer = subscribe.subscribe(&caller, args);
            async move {
                match answer? {
                    Subscribing::Done => Ok(None),
                    Subscribing::Resuming(replay) => replay.await.map(Some),
                }
            }
        };
        let unsubscribe = move |caller: Caller, args: Args<_>| {
            let result = unsubscribe.unsubscribe(&caller, args);
            async move { result }
        };
        let subscribe = Method::plain("Subscribe", subscribe, self.state.clone());
        let unsubscribe = Method::plain("Unsubscribe", unsubscribe, self.state.clone());
        self.add(subscribe.with_usage(subscription_manager::USAGE))
            .add(unsubscribe.with_usage(subscription_manager::USAGE))
    }

    /// Adds the method `Refresh`, with which a client replaces the token of its open connection, on any transport. Its argument is
    /// the new token; its result is such as
    /// `{"expires":"2026-11-28T13:00:00.000Z","ended":[{"e":"portos.resources.changed","r":[{"n":"tickets"}]}]}`, with the
    /// subscriptions that ended because the new token does not permit them.
    ///
    /// The token is verified as the endpoint verifies those of requests ([`TokenRefresher`](crate::connections::TokenRefresher)),
    /// and must be of the user and the organisation of the connection. If it is refused, the connection keeps what it has. Calls
    /// that run keep their identity; later ones have the new one. [Filters](HubFilter) run around the method and do not see the
    /// token.
    ///
    /// # Panics
    /// When the hub is built, if it has another method of this name.
    pub fn token_refresh(mut self) -> Self {
        self.token_refresh = TokenRefresh::Present;
        self
    }

    /// Does not keep the requests that opened connections, which saves memory: see [`Request`](crate::Request). A call whose
    /// method takes `Request` as a parameter fails.
    pub fn without_requests(mut self) -> Self {
        self.requests = Requests::Dropped;
        self
    }

    /// Makes the hub one of several servers, which share clients, groups, users and client results through this backplane. `RedisBackplane`
    /// of the crate `signalhub-redis` is the one of ASP.NET Core SignalR: servers of both may stand in one cluster.
    ///
    /// Messages to groups, users, all clients and lists of clients go through the backplane, for clients of this server as well.
    /// What a method sends to its caller or to another client of this server does not. A client is reached by other servers before
    /// `on_connected` runs. While the backplane cannot be reached, clients stay connected and are accepted; sends to several clients
    /// fail.
    ///
    /// The hub must be built in a runtime, on which the backplane works. Every server must have a [name of its own](Backplane::server), so
    /// a backplane belongs to one hub. Events are not sent through it.
    pub fn backplane(mut self, backplane: Arc<dyn Backplane>) -> Self {
        self.backplane = Some(backplane);
        self
    }

    /// Changes options of the hub: `configure(|options| options.keep_alive_interval = Duration::from_secs(10))`.
    ///
    /// Options that are not changed keep their defaults; see [`HubOptions`].
    pub fn configure(mut self, change: impl FnOnce(&mut HubOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Builds the hub.
    pub fn build(mut self) -> Hub {
        if self.token_refresh == TokenRefresh::Present {
            let subscriptions = self.subscriptions.clone();
            let refresh = move |caller: Caller, refresher: token_refresh::Refresher, args: Args<_>| {
                token_refresh::refresh(subscriptions.clone(), caller, refresher, args)
            };
            let refresh = Method::plain(token_refresh::NAME, refresh, self.state.clone());
            self = self.add(refresh.with_usage(token_refresh::USAGE).with_purpose(Purpose::TokenRefresh));
        }
        let Self { methods, on_connected, on_disconnected, subscriptions, filters, requests, backplane, .. } = self;
        let methods = methods.into_values();
        let definition = match filters.finish() {
            None => HubDefinition {
                methods: MethodTable::new(methods),
                on_connected,
                on_disconnected,
                requests,
                subscriptions,
            },
            Some(filters) => HubDefinition {
                methods: MethodTable::new(methods.map(|method| method.filtered(&filters))),
                on_connected: Some(Hook::filtered(on_connected, &filters)),
                on_disconnected: Some(Hook::filtered(on_disconnected, &filters)),
                requests,
                subscriptions,
            },
        };
        let state = Arc::new(HubState::new(self.options, backplane.clone(), Instant::now()));
        if let Some(backplane) = backplane {
            backplane.start(Arc::new(Incoming::new(&state)));
        }
        Hub { definition: Arc::new(definition), state }
    }
}

impl<S> fmt::Debug for HubBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
