//! When a handshake makes a connection a client of its hub.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use crate::support::{Client, Shared, called, idle, soon};
use serde_json::json;
use signalhub::{Caller, Groups, Hub, Identity, State};
use tokio::sync::mpsc;

#[tokio::test(start_paused = true)]
async fn a_failed_handshake_never_joins_the_hub() {
    for bytes in ["nonsense\u{1e}", "{\"protocol\":\"smoke\",\"version\":1}\u{1e}", ""] {
        let (shared, mut events) = Shared::new();
        let hub = Hub::builder()
            .state(shared)
            .on_connected(async |State(shared): State<Shared>| {
                shared.record("connected");
                Ok(())
            })
            .on_disconnected(async |State(shared): State<Shared>| {
                shared.record("disconnected");
                Ok(())
            })
            .build();
        let mut client = Client::begin(&hub, Identity::anonymous());
        client.peer.send(bytes);
        if bytes.is_empty() {
            client.vanish();
        } else {
            assert!(client.next().await["error"].is_string());
        }
        client.ends().await;
        assert_eq!(hub.client_count(), 0);
        assert!(events.none());
    }
}

/// Counts the clients and groups of a hub when it is woken, that is, when the client has something to read.
struct Counting(Hub, mpsc::Sender<(usize, usize)>);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        let _ = self.1.try_send((self.0.client_count(), self.0.group_count()));
    }
}

/// A client that has read the answer to its handshake is already registered, and in the groups of `on_connected`.
#[tokio::test(start_paused = true)]
async fn no_client_reads_the_answer_to_its_handshake_before_it_is_registered() {
    let hub = Hub::builder()
        .on_connected(async |groups: Groups, caller: Caller| {
            groups.add(caller.id(), "g").await?;
            Ok(())
        })
        .build();
    let mut client = Client::begin(&hub, Identity::user("ann"));
    idle().await;
    let (sender, mut counts) = mpsc::channel(8);
    let waker = Waker::from(Arc::new(Counting(hub.clone(), sender)));
    {
        let mut reading = pin!(client.peer.receive());
        assert!(reading.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    client.say(&json!({"protocol": "json", "version": 1}));
    assert_eq!(soon(counts.recv()).await, Some((1, 1)));
    assert_eq!(client.next().await, json!({}));
    hub.clients().group("g").send("Said", (1,)).await.unwrap();
    client.receives([called("Said", &json!([1]))]).await;
}
