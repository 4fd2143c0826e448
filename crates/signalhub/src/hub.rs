//! The hub and how it is built.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use signalhub_connections::{BoxFuture, Connection, ConnectionHandler};
use signalhub_events::{Broker, Grants};

use tokio::time::Instant;

use crate::calls::caller::Caller;
use crate::calls::handler::{Handler, StreamHandler};
use crate::calls::hub_filter::{HubFilter, HubFilterList};
use crate::calls::method::{Hook, Method, MethodTable};
use crate::calls::parameter::Args;
use crate::clients::groups::Groups;
use crate::clients::targets::Clients;
use crate::counters::{CallError, RefusedCalls};
use crate::definition::HubDefinition;
use crate::options::HubOptions;
use crate::request::Requests;
use crate::session;
use crate::state::HubState;
use crate::subscription_manager::{self, SubscriptionMethods};

/// A set of methods that clients call, and the clients that are connected to it.
///
/// Clones are the same hub. It becomes reachable when it is given to an
/// [`Endpoint`](signalhub_connections::Endpoint).
#[derive(Clone)]
pub struct Hub {
    definition: Arc<HubDefinition>,
    state: Arc<HubState>,
}

impl Hub {
    /// Begins to build a hub without state.
    pub fn builder() -> HubBuilder<()> {
        HubBuilder {
            state: (),
            methods: HashMap::new(),
            options: HubOptions::default(),
            on_connected: None,
            on_disconnected: None,
            subscriptions: None,
            filters: HubFilterList::default(),
            requests: Requests::default(),
        }
    }

    /// Addresses its clients, from any task.
    pub fn clients(&self) -> Clients {
        Clients::of_hub(Arc::clone(&self.state.clients))
    }

    /// Puts its clients into groups, from any task.
    pub fn groups(&self) -> Groups {
        Groups::new(Arc::clone(&self.state.clients))
    }

    /// Counts the groups that have members.
    pub fn group_count(&self) -> usize {
        self.state.clients.group_count()
    }

    /// Counts the calls that wait for a client's answer.
    pub fn pending_result_count(&self) -> usize {
        self.state.clients.results().len()
    }

    /// Counts the calls that it has refused because clients went over their limits.
    pub fn refused_calls(&self) -> RefusedCalls {
        self.state.refused.read()
    }

    /// How many calls of clients were answered with this error so far.
    pub fn call_errors(&self, error: CallError) -> u64 {
        self.state.call_errors.of(error)
    }

    /// Counts the clients between handshake and end.
    pub fn client_count(&self) -> usize {
        self.state.clients.len()
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

/// Collects the methods and options of a hub.
#[must_use]
pub struct HubBuilder<S> {
    state: S,
    methods: HashMap<String, Method>,
    options: HubOptions,
    on_connected: Option<Hook>,
    on_disconnected: Option<Hook>,
    subscriptions: Option<SubscriptionMethods>,
    filters: HubFilterList,
    requests: Requests,
}

impl HubBuilder<()> {
    /// Gives the hub a state, which methods take as `State`; it comes before all methods.
    ///
    /// # Panics
    /// When a method or a handler of connections was added already.
    pub fn state<S: Clone + Send + Sync + 'static>(self, state: S) -> HubBuilder<S> {
        let first = self.methods.is_empty() && self.on_connected.is_none() && self.on_disconnected.is_none();
        assert!(first, "the state of a hub comes before its methods");
        let Self { methods, options, filters, requests, .. } = self;
        let (on_connected, on_disconnected, subscriptions) = (None, None, None);
        HubBuilder { state, methods, options, on_connected, on_disconnected, subscriptions, filters, requests }
    }
}

impl<S: Clone + Send + Sync + 'static> HubBuilder<S> {
    /// Adds a method that clients invoke; they may write its name in any case.
    ///
    /// # Panics
    /// When there is a method of that name already: the original refuses overloads too.
    pub fn method<P: 'static>(mut self, name: &str, handler: impl Handler<P, S>) -> Self {
        self.requests = self.requests.used();
        let method = Method::plain(name, handler, self.state.clone());
        self.add(method)
    }

    /// Adds a method that answers with a stream.
    ///
    /// # Panics
    /// When there is a method of that name already.
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

    /// Runs when a client has shaken hands, before its first call is read; a failure ends the connection for good.
    ///
    /// # Panics
    /// When the handler takes arguments of the client.
    pub fn on_connected<P: 'static>(mut self, handler: impl Handler<P, S>) -> Self {
        self.requests = self.requests.used();
        self.on_connected = Some(Hook::new("OnConnected", handler, self.state.clone()));
        self
    }

    /// Runs when a client that was connected has gone; see [`Disconnected`](crate::Disconnected).
    ///
    /// # Panics
    /// When the handler takes arguments of the client.
    pub fn on_disconnected<P: 'static>(mut self, handler: impl Handler<P, S>) -> Self {
        self.requests = self.requests.used();
        self.on_disconnected = Some(Hook::new("OnDisconnected", handler, self.state.clone()));
        self
    }

    /// Adds a filter, which runs around all calls and around the start and the end of connections.
    ///
    /// The filter that is added first is the outermost. HubFilters apply to all methods of the hub, also to those that were
    /// added earlier.
    pub fn filter(mut self, filter: impl HubFilter) -> Self {
        self.requests = self.requests.used();
        self.filters.push(filter);
        self
    }

    /// Adds `Subscribe` and `Unsubscribe`: clients get the broker's events that they ask for as calls of `OnEvent`.
    ///
    /// What a client may see comes from its identity: its organisation, and its `grants` claim, without which it has
    /// everything. When it brings new credentials, the subscriptions that their grants do not permit end.
    pub fn events(self, broker: Broker) -> Self {
        self.events_with_default(broker, Grants::All)
    }

    /// The same, with other grants for identities that have no `grants` claim.
    pub fn events_with_default(mut self, broker: Broker, default_grants: Grants) -> Self {
        let methods = SubscriptionMethods::new(broker, default_grants);
        self.subscriptions = Some(methods.clone());
        let (subscribe, unsubscribe) = (methods.clone(), methods);
        let subscribe = move |caller: Caller, args: Args<_>| {
            let result = subscribe.subscribe(&caller, args);
            async move { result }
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

    /// Does not keep the requests that opened connections, which saves memory: see [`Request`](crate::Request). A call whose
    /// method takes `Request` as a parameter fails.
    pub fn without_requests(mut self) -> Self {
        self.requests = Requests::Dropped;
        self
    }

    /// Changes options of the hub: `configure(|options| options.keep_alive_interval = Duration::from_secs(10))`.
    ///
    /// Options that are not changed keep their defaults; see [`HubOptions`].
    pub fn configure(mut self, change: impl FnOnce(&mut HubOptions)) -> Self {
        change(&mut self.options);
        self
    }

    /// Finishes the hub.
    pub fn build(self) -> Hub {
        let Self { methods, on_connected, on_disconnected, subscriptions, filters, requests, .. } = self;
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
        let state = HubState::new(self.options, Instant::now());
        Hub { definition: Arc::new(definition), state: Arc::new(state) }
    }
}

impl<S> fmt::Debug for HubBuilder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubBuilder").field("options", &self.options).finish_non_exhaustive()
    }
}
