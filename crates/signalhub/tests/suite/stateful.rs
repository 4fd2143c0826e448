//! Stateful reconnect: acknowledgements, limits, and messages that a client repeats.

use std::sync::Arc;
use std::time::Duration;

use signalhub::connections::{ConnectionHandler, Peer};
use signalhub::{Args, CloseReason, Connection, Hub, HubBuilder, Identity, Upload};

fn hub() -> HubBuilder<()> {
    Hub::builder()
        .method("Echo", async |Args((word,)): Args<(String,)>| Ok(word))
        .method("First", async |mut numbers: Upload<i32>| numbers.next().await.unwrap_or(Ok(0)))
}

const CLOSE: &str = r#"{"type":7,"error":"Connection closed with an error.","allowReconnect":true}"#;

struct Client(Peer);

impl Client {
    async fn connect(hub: &Hub) -> Self {
        let (connection, mut peer) = Connection::resumable_pair(Identity::user("ann"));
        tokio::spawn(Arc::new(hub.clone()).handle(connection));
        peer.send("{\"protocol\":\"json\",\"version\":2}\u{1e}");
        assert_eq!(peer.receive().await.unwrap(), "{}\u{1e}");
        Self(peer)
    }

    fn say(&mut self, message: &str) {
        self.0.send(format!("{message}\u{1e}"));
    }

    fn echo(&mut self, id: u32) {
        self.say(&format!(r#"{{"type":1,"invocationId":"{id}","target":"Echo","arguments":["x"]}}"#));
    }

    /// The next message; `None` if none arrives while the clock runs for some seconds.
    async fn next(&mut self) -> Option<String> {
        let message = tokio::time::timeout(Duration::from_secs(5), self.0.receive()).await.ok()??;
        Some(String::from_utf8(message.to_vec()).unwrap().trim_end_matches('\u{1e}').to_owned())
    }

    async fn receives(&mut self, message: &str) {
        assert_eq!(self.next().await.as_deref(), Some(message));
    }

    async fn is_answered(&mut self, id: u32) {
        self.receives(&format!(r#"{{"type":3,"invocationId":"{id}","result":"x"}}"#)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_acknowledges_nothing_is_not_answered_until_it_does() {
    let hub = hub().configure(|options| options.stateful_reconnect_buffer_size = 100).build();
    let mut client = Client::connect(&hub).await;
    for id in 1..=9 {
        client.echo(id);
    }
    // The third answer fills the buffer, the fourth waits, and the fifth call waits for that.
    for id in 1..=3 {
        client.is_answered(id).await;
    }
    client.receives(r#"{"type":8,"sequenceId":5}"#).await;
    assert_eq!(client.next().await, None);
    // The acknowledgement is read although calls that wait for it are in front of it.
    client.say(r#"{"type":8,"sequenceId":3}"#);
    client.is_answered(4).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_acknowledges_is_closed_and_affects_no_other() {
    let hub = hub().build();
    let mut silent = Client::connect(&hub).await;
    let mut witness = Client::connect(&hub).await;
    let text = "x".repeat(160_000);
    let mut sent = 0;
    while silent.0.close_reason().is_none() {
        hub.clients().all().send("Said", (&text,)).await.unwrap();
        sent += 1;
        assert!(witness.next().await.unwrap().contains(&text));
        witness.say(&format!(r#"{{"type":8,"sequenceId":{sent}}}"#));
        tokio::task::yield_now().await;
        // It reads its messages; only its acknowledgements are missing.
        silent.next().await;
    }
    assert_eq!(silent.0.close_reason(), Some(CloseReason::SlowConsumer));
    assert!((90..=105).contains(&sent), "the queue's limit of 16 MiB holds after {sent} messages");
    witness.echo(1);
    witness.is_answered(1).await;
}

#[tokio::test(start_paused = true)]
async fn invalid_numbers_end_only_the_connection_of_their_client() {
    for (message, close) in [
        (r#"{"type":8,"sequenceId":-1}"#, None),
        (r#"{"type":8,"sequenceId":9223372036854775807}"#, None),
        (r#"{"type":9,"sequenceId":-9223372036854775808}"#, None),
        (r#"{"type":9,"sequenceId":1}"#, None),
        (r#"{"type":9,"sequenceId":2}"#, Some(CLOSE)),
        (r#"{"type":9,"sequenceId":9223372036854775807}"#, Some(CLOSE)),
    ] {
        let hub = hub().build();
        let mut client = Client::connect(&hub).await;
        for _ in 0..1000 {
            client.say(message);
        }
        match close {
            Some(close) => client.receives(close).await,
            None => {
                // Each Sequence from before the first message makes the next ones repeated, so the client says where it is.
                client.say(r#"{"type":9,"sequenceId":1}"#);
                client.echo(1);
                client.is_answered(1).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_given_up_is_gone() {
    let hub = hub().build();
    let mut client = Client::connect(&hub).await;
    client.0.lose();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hub.client_count(), 1);
    client.0.give_up();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hub.client_count(), 0);
}

/// Which messages are acknowledged, as recorded from the original one by one.
#[tokio::test(start_paused = true)]
async fn all_calls_and_answers_are_acknowledged_but_no_item_without_a_stream() {
    for (message, counts) in [
        (r#"{"type":2,"invocationId":"nope","item":1}"#, false),
        (r#"{"type":2,"item":1,"invocationId":"nope"}"#, false),
        (r#"{"type":2,"invocationId":"open","item":"x"}"#, false),
        (r#"{"type":2,"invocationId":"open","item":1}"#, true),
        (r#"{"type":3,"invocationId":"open"}"#, true),
        (r#"{"type":3,"invocationId":"nope"}"#, true),
        (r#"{"type":3,"invocationId":"s99999","result":1}"#, true),
        (r#"{"type":5,"invocationId":"nope"}"#, true),
        (r#"{"type":1,"target":"Nope","arguments":[]}"#, true),
        (r#"{"type":1,"target":"Echo","arguments":[1]}"#, true),
        (r#"{"type":4,"target":"Echo","arguments":[1]}"#, true),
        (r#"{"type":1,"target":"Echo","arguments":["x"],"streamIds":["s"]}"#, true),
        (r#"{"type":6}"#, false),
        (r#"{"type":8,"sequenceId":0}"#, false),
        (r#"{"type":9,"sequenceId":2}"#, false),
    ] {
        let hub = hub().build();
        let mut client = Client::connect(&hub).await;
        client.say(r#"{"type":1,"target":"First","arguments":[],"streamIds":["open"]}"#);
        client.receives(r#"{"type":8,"sequenceId":1}"#).await;
        client.say(message);
        if counts {
            client.receives(r#"{"type":8,"sequenceId":2}"#).await;
        }
        assert_eq!(client.next().await, None, "{message}");
        client.echo(1);
        client.is_answered(1).await;
        client.receives(&format!(r#"{{"type":8,"sequenceId":{}}}"#, 2 + u32::from(counts))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_repeats_items_without_a_stream_is_answered_once() {
    let hub = hub().build();
    let mut client = Client::connect(&hub).await;
    let item = r#"{"type":2,"invocationId":"nope","item":1}"#;
    client.echo(1);
    client.say(item);
    client.echo(2);
    client.is_answered(1).await;
    client.is_answered(2).await;
    client.receives(r#"{"type":8,"sequenceId":2}"#).await;
    // To the client these were three messages, and it repeats what is not acknowledged.
    client.say(r#"{"type":9,"sequenceId":3}"#);
    client.echo(2);
    client.echo(3);
    client.is_answered(3).await;
    client.receives(r#"{"type":8,"sequenceId":3}"#).await;
}
