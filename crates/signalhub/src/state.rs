//! What the sessions and the clients of a hub share.

use std::fmt;
use std::sync::Arc;

use signalhub_connections::{ConnectionId, Frame, LogThrottle};
use signalhub_protocol::{HubMessage, Protocol};
use tokio::time::Instant;

use crate::backplane::Backplane;
use crate::clients::client::frame;
use crate::clients::connected::ConnectedClients;
use crate::clients::remote::{Remote, RemoteLimits};
use crate::counters::{CallErrorCounts, RefusedCallCounts, ReplayCounts};
use crate::error::HubError;
use crate::handshake_counts::HandshakeCounts;
use crate::method_counts::MethodCounts;
use crate::options::HubOptions;

/// The options of a hub, its connected clients and its counters, without its methods.
pub(crate) struct HubState {
    pub(crate) options: HubOptions,
    pub(crate) clients: Arc<ConnectedClients>,
    pub(crate) refused: RefusedCallCounts,
    pub(crate) call_errors: CallErrorCounts,
    pub(crate) replays: ReplayCounts,
    pub(crate) handshakes: HandshakeCounts,
    /// Calls of methods that the hub does not have.
    pub(crate) unknown_methods: MethodCounts,
    /// Limits the warnings about arguments that cannot be bound.
    pub(crate) argument_warnings: LogThrottle,
    /// Limits the errors about failures of the server.
    pub(crate) failure_errors: LogThrottle,
    /// Limits the warnings about slow consumers.
    pub(crate) slow_client_warnings: LogThrottle,
    /// The encoded ping of each protocol.
    pings: [Frame; Protocol::ALL.len()],
}

impl HubState {
    pub(crate) fn new(options: HubOptions, backplane: Option<Arc<dyn Backplane>>, now: Instant) -> Self {
        let limits =
            RemoteLimits { result: options.remote_result_timeout, group_command: options.group_command_timeout };
        let remote = backplane.map(|backplane| Arc::new(Remote::new(backplane, limits, now)));
        Self {
            options,
            clients: Arc::new(ConnectedClients::with_remote(remote)),
            refused: RefusedCallCounts::default(),
            call_errors: CallErrorCounts::default(),
            replays: ReplayCounts::default(),
            handshakes: HandshakeCounts::default(),
            unknown_methods: MethodCounts::default(),
            argument_warnings: LogThrottle::new(now),
            failure_errors: LogThrottle::new(now),
            slow_client_warnings: LogThrottle::new(now),
            pings: Protocol::ALL.map(|protocol| frame(protocol, &HubMessage::Ping)),
        }
    }

    /// Logs why a method or a hook of a client failed: a failure of the server as an error, at debug above a rate, because
    /// the client does not read the cause; any other at debug.
    pub(crate) fn log_failure(&self, client: &ConnectionId, method: &str, error: &HubError) {
        let (reason, id) = (error.call_error(), client.for_log());
        let Some(kind) = error.server_failure() else { return reason.log(method, error) };
        match self.failure_errors.admit(Instant::now()) {
            Some(skipped) => {
                let reason = reason.label();
                tracing::error!(reason, connection = id, method, kind, detail = %error, skipped, "the server failed to run a method or a hook");
            }
            None => reason.log(method, format_args!("{kind}: {error}")),
        }
    }

    pub(crate) fn ping(&self, protocol: Protocol) -> &Frame {
        &self.pings[protocol as usize]
    }
}

impl fmt::Debug for HubState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubState").field("options", &self.options).finish_non_exhaustive()
    }
}
