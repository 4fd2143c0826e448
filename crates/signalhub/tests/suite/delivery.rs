//! How messages are delivered: in order, to slow clients, and while clients end.

use crate::support::{Client, called, result, soon};
use serde_json::{Value, json};
use signalhub::{Args, Caller, Clients, CloseReason, ConnectionId, Hub, HubBuilder, SendError};

fn hub() -> HubBuilder<()> {
    Hub::builder().method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
}

#[tokio::test(start_paused = true)]
async fn messages_of_one_sender_stay_in_order_whatever_their_targets() {
    async fn send_all(clients: &Clients, id: &ConnectionId) -> Result<(), SendError> {
        let single = [clients.client(id)];
        let several = [clients.all(), clients.group("all"), clients.user("ann"), clients.clients([id])];
        for number in 0..1000 {
            match number % 5 {
                0 => single[0].send("N", (number,)).await?,
                other => several[other - 1].send("N", (number,)).await?,
            }
        }
        Ok(())
    }
    let numbered = |from: usize, to: usize| (from..to).map(|number| called("N", &json!([number])));
    let hub = hub()
        .method("SendAll", async |clients: Clients, caller: Caller| Ok(send_all(&clients, caller.id()).await?))
        .build();
    let mut client = Client::connect(&hub).await;
    hub.groups().add(client.id(), "all").await.unwrap();
    send_all(&hub.clients(), client.id()).await.expect("all can be sent");
    client.receives(numbered(0, 1000)).await;
    client.call("1", "SendAll", &json!([]));
    client.receives(numbered(0, 1000)).await;
    client.receives([result("1", &Value::Null)]).await;
}

/// A send yields to other tasks after every 128 clients, so clients may connect and end while it runs.
#[tokio::test(start_paused = true)]
async fn many_clients_are_reached_while_some_leave() {
    let hub = hub().build();
    let mut clients = Vec::new();
    for _ in 0..300 {
        clients.push(Client::connect(&hub).await);
    }
    let everyone = hub.clients().all();
    let sending = tokio::spawn(async move { everyone.send("M", (1,)).await });
    for client in clients.iter_mut().step_by(3) {
        client.vanish();
    }
    soon(sending).await.expect("no panic").expect("it can be sent");
    for client in clients.iter_mut().skip(1).step_by(3) {
        client.receives([called("M", &json!([1]))]).await;
    }
    drop(clients);
    assert_eq!(hub.client_count(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_is_closed_and_the_others_are_served() {
    let hub = hub().build();
    let (mut slow, mut quick) = (Client::connect(&hub).await, Client::connect(&hub).await);
    let text = "x".repeat(16 * 1024);
    for _ in 0..1100 {
        hub.clients().all().send("M", (&text,)).await.expect("it can be sent");
        quick.next().await;
    }
    quick.round_trip().await;
    assert_eq!(hub.client_count(), 1);
    assert_eq!(slow.peer.close_reason(), Some(CloseReason::SlowConsumer));
    let mut queued = 0;
    while slow.peer.receive().await.is_some() {
        queued += 1;
    }
    assert!(queued <= 1024, "{queued} messages were queued");
}

/// Senders wait, for a bounded time, for clients that keep reading, so that such a client receives a whole burst.
#[tokio::test(start_paused = true)]
async fn a_client_that_reads_receives_all_messages_of_a_long_burst() {
    const MESSAGES: u64 = 10_000;
    let hub = Hub::builder()
        .method("Flood", async |clients: Clients| {
            for number in 0..MESSAGES {
                clients.caller().send("Said", (number, "x".repeat(3000))).await?;
            }
            Ok(())
        })
        .build();
    let mut client = Client::connect(&hub).await;
    let outside = hub.clients();
    let sending = tokio::spawn(async move {
        for number in 0..MESSAGES {
            outside.all().send("Said", (number, "x".repeat(3000))).await.unwrap();
        }
    });
    for sender in 0..2 {
        for number in 0..MESSAGES {
            assert_eq!(client.next().await["arguments"][0], number, "of sender {sender}");
        }
        if sender == 0 {
            client.call("1", "Flood", &json!([]));
        }
    }
    client.receives([result("1", &Value::Null)]).await;
    sending.await.unwrap();
}
