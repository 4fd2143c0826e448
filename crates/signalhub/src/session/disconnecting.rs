//! The last stage of a session: the Close message, `on_disconnected`, and the end of the transport.

use std::pin::pin;
use std::sync::Arc;

use signalhub_connections::{CloseReason, Connection, ConnectionId};
use signalhub_protocol::HubMessage;
use tokio::time::Instant;

use super::ending::{self, Ending};
use super::running::RunningCalls;
use crate::calls::call::{Call, Occasion};
use crate::calls::handler::{CallResult, catch_panic};
use crate::clients::client::frame;
use crate::clients::membership::Membership;
use crate::clients::targets::CalledFrom;
use crate::error::HubError;
use crate::state::HubState;

/// Whether `on_connected` admitted the client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted,
    /// The hook failed, so `on_disconnected` does not run.
    Refused,
}

/// Logs why a session ends.
pub(super) fn report(ending: &Ending, id: &ConnectionId, state: &HubState) {
    ending::log(ending.close_reason(), ending.detail().as_deref());
    match ending {
        Ending::Refused(error) => state.log_failure(id, "OnConnected", error),
        Ending::Panicked => {
            let error = HubError::panicked("the session panicked outside a call");
            state.log_failure(id, "", &error);
        }
        _ => {}
    }
    if ending.close_reason() == CloseReason::SlowConsumer
        && let Some(unreported) = state.slow_client_warnings.admit(Instant::now())
    {
        let id = id.for_log();
        tracing::warn!(connection = id, unreported, "a client was closed because it read too slowly, or not at all");
    }
}

/// Sends the Close message, runs `on_disconnected`, and ends the transport, in this order. When the server stops, the transport
/// ends while `on_disconnected` runs.
pub(super) async fn disconnect(
    mut connection: Connection,
    membership: Membership,
    calls: RunningCalls,
    ending: Ending,
    admission: Admission,
) {
    let (definition, state) = (Arc::clone(calls.definition()), Arc::clone(calls.state()));
    let client = Arc::clone(calls.client());
    if let Ending::Panicked = ending {
        // The output may be corked.
        client.outbound().uncork();
    }
    if let Some(mut close) = ending.message(&state.options) {
        // An aborted client must not reconnect by itself, even if another cause ended the session first, unless an operator
        // allows it.
        close.allow_reconnect &= match connection.dismissal() {
            Some(dismissal) => dismissal.allow_reconnect,
            None => !client.outbound().is_aborting(),
        };
        connection.send_last(&frame(client.protocol(), &HubMessage::Close(close)), ending.close_reason());
    }
    drop(membership);
    calls.detach();
    let mut reason = ending.close_reason();
    if let Some(hook) = definition.on_disconnected.as_ref().filter(|_| admission == Admission::Admitted) {
        let call = Call::new(client, state, CalledFrom::Method(None), Occasion::Disconnected(ending.disconnected()));
        let leaving = async {
            match reason {
                CloseReason::ServerShutdown => connection.send_away().await,
                _ => connection.flush().await,
            }
        };
        if let CallResult::Failed(error) = wait_while(catch_panic(hook.run(call)), leaving).await {
            tracing::warn!(connection = connection.id().for_log(), %error, "on_disconnected failed");
            if reason != CloseReason::ServerShutdown {
                reason = CloseReason::HandlerFailed;
            }
        }
    }
    connection.close(reason).await;
}

/// Waits for `awaited` and polls `meanwhile` until then, so that the last messages are sent while a slow hook runs.
async fn wait_while<T>(awaited: impl Future<Output = T>, meanwhile: impl Future<Output = ()>) -> T {
    let mut awaited = pin!(awaited);
    tokio::select! {
        done = &mut awaited => return done,
        () = meanwhile => {}
    }
    awaited.await
}
