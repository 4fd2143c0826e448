//! The listener of operators: health, metrics, the admin API and the console.

use std::net::SocketAddr;
use std::sync::Arc;

use signalhub::Server;
use signalhub::connections::GuessLimit;

use crate::http_api::InternalRoutes;
use crate::http_api::admin::{AdminApi, Operated};
use crate::http_api::console::Console;
use crate::http_api::metrics::ProcessMetrics;

/// Adds its routes to the internal listener.
pub(super) fn serve(
    (server, address): (Server, SocketAddr),
    operated: Arc<Operated>,
    guesses: Option<GuessLimit>,
    console: Console,
) -> (Server, SocketAddr) {
    let (lifecycle, counts) = (operated.lifecycle.clone(), operated.counts.clone());
    let process = if operated.configuration.metrics.process { ProcessMetrics::Shown } else { ProcessMetrics::Hidden };
    let admin = AdminApi::new(operated, guesses, address.ip());
    (server.otherwise(InternalRoutes::new(lifecycle, counts, process, admin, console)), address)
}
