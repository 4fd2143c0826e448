//! What all sessions of a hub share.

use std::fmt;

use signalhub_connections::Frame;
use signalhub_protocol::{HubMessage, Protocol};

use crate::HubOptions;
use crate::client::frame;
use crate::client_results::ClientResults;
use crate::lifetime::Lifetime;
use crate::method::{Hook, MethodTable};

/// A finished hub: what it can do, and who is there.
pub(crate) struct HubCore {
    pub(crate) methods: MethodTable,
    pub(crate) options: HubOptions,
    pub(crate) lifetime: Lifetime,
    pub(crate) results: ClientResults,
    /// The pings of all clients, by protocol.
    pings: [Frame; 1],
    pub(crate) on_connected: Option<Hook>,
    pub(crate) on_disconnected: Option<Hook>,
}

impl HubCore {
    pub(crate) fn new(
        methods: MethodTable,
        options: HubOptions,
        on_connected: Option<Hook>,
        on_disconnected: Option<Hook>,
    ) -> Self {
        Self {
            methods,
            options,
            lifetime: Lifetime::default(),
            results: ClientResults::default(),
            pings: [frame(Protocol::Json, &HubMessage::Ping)],
            on_connected,
            on_disconnected,
        }
    }

    pub(crate) fn ping(&self, protocol: Protocol) -> &Frame {
        match protocol {
            Protocol::Json => &self.pings[0],
            _ => unreachable!("a session speaks a protocol of this hub"),
        }
    }
}

impl fmt::Debug for HubCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("options", &self.options).finish_non_exhaustive()
    }
}
