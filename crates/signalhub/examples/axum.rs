//! Two hubs with a common state inside an axum program that has routes of its own: `cargo run -p signalhub --example axum`.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State as AxumState;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use signalhub::{Args, Clients, Endpoint, Hub, HubError, State, Transports};

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

/// Starts again, for those who may.
async fn reset(State(votes): State<Votes>) -> Result<u64, HubError> {
    Ok(votes.0.swap(0, Ordering::Relaxed))
}

/// An ordinary route that speaks to the clients of a hub.
async fn announce(AxumState(hub): AxumState<Hub>) -> String {
    match hub.clients().all().send("Announced", ("the votes are counted at noon",)).await {
        Ok(()) => format!("told {} clients\n", hub.client_count()),
        Err(error) => format!("{error}\n"),
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let votes = Votes::default();
    let voting = Hub::builder().state(votes.clone()).method("Vote", vote).build();
    let control = Hub::builder().state(votes.clone()).method("Reset", reset).build();
    let app = Router::new()
        .route("/votes", get(async move || votes.0.load(Ordering::Relaxed).to_string()))
        .route("/announce", post(announce))
        .with_state(voting.clone())
        .nest_service("/voting", Endpoint::new(voting).transports(Transports::ALL).into_service())
        .nest_service("/control", Endpoint::new(control).transports(Transports::ALL).into_service());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    // Small messages go at once, instead of waiting for the acknowledgement of the one before.
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, app).await
}
