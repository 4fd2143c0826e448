//! What all sessions of a hub share.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use signalhub_connections::Frame;
use signalhub_protocol::{HubMessage, Protocol};

use crate::HubOptions;
use crate::calls::method::{Hook, MethodTable};
use crate::clients::client::{Client, frame};
use crate::clients::connected::Lifetime;
use crate::clients::results::ClientResults;
use crate::counters::CallErrorCounts;
use crate::rate::LogThrottle;
use crate::subscription_manager::SubscriptionMethods;

/// A finished hub: what it can do, and who is there.
pub(crate) struct HubCore {
    pub(crate) methods: MethodTable,
    pub(crate) options: HubOptions,
    pub(crate) lifetime: Lifetime,
    pub(crate) results: ClientResults,
    pub(crate) refused: RefusalCounters,
    /// For warnings about arguments that do not fit.
    pub(crate) argument_warnings: LogThrottle,
    /// For warnings about clients that do not read.
    pub(crate) slow_clients: LogThrottle,
    pub(crate) call_errors: CallErrorCounts,
    /// The pings of all clients, by protocol.
    pings: [Frame; Protocol::ALL.len()],
    pub(crate) on_connected: Option<Hook>,
    pub(crate) on_disconnected: Option<Hook>,
    subscriptions: Option<SubscriptionMethods>,
}

impl HubCore {
    pub(crate) fn new(
        methods: MethodTable,
        options: HubOptions,
        (on_connected, on_disconnected): (Option<Hook>, Option<Hook>),
        subscriptions: Option<SubscriptionMethods>,
    ) -> Self {
        Self {
            methods,
            options,
            lifetime: Lifetime::default(),
            results: ClientResults::default(),
            refused: RefusalCounters::default(),
            argument_warnings: LogThrottle::new(Instant::now()),
            slow_clients: LogThrottle::new(Instant::now()),
            call_errors: CallErrorCounts::default(),
            pings: Protocol::ALL.map(|protocol| frame(protocol, &HubMessage::Ping)),
            on_connected,
            on_disconnected,
            subscriptions,
        }
    }

    /// Takes over what the new credentials of a client say about its subscriptions.
    pub(crate) fn renew_subscriptions(&self, client: &Client) {
        if let Some(subscriptions) = &self.subscriptions {
            subscriptions.renew(client);
        }
    }

    pub(crate) fn ping(&self, protocol: Protocol) -> &Frame {
        &self.pings[protocol as usize]
    }
}

impl fmt::Debug for HubCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What a hub has refused since it was built, because a client went over a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// Calls above the rate.
    pub invocations: u64,
    /// Calls whose streams would have been too many.
    pub streams: u64,
    /// Subscriptions above the number that a connection may have.
    pub subscriptions: u64,
}

#[derive(Debug, Default)]
pub(crate) struct RefusalCounters {
    pub(crate) invocations: AtomicU64,
    pub(crate) streams: AtomicU64,
    pub(crate) subscriptions: AtomicU64,
}

impl RefusalCounters {
    pub(crate) fn read(&self) -> Refusals {
        Refusals {
            invocations: self.invocations.load(Ordering::Relaxed),
            streams: self.streams.load(Ordering::Relaxed),
            subscriptions: self.subscriptions.load(Ordering::Relaxed),
        }
    }
}
