//! A chat on the plain server: `cargo run -p signalhub --example chat`, and any SignalR client can join.

use std::io::{self, Write};

use futures_util::{Stream, StreamExt, stream};
use signalhub::{Args, Caller, Clients, Endpoint, Groups, Hub, HubError, Request, Server, Transports, Upload};

async fn join(caller: Caller, groups: Groups, Args((room,)): Args<(String,)>) -> Result<(), HubError> {
    if room.is_empty() {
        return Err(HubError::new("a room has a name"));
    }
    groups.add(caller.id(), &room).await?;
    Ok(())
}

/// Puts a client into the room that its URL names: `withUrl("/chat?room=lobby")`.
async fn enter(request: Request, caller: Caller, groups: Groups) -> Result<(), HubError> {
    if let Some(room) = request.query_value("room") {
        groups.add(caller.id(), &room).await?;
    }
    Ok(())
}

async fn say(caller: Caller, clients: Clients, Args((room, text)): Args<(String, String)>) -> Result<(), HubError> {
    clients.group(&room).send("Said", (caller.id(), text)).await?;
    Ok(())
}

/// Counts down while the client listens.
async fn countdown(Args((from,)): Args<(u32,)>) -> Result<impl Stream<Item = Result<u32, HubError>>, HubError> {
    Ok(stream::iter((0..from).rev()).map(Ok))
}

/// Takes a text in pieces and says how long it is.
async fn length(mut pieces: Upload<String>) -> Result<usize, HubError> {
    let mut length = 0;
    while let Some(piece) = pieces.next().await {
        length += piece?.chars().count();
    }
    Ok(length)
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let hub = Hub::builder()
        .on_connected(enter)
        .method("Join", join)
        .method("Say", say)
        .method("Length", length)
        .stream("Countdown", countdown)
        .build();
    let server = Server::bind(&address).await?.endpoint("/chat", Endpoint::new(hub).transports(Transports::ALL));
    writeln!(io::stdout(), "listening on http://{}/chat", server.local_addr()?)?;
    server
        .run_until(async {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await
}
