//! The life of a connection in its hub, from on_connected to on_disconnected.

use crate::support::{Client, Events, Shared, called, idle, result, seconds, soon};
use serde_json::{Value, json};
use signalhub::connections::Dismissal;
use signalhub::{
    Args, Caller, Clients, CloseReason, Disconnected, ErrorDetails, Groups, Hub, HubBuilder, HubError, State,
};
use tokio::sync::mpsc;

async fn wait(State(shared): State<Shared>, Args((name,)): Args<(String,)>) -> Result<String, HubError> {
    let _guard = shared.alive.guard();
    shared.record(format!("begun {name}"));
    shared.wait().await?;
    shared.record(format!("done {name}"));
    Ok(name)
}

/// Ends when its client has gone.
async fn linger(State(shared): State<Shared>, caller: Caller) -> Result<(), HubError> {
    shared.record(format!("aborted: {}", caller.is_aborted()));
    caller.aborted().await;
    caller.aborted().await;
    shared.record(format!("aborted: {}", caller.is_aborted()));
    Ok(())
}

fn hub() -> (HubBuilder<Shared>, Shared, Events) {
    let (shared, events) = Shared::new();
    let hub = Hub::builder()
        .state(shared.clone())
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("Wait", wait)
        .method("Linger", linger)
        .method("Abort", async |caller: Caller, clients: Clients| {
            caller.abort();
            clients.caller().send("TooLate", ()).await?;
            Ok("too late")
        })
        .method("Remember", async |caller: Caller, Args((number,)): Args<(u32,)>| Ok(caller.insert(number)))
        .method("Recall", async |caller: Caller| Ok((caller.get::<u32>(), caller.get::<String>())))
        .method("Forget", async |caller: Caller| Ok(caller.remove::<u32>()));
    (hub, shared, events)
}

/// A hub that tells why its clients have gone.
fn recording() -> (HubBuilder<Shared>, Shared, Events) {
    let (hub, shared, events) = hub();
    let hub = hub.on_disconnected(async |State(shared): State<Shared>, Disconnected(error): Disconnected| {
        shared.record(format!("gone: {error:?}"));
        Ok(())
    });
    (hub, shared, events)
}

/// How a method fails.
#[derive(Clone, Copy, Debug)]
enum Failure {
    Refusal,
    Trouble,
    Panic,
}

fn fail(kind: Failure) -> Result<(), HubError> {
    match kind {
        Failure::Refusal => Err(HubError::new("full")),
        Failure::Trouble => Err(HubError::internal("Trouble", "secret")),
        Failure::Panic => panic!("on purpose"),
    }
}

fn close(error: Option<&str>, reconnect: Option<bool>) -> Value {
    let mut close = json!({"type": 7});
    error.into_iter().for_each(|error| close["error"] = json!(error));
    reconnect.into_iter().for_each(|allowed| close["allowReconnect"] = json!(allowed));
    close
}

#[tokio::test(start_paused = true)]
async fn a_client_is_a_member_and_its_messages_wait_while_on_connected_runs() {
    let (hub, shared, _) = hub();
    let hub = hub
        .on_connected(async |State(shared): State<Shared>, clients: Clients, groups: Groups, caller: Caller| {
            caller.insert(7_u32);
            groups.add(caller.id(), "g").await?;
            clients.caller().send("Hello", ()).await?;
            shared.wait().await?;
            clients.caller().send("Ready", ()).await?;
            Ok(())
        })
        .build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Recall", &json!([]));
    client.receives([called("Hello", &json!([]))]).await;
    assert_eq!((hub.client_count(), hub.group_count()), (1, 1));
    hub.clients().group("g").send("Meanwhile", ()).await.expect("it can be sent");
    client.receives([called("Meanwhile", &json!([]))]).await;
    client.receives_nothing().await;
    shared.let_through(1);
    client.receives([called("Ready", &json!([])), result("1", &json!([7, null]))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_on_connected_refuses_leaves_nothing_and_does_not_disconnect() {
    const BASE: &str = "Connection closed with an error.";
    for (kind, details, error) in [
        (Failure::Refusal, ErrorDetails::Hidden, format!("{BASE} HubException: full")),
        (Failure::Trouble, ErrorDetails::Hidden, BASE.to_owned()),
        (Failure::Trouble, ErrorDetails::Shown, format!("{BASE} Trouble: secret")),
        (Failure::Panic, ErrorDetails::Hidden, BASE.to_owned()),
    ] {
        let (hub, shared, mut events) = recording();
        let hub = hub
            .configure(|options| options.error_details = details)
            .on_connected(move |groups: Groups, caller: Caller, State(shared): State<Shared>| async move {
                groups.add(caller.id(), "g").await?;
                shared.wait().await?;
                fail(kind)
            })
            .build();
        let mut client = Client::connect(&hub).await;
        client.call("1", "Echo", &json!([1]));
        idle().await;
        shared.let_through(1);
        client.receives([close(Some(&error), None)]).await;
        assert_eq!(client.ends().await, CloseReason::Refused, "{kind:?}");
        assert_eq!((hub.client_count(), hub.group_count()), (0, 0));
        assert!(events.none(), "{kind:?}: on_disconnected was called");
    }
}

#[tokio::test(start_paused = true)]
async fn on_disconnected_gets_the_reason() {
    type End = fn(&mut Client);
    let terminated = "Connection terminated while reading a message.";
    let unread = "Client hasn't sent a message/ping within the client timeout.";
    let rows: [(End, Option<Value>, Option<&str>); 8] = [
        (Client::vanish, None, None),
        (|client| client.peer.end(CloseReason::ClientClosed), None, None),
        (
            |client| {
                client.peer.send("{\"type\":6");
                client.vanish();
            },
            None,
            Some(terminated),
        ),
        (|client| client.say(&json!({"type": 7, "allowReconnect": true})), Some(close(None, None)), None),
        (|client| client.say(&json!({"type": 7, "error": ""})), Some(close(None, None)), Some("")),
        (|client| client.peer.drain(), None, None),
        (|client| client.call("1", "Abort", &json!([])), Some(close(None, None)), None),
        (
            |client| client.say(&json!({"type": 6})),
            Some(close(Some("Connection closed with an error."), Some(true))),
            Some(unread),
        ),
    ];
    for (end, last, error) in rows {
        let (hub, _shared, mut events) = recording();
        let hub = hub.build();
        let mut client = Client::connect(&hub).await;
        end(&mut client);
        // The client that has pinged is silent for its timeout of 30 seconds.
        idle().await;
        seconds(&client, 31).await;
        assert_eq!(events.next().await, format!("gone: {:?}", error.map(str::to_owned)));
        client.receives(last).await;
        client.ends().await;
        assert_eq!(hub.client_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_follows_a_close_message() {
    let (hub, shared, mut events) = hub();
    let hub = hub
        .on_disconnected(async |State(shared): State<Shared>, clients: Clients, groups: Groups, caller: Caller| {
            groups.add(caller.id(), "g").await?;
            clients.caller().send("Bye", ()).await?;
            shared.record("leaving");
            shared.wait().await
        })
        .configure(|options| options.maximum_parallel_invocations_per_client = 2)
        .build();
    let mut client = Client::connect(&hub).await;
    let kept = hub.clients().client(client.id());
    client.call("1", "Wait", &json!(["a"]));
    client.say(&json!({"type": 7}));
    client.call("2", "Echo", &json!([2]));
    assert_eq!(events.next().await, "begun a");
    assert_eq!(events.next().await, "leaving");
    for target in [hub.clients().all(), hub.clients().user("ann"), hub.clients().group("g")] {
        target.send("M", ()).await.expect("a target without clients is no error");
    }
    kept.send("M", ()).await.expect("a target without clients is no error");
    shared.let_through(2);
    assert_eq!(events.next().await, "done a");
    client.receives([close(None, None)]).await;
    assert_eq!(client.ends().await, CloseReason::ClientClosed);
    assert_eq!((hub.client_count(), hub.group_count()), (0, 0));
    shared.alive.becomes(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_method_learns_that_its_client_has_gone() {
    type End = fn(&mut Client);
    let ends: [End; 3] =
        [Client::vanish, |client| client.say(&json!({"type": 7})), |client| client.call("2", "Abort", &json!([]))];
    for end in ends {
        let (hub, _shared, mut events) = hub();
        let mut client =
            Client::connect(&hub.configure(|options| options.maximum_parallel_invocations_per_client = 2).build())
                .await;
        client.call("1", "Linger", &json!([]));
        assert_eq!(events.next().await, "aborted: false");
        idle().await;
        assert!(events.none());
        end(&mut client);
        assert_eq!(events.next().await, "aborted: true");
    }
}

/// The call that waits may wait for the end of this method.
#[tokio::test(start_paused = true)]
async fn a_method_learns_that_its_client_has_gone_while_another_call_waits() {
    let (hub, _shared, mut events) = hub();
    let hub = hub.build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Linger", &json!([]));
    client.call("2", "Echo", &json!([2]));
    assert_eq!(events.next().await, "aborted: false");
    idle().await;
    client.vanish();
    assert_eq!(events.next().await, "aborted: true");
    client.ends().await;
    assert_eq!(hub.client_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_aborted_may_not_reconnect_whatever_it_sends_after_that() {
    let hub = hub().0.build();
    let mut client = Client::connect(&hub).await;
    client.peer.send("{\"type\":1,\"target\":\"Abort\",\"arguments\":[]}\u{1e}{\"type\":1}\u{1e}");
    client.receives([close(Some("Connection closed with an error."), None)]).await;
    client.ends().await;
}

#[tokio::test(start_paused = true)]
async fn any_task_may_abort_a_connection() {
    let (hub, shared, mut events) = recording();
    let (sender, mut callers) = mpsc::channel(1);
    let hub = hub
        .on_connected(move |caller: Caller| {
            let sender = sender.clone();
            async move { sender.send(caller).await.map_err(|error| HubError::internal("Closed", error)) }
        })
        .build();
    let mut client = Client::connect(&hub).await;
    let caller = soon(callers.recv()).await.expect("a caller");
    client.call("1", "Wait", &json!(["a"]));
    assert_eq!(events.next().await, "begun a");
    caller.abort();
    caller.abort();
    assert_eq!(events.next().await, "gone: None");
    assert!(caller.is_aborted());
    soon(caller.aborted()).await;
    client.receives([close(None, None)]).await;
    assert_eq!(client.ends().await, CloseReason::Aborted);
    shared.let_through(1);
    assert_eq!(events.next().await, "done a");
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_connection_an_operator_ends_is_told_why_and_whether_it_may_reconnect() {
    for (reason, allow_reconnect) in [(None, false), (None, true), (Some("moving <b>"), true)] {
        let (hub, _shared, mut events) = recording();
        let mut client = Client::connect(&hub.build()).await;
        client.peer.dismiss(Dismissal { allow_reconnect, reason: reason.map(Into::into) });
        // The first dismissal stays.
        client.peer.dismiss(Dismissal::default());
        client.receives([close(reason, allow_reconnect.then_some(true))]).await;
        assert_eq!(events.next().await, "gone: None");
        assert_eq!(client.ends().await, CloseReason::Dismissed);
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_lets_a_client_reconnect_also_if_another_cause_ends_its_session_first() {
    let hub = hub().0.build();
    let mut client = Client::connect(&hub).await;
    client.peer.dismiss(Dismissal { allow_reconnect: true, reason: None });
    client.peer.send("{\"type\":7}\u{1e}");
    client.receives([close(None, Some(true))]).await;
    client.ends().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_keeps_one_item_of_each_type_until_it_is_gone() {
    let (hub, _shared, mut events) = hub();
    let hub = hub
        .on_disconnected(async |State(shared): State<Shared>, caller: Caller| {
            shared.record(format!("{:?}", caller.get::<u32>()));
            Ok(())
        })
        .build();
    let (mut client, mut other) = (Client::connect(&hub).await, Client::connect(&hub).await);
    for (target, arguments, outcome) in [
        ("Recall", json!([]), json!([null, null])),
        ("Forget", json!([]), json!(null)),
        ("Remember", json!([1]), json!(null)),
        ("Remember", json!([2]), json!(1)),
        ("Recall", json!([]), json!([2, null])),
        ("Forget", json!([]), json!(2)),
        ("Recall", json!([]), json!([null, null])),
        ("Remember", json!([3]), json!(null)),
    ] {
        client.call("1", target, &arguments);
        client.receives([result("1", &outcome)]).await;
    }
    other.call("1", "Recall", &json!([]));
    other.receives([result("1", &json!([null, null]))]).await;
    client.vanish();
    assert_eq!(events.next().await, "Some(3)");
}

#[tokio::test(start_paused = true)]
async fn an_on_disconnected_that_fails_leaves_nothing_behind() {
    for kind in [Failure::Refusal, Failure::Panic] {
        let (hub, ..) = hub();
        let hub = hub.on_disconnected(move || async move { fail(kind) }).build();
        let (mut client, mut other) = (Client::connect(&hub).await, Client::connect(&hub).await);
        hub.groups().add(client.id(), "g").await.unwrap();
        client.vanish();
        client.ends().await;
        assert_eq!((hub.client_count(), hub.group_count()), (1, 0));
        other.round_trip().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_answers_what_runs_and_begins_nothing() {
    let (hub, shared, mut events) = recording();
    let mut client = Client::connect(&hub.build()).await;
    client.call("1", "Wait", &json!(["a"]));
    client.call("2", "Wait", &json!(["waits for its turn"]));
    assert_eq!(events.next().await, "begun a");
    client.peer.drain();
    client.call("3", "Wait", &json!(["comes too late"]));
    client.receives_nothing().await;
    shared.let_through(3);
    client.receives([result("1", &json!("a"))]).await;
    assert_eq!((events.next().await, events.next().await), ("done a".to_owned(), "gone: None".to_owned()));
    assert_eq!(client.ends().await, CloseReason::ServerShutdown);
    assert!(events.none(), "a call began after the end");
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_takes_too_long_leaves_running_calls_alone() {
    let (hub, shared, mut events) = recording();
    let mut client = Client::connect(&hub.build()).await;
    client.call("1", "Wait", &json!(["a"]));
    assert_eq!(events.next().await, "begun a");
    client.peer.drain();
    idle().await;
    seconds(&client, 2).await;
    assert_eq!(client.peer.close_reason(), None, "the grace period is 3 seconds");
    seconds(&client, 1).await;
    assert_eq!(events.next().await, "gone: None");
    assert_eq!(client.ends().await, CloseReason::ServerShutdown);
    shared.let_through(1);
    assert_eq!(events.next().await, "done a");
    shared.alive.becomes(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_on_disconnected_does_not_delay_the_end_of_its_connection() {
    let (hub, shared, _) = hub();
    let hub = hub.on_disconnected(async |State(shared): State<Shared>| shared.wait().await).build();
    let mut client = Client::connect(&hub).await;
    client.peer.drain();
    assert_eq!(soon(client.peer.receive()).await, None);
    assert!(!client.session_has_ended(), "the session waits for on_disconnected");
    shared.let_through(1);
    assert_eq!(client.ends().await, CloseReason::ServerShutdown);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_dropped_leaves_nothing() {
    let (hub, shared, mut events) = recording();
    let hub = hub.build();
    let mut client = Client::connect(&hub).await;
    hub.groups().add(client.id(), "g").await.unwrap();
    client.call("1", "Wait", &json!(["a"]));
    assert_eq!(events.next().await, "begun a");
    client.kill().await;
    assert_eq!((hub.client_count(), hub.group_count(), shared.alive.count()), (0, 0, 0));
    assert_eq!(client.peer.receive().await, None);
    assert_eq!(client.peer.close_reason(), Some(CloseReason::HandlerFailed));
}

/// An application may count its clients up in `on_connected` and down in `on_disconnected`.
#[tokio::test(start_paused = true)]
async fn on_disconnected_comes_after_on_connected_has_ended() {
    let (hub, shared, mut events) = recording();
    let hub = hub.on_connected(async |shared: State<Shared>| wait(shared, Args(("on_connected".to_owned(),))).await);
    let mut client = Client::connect(&hub.build()).await;
    assert_eq!(events.next().await, "begun on_connected");
    client.vanish();
    idle().await;
    assert!(events.none(), "on_disconnected ran while on_connected did");
    shared.let_through(1);
    assert_eq!(events.next().await, "done on_connected");
    assert_eq!(events.next().await, "gone: None");
}
