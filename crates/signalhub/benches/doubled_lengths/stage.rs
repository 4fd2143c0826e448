//! A hub that takes the messages, and clients without a network.

use std::sync::Arc;

use serde_json::Value;
use signalhub::connections::{ConnectionHandler, Peer};
use signalhub::events::{Broker, UnknownEvents};
use signalhub::portos::broker::catalogue;
use signalhub::protocol::{AnyValue, Protocol};
use signalhub::{Args, Clients, Connection, Hub, HubError, Identity, Upload};
use tokio::runtime::Builder;

use crate::messages::{Row, Said, mark};

/// Runs a row: one client of each protocol, and that of the row sends the message.
pub(crate) fn run(row: &Row, length: usize) {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let hub = hub();
        let mut clients = Vec::new();
        for protocol in Protocol::ALL {
            clients.push(connect(&hub, protocol).await);
        }
        let sender = &mut clients[row.protocol as usize];
        let says = if length == 0 { Vec::new() } else { (row.says)(length) };
        for said in says {
            match said {
                Said::AtOnce(bytes) => sender.send(bytes),
                Said::InPieces(bytes) => {
                    for piece in bytes.chunks(16) {
                        sender.send(piece);
                        tokio::task::yield_now().await;
                    }
                }
                Said::Answers(count) => hear(sender, count).await,
            }
        }
        // Once this is answered all before it was taken; a message that ends its connection was taken as well.
        let (call, answer) = mark(row.protocol);
        sender.send(call);
        while let Some(message) = sender.receive().await
            && !message.windows(answer.len()).any(|part| part == answer)
        {}
    });
}

async fn hear(client: &mut Peer, count: usize) {
    for _ in 0..count {
        client.receive().await.unwrap();
    }
}

fn hub() -> Hub {
    let catalogue = catalogue().with_unknown(UnknownEvents::Allowed);
    Hub::builder()
        .events(Broker::builder(catalogue).build())
        .configure(|options| {
            options.maximum_receive_message_size = Some(1 << 20);
            options.maximum_subscriptions_per_client = 100_000;
            options.maximum_streams_per_client = 100_000;
        })
        .method("Mark", async || Ok::<_, HubError>("marked"))
        .method("Take", async |Args((_,)): Args<(Value,)>| Ok(()))
        .method("Pass", async |clients: Clients, Args((value,)): Args<(AnyValue,)>| {
            Ok(clients.all().send("Passed", (value,)).await?)
        })
        .method("Ask", async |clients: Clients| Ok(clients.caller().invoke::<AnyValue>("Answer", ()).await?))
        .method("Hold", async |mut upload: Upload<AnyValue>| {
            while upload.next().await.is_some() {}
            Ok(())
        })
        .build()
}

async fn connect(hub: &Hub, protocol: Protocol) -> Peer {
    let (connection, mut peer) = Connection::pair(Identity::user("ann"));
    tokio::spawn(Arc::new(hub.clone()).handle(connection));
    peer.send(format!("{{\"protocol\":\"{}\",\"version\":1}}\u{1e}", protocol.name()));
    assert_eq!(peer.receive().await.unwrap(), "{}\u{1e}");
    peer
}
