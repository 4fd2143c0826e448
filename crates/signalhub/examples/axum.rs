//! Two hubs with a common state inside an axum program that has routes of its own: `cargo run -p signalhub --example axum`.
//!
//! On Ctrl-C or SIGTERM it tells the clients to leave, waits for their end, and stops.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State as AxumState};
use axum::middleware::map_request;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use signalhub::connections::{RemoteAddress, TowerEndpoint};
use signalhub::{Args, Clients, Endpoint, Hub, HubError, State, Transports};
use tokio::signal::unix::{SignalKind, signal};

/// The clients are told to leave one after another, so that they do not all come back at once.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// What routes and hubs share.
#[derive(Clone, Default)]
struct Votes(Arc<AtomicU64>);

/// Counts a vote and tells everyone.
async fn vote(clients: Clients, State(votes): State<Votes>, Args((count,)): Args<(u64,)>) -> Result<u64, HubError> {
    if count > 10 {
        return Err(HubError::new("at most ten at once"));
    }
    let sum = votes.0.fetch_add(count, Ordering::Relaxed) + count;
    clients.all().send("Voted", (sum,)).await?;
    Ok(sum)
}

/// Sets the count to zero.
async fn reset(State(votes): State<Votes>) -> Result<u64, HubError> {
    Ok(votes.0.swap(0, Ordering::Relaxed))
}

/// An ordinary route that sends to the clients of a hub.
async fn announce(AxumState(hub): AxumState<Hub>) -> String {
    match hub.clients().all().send("Announced", ("the votes are counted at noon",)).await {
        Ok(()) => format!("told {} clients\n", hub.client_count()),
        Err(error) => format!("{error}\n"),
    }
}

/// Tells the hubs where a request comes from, for limits per address and for trusted proxies.
async fn note_address(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(RemoteAddress::new(peer.ip()));
    request
}

/// Waits for Ctrl-C or SIGTERM.
async fn stopped() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let votes = Votes::default();
    let voting = Hub::builder().state(votes.clone()).method("Vote", vote).build();
    let control = Hub::builder().state(votes.clone()).method("Reset", reset).build();
    let service = |hub: &Hub| TowerEndpoint::new(Endpoint::new(hub.clone()).transports(Transports::ALL));
    let (voting_service, control_service) = (service(&voting), service(&control));
    let app = Router::new()
        .route("/votes", get(async move || votes.0.load(Ordering::Relaxed).to_string()))
        .route("/announce", post(announce))
        .with_state(voting)
        .nest_service("/voting", voting_service.clone())
        .nest_service("/control", control_service.clone())
        .layer(map_request(note_address));
    let listener = tokio::net::TcpListener::bind(&address).await?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    // Without this, a small message of an event stream can wait up to 40 ms for the acknowledgement of the one before.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    let stop = async move {
        let _ = stopped().await;
        // axum takes requests until this has ended, so that clients can still fetch their last messages.
        tokio::join!(voting_service.drain(DRAIN_TIME), control_service.drain(DRAIN_TIME));
    };
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).with_graceful_shutdown(stop).await
}
