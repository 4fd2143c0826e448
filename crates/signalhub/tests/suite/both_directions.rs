//! Calls that stream in both directions.

use crate::support::{Client, Shared, ended, failed, idle, item_of};
use futures_util::stream::{self, Stream, StreamExt};
use serde_json::{Value, json};
use signalhub::{Args, Hub, HubError, State, Upload};

async fn echo(
    State(shared): State<Shared>,
    values: Upload<String>,
) -> Result<impl Stream<Item = Result<String, HubError>>, HubError> {
    let guard = shared.alive.guard();
    Ok(values.map(move |value| {
        let _ = &guard;
        value
    }))
}

fn hub() -> (Hub, Shared) {
    let (shared, _) = Shared::new();
    let hub = Hub::builder()
        .state(shared.clone())
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .stream("EchoAll", echo)
        .stream("TwoOf", async |values: Upload<String>| Ok(values.take(2)))
        .stream("Nothing", async |_: Upload<String>| Ok(stream::pending::<Result<(), HubError>>()))
        .build();
    (hub, shared)
}

#[tokio::test(start_paused = true)]
async fn a_call_can_stream_in_both_directions() {
    let (hub, shared) = hub();
    let mut client = Client::connect(&hub).await;
    client.say(&json!({"type": 4, "invocationId": "1", "target": "EchoAll", "arguments": [], "streamIds": ["1"]}));
    for text in ["a", "b"] {
        client.item("1", &json!(text));
        client.receives([item_of("1", &json!(text))]).await;
    }
    client.complete("1");
    client.receives([ended("1")]).await;
    assert_eq!(shared.alive.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_ends_a_stream_ends_the_upload_it_reads() {
    type End = fn(&mut Client);
    let ends: [(&str, End, Value); 4] = [
        ("EchoAll", |client| client.cancel("1"), ended("1")),
        ("Nothing", |client| client.cancel("1"), ended("1")),
        (
            "EchoAll",
            |client| client.say(&failed("s", "gave up")),
            failed("1", "An error occurred on the server while streaming results. HubException: gave up"),
        ),
        (
            "EchoAll",
            |client| client.item("s", &json!(1)),
            failed(
                "1",
                "An error occurred on the server while streaming results. HubException: Failed to bind Stream message.",
            ),
        ),
    ];
    for (target, end, last) in ends {
        let (hub, shared) = hub();
        let mut client = Client::connect(&hub).await;
        client.say(&json!({"type": 4, "invocationId": "1", "target": target, "arguments": [], "streamIds": ["s"]}));
        idle().await;
        end(&mut client);
        client.receives([last]).await;
        assert_eq!(shared.alive.count(), 0);
        for _ in 0..20 {
            client.item("s", &json!("late"));
        }
        client.round_trip().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_may_end_before_the_upload_it_reads() {
    let mut client = Client::connect(&hub().0).await;
    client.say(&json!({"type": 4, "invocationId": "1", "target": "TwoOf", "arguments": [], "streamIds": ["s"]}));
    for i in 0..30 {
        client.item("s", &json!(i.to_string()));
    }
    client.receives([item_of("1", &json!("0")), item_of("1", &json!("1")), ended("1")]).await;
    client.round_trip().await;
}
