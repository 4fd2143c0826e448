//! Client results: invocations of client methods whose result a method waits for.

use std::time::Duration;

use crate::support::{Client, Events, Shared, called, failed, idle, invoking, item_of, result, soon};
use serde_json::{Value, json};
use signalhub::{
    Args, Clients, CloseReason, ConnectionId, ErrorDetails, Hub, HubBuilder, HubError, InvokeError, State,
};

async fn ask_caller(State(shared): State<Shared>, clients: Clients) -> Result<String, HubError> {
    let _guard = shared.alive.guard();
    Ok(clients.caller().invoke::<String>("Name", ("x",)).await?)
}

async fn ask(clients: Clients, Args((id,)): Args<(ConnectionId,)>) -> Result<i32, HubError> {
    Ok(clients.client(&id).invoke::<i32>("Age", ()).await?)
}

/// Waits for the result for ten seconds.
async fn ask_for_ten_seconds(clients: Clients) -> Result<String, HubError> {
    let caller = clients.caller();
    match tokio::time::timeout(Duration::from_secs(10), caller.invoke::<String>("Name", ())).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(HubError::new("too late")),
    }
}

fn hub() -> (HubBuilder<Shared>, Shared, Events) {
    let (shared, events) = Shared::new();
    let hub = Hub::builder()
        .state(shared.clone())
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("Wait", async |State(shared): State<Shared>| shared.wait().await)
        .method("AskCaller", ask_caller)
        .method("Ask", ask)
        .method("AskForTenSeconds", ask_for_ten_seconds);
    (hub, shared, events)
}

fn detailed() -> (Hub, Shared, Events) {
    let (hub, shared, events) = hub();
    (hub.configure(|options| options.error_details = ErrorDetails::Shown).build(), shared, events)
}

#[tokio::test(start_paused = true)]
async fn an_answer_becomes_the_result_of_the_question() {
    let unbound = " HubException: Error trying to deserialize result to String. ";
    for (answer, outcome) in [
        (json!({"result": "me"}), Ok("me")),
        (json!({"error": "no"}), Err(" HubException: no")),
        (json!({"error": ""}), Err(" HubException: ")),
        (json!({}), Err(" HubException: Exception of type 'Microsoft.AspNetCore.SignalR.HubException' was thrown.")),
        (json!({"result": null}), Err(unbound)),
        (json!({"result": {"a": 1}}), Err(unbound)),
        (json!({"result": 1}), Err(unbound)),
    ] {
        let hub = hub().0.build();
        let mut client = Client::connect(&hub).await;
        client.call("1", "AskCaller", &json!([]));
        let question = client.is_asked("Name").await;
        assert!(question.starts_with('s'), "{question} could be an id of the client");
        assert_eq!(hub.pending_result_count(), 1);
        let mut answer = answer;
        answer["type"] = json!(3);
        answer["invocationId"] = json!(question);
        client.say(&answer);
        match outcome {
            Ok(name) => client.receives([result("1", &json!(name))]).await,
            Err(detail) => {
                let completion = client.next().await;
                let error = completion["error"].as_str().unwrap_or_default();
                assert!(error.starts_with(&invoking("AskCaller", detail)), "{error}");
            }
        }
        assert_eq!(hub.pending_result_count(), 0);
        // No call waits for a second answer.
        client.say(&result(&question, &json!("you")));
        client.round_trip().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_question_is_a_call_with_an_id() {
    let (hub, ..) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.call("1", "AskCaller", &json!([]));
    let question = client.next().await;
    let id = question["invocationId"].clone();
    assert_eq!(question, json!({"type": 1, "invocationId": id, "target": "Name", "arguments": ["x"]}));
}

#[tokio::test(start_paused = true)]
async fn only_completions_of_known_questions_are_answers() {
    let hub = hub().0.build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "AskCaller", &json!([]));
    let question = client.is_asked("Name").await;
    for stranger in ["1", "", "s", "s0", "sx", "s-1", "s18446744073709551616", &question[1..]] {
        if !stranger.is_empty() {
            client.say(&result(stranger, &json!("you")));
        }
    }
    client.say(&item_of(&question, &json!("you")));
    client.cancel(&question);
    client.round_trip().await;
    assert_eq!(hub.pending_result_count(), 1);
    client.say(&result(&question, &json!("me")));
    client.receives([result("1", &json!("me"))]).await;
}

#[tokio::test(start_paused = true)]
async fn a_waiting_method_gives_its_slot_to_the_next_call() {
    let (hub, shared, _) = hub();
    let mut client = Client::connect(&hub.build()).await;
    client.call("1", "AskCaller", &json!([]));
    client.call("2", "AskCaller", &json!([]));
    client.call("3", "Wait", &json!([]));
    client.call("4", "Echo", &json!(["behind"]));
    let (first, second) = (client.is_asked("Name").await, client.is_asked("Name").await);
    assert_ne!(first, second);
    // The third call has the only slot, so reading is blocked and no answer is read.
    client.say(&result(&second, &json!("b")));
    client.say(&result(&first, &json!("a")));
    client.receives_nothing().await;
    shared.let_through(1);
    let (waited, behind) = (result("3", &Value::Null), result("4", &json!("behind")));
    client.receives([waited, behind, result("2", &json!("b")), result("1", &json!("a"))]).await;
    // There is still one slot.
    client.call("5", "Wait", &json!([]));
    client.call("6", "Echo", &json!([6]));
    client.receives_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_whose_method_has_timed_out_leaves_nothing() {
    let hub = hub().0.build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "AskForTenSeconds", &json!([]));
    let question = client.is_asked("Name").await;
    assert_eq!(hub.pending_result_count(), 1);
    tokio::time::advance(Duration::from_secs(11)).await;
    client.receives([failed("1", &invoking("AskForTenSeconds", " HubException: too late"))]).await;
    assert_eq!(hub.pending_result_count(), 0);
    client.say(&result(&question, &json!("late")));
    client.round_trip().await;
}

#[tokio::test(start_paused = true)]
async fn dropping_the_wait_forgets_the_question() {
    let hub = hub().0.build();
    let mut client = Client::connect(&hub).await;
    let target = hub.clients().client(client.id());
    let waiting = tokio::spawn(async move { target.invoke::<i32>("Age", ()).await });
    let question = client.is_asked("Age").await;
    assert_eq!(hub.pending_result_count(), 1);
    waiting.abort();
    assert!(soon(waiting).await.is_err());
    assert_eq!(hub.pending_result_count(), 0);
    client.say(&result(&question, &json!(1)));
    client.round_trip().await;
}

#[tokio::test(start_paused = true)]
async fn arguments_that_cannot_be_sent_leave_no_question() {
    let hub = hub().0.build();
    let client = Client::connect(&hub).await;
    let answer = hub.clients().client(client.id()).invoke::<i32>("Age", (f64::NAN,)).await;
    assert!(matches!(answer, Err(InvokeError::Arguments(_))), "{answer:?}");
    assert_eq!(hub.pending_result_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn any_task_may_ask() {
    let hub = hub().0.build();
    let mut client = Client::connect(&hub).await;
    let target = hub.clients().client(client.id());
    let waiting = tokio::spawn(async move { target.invoke::<i32>("Age", ()).await });
    let question = client.is_asked("Age").await;
    client.say(&result(&question, &json!(42)));
    assert_eq!(soon(waiting).await.expect("no panic").ok(), Some(42));
}

#[tokio::test(start_paused = true)]
async fn one_client_may_be_asked_by_another() {
    let (hub, ..) = detailed();
    let (mut asking, mut asked) = (Client::connect(&hub).await, Client::connect(&hub).await);
    asking.call("1", "Ask", &json!([asked.id()]));
    let question = asked.is_asked("Age").await;
    asked.say(&result(&question, &json!(42)));
    asking.receives([result("1", &json!(42))]).await;
}

#[tokio::test(start_paused = true)]
async fn an_asked_client_that_leaves_fails_the_question() {
    type End = fn(&mut Client);
    let ends: [End; 3] =
        [Client::vanish, |client| client.say(&json!({"type": 7})), |client| client.peer.send("nonsense\u{1e}")];
    for (details, end) in [ErrorDetails::Shown, ErrorDetails::Hidden].into_iter().zip(ends.into_iter().cycle()) {
        let hub = hub().0.configure(|options| options.error_details = details).build();
        let (mut asking, mut asked) = (Client::connect(&hub).await, Client::connect(&hub).await);
        asking.call("1", "Ask", &json!([asked.id()]));
        asking.call("2", "Ask", &json!([asked.id()]));
        asked.is_asked("Age").await;
        asked.is_asked("Age").await;
        end(&mut asked);
        let detail = match details {
            ErrorDetails::Shown => format!(" IOException: Connection '{}' disconnected.", asked.id()),
            ErrorDetails::Hidden => String::new(),
        };
        let mut ids = Vec::new();
        for _ in 0..2 {
            let completion = asking.next().await;
            assert_eq!(completion["error"], invoking("Ask", &detail));
            ids.push(completion["invocationId"].to_string());
        }
        ids.sort_unstable();
        assert_eq!(ids, ["\"1\"", "\"2\""]);
        assert_eq!(hub.pending_result_count(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_asking_client_that_leaves_frees_its_method() {
    let (hub, shared, _) = hub();
    let hub = hub.build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "AskCaller", &json!([]));
    client.is_asked("Name").await;
    assert_eq!(shared.alive.count(), 1);
    client.vanish();
    assert_eq!(client.ends().await, CloseReason::ClientGone);
    shared.alive.becomes(0).await;
    assert_eq!(hub.pending_result_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_client_cannot_be_asked() {
    let (hub, ..) = detailed();
    let mut client = Client::connect(&hub).await;
    client.call("1", "Ask", &json!(["unknown"]));
    let detail = " IOException: Connection 'unknown' does not exist.";
    client.receives([failed("1", &invoking("Ask", detail))]).await;
    let answer = hub.clients().caller().invoke::<i32>("Age", ()).await;
    assert!(matches!(answer, Err(InvokeError::Unknown(_))), "{answer:?}");
    assert_eq!(hub.pending_result_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_answer_closes_who_gave_it_and_the_asked_one_may_still_answer() {
    let (hub, ..) = detailed();
    let (mut asked, mut stranger) = (Client::connect(&hub).await, Client::connect(&hub).await);
    asked.call("1", "AskCaller", &json!([]));
    let question = asked.is_asked("Name").await;
    stranger.say(&result(&question, &json!("you")));
    let error = format!(
        "Connection closed with an error. InvalidOperationException: Connection ID '{}' is not valid for invocation ID \
         '{question}'.",
        stranger.id()
    );
    stranger.receives([json!({"type": 7, "error": error, "allowReconnect": true})]).await;
    stranger.ends().await;
    assert_eq!(hub.pending_result_count(), 1);
    asked.say(&result(&question, &json!("me")));
    asked.receives([result("1", &json!("me"))]).await;
}

#[tokio::test(start_paused = true)]
async fn on_connected_cannot_ask() {
    let hidden = "Connection closed with an error.";
    let shown = "Connection closed with an error. InvalidOperationException: Client results inside OnConnectedAsync \
        Hub methods are not allowed.";
    for (details, error) in [(ErrorDetails::Hidden, hidden), (ErrorDetails::Shown, shown)] {
        let hub = hub().0.configure(|options| options.error_details = details).on_connected(ask_caller).build();
        let mut client = Client::connect(&hub).await;
        client.receives([json!({"type": 7, "error": error})]).await;
        client.ends().await;
        assert_eq!((hub.pending_result_count(), hub.client_count()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_can_be_answered_while_the_server_stops() {
    let mut client = Client::connect(&hub().0.build()).await;
    client.call("1", "AskCaller", &json!([]));
    let question = client.is_asked("Name").await;
    client.peer.drain();
    idle().await;
    client.say(&result(&question, &json!("me")));
    client.receives([result("1", &json!("me"))]).await;
    assert_eq!(client.ends().await, CloseReason::ServerShutdown);
}

/// A task that `on_connected` starts may invoke client methods, through the hub.
#[tokio::test(start_paused = true)]
async fn a_client_that_is_still_connecting_answers_later() {
    let (hub, shared, _) = hub();
    let hub = hub.on_connected(async |State(shared): State<Shared>| shared.wait().await).build();
    let mut client = Client::connect(&hub).await;
    idle().await;
    let target = hub.clients().client(client.id());
    let waiting = tokio::spawn(async move { target.invoke::<i32>("Age", ()).await });
    let question = client.is_asked("Age").await;
    client.say(&result(&question, &json!(1)));
    client.receives_nothing().await;
    shared.let_through(1);
    assert_eq!(soon(waiting).await.expect("no panic").ok(), Some(1));
}

/// A client may open an upload with the id of an invocation of the server.
#[tokio::test(start_paused = true)]
async fn a_completion_is_offered_to_uploads_first() {
    let (hub, ..) = hub();
    let hub = hub
        .method("Drain", async |mut numbers: signalhub::Upload<i32>| {
            while numbers.next().await.transpose()?.is_some() {}
            Ok("drained")
        })
        .build();
    let mut client = Client::connect(&hub).await;
    client.call("1", "AskCaller", &json!([]));
    let question = client.is_asked("Name").await;
    client.call_with("2", "Drain", &[&question]);
    client.say(&result(&question, &json!("me")));
    client.receives([result("2", &json!("drained"))]).await;
    client.say(&result(&question, &json!("me")));
    client.receives([result("1", &json!("me"))]).await;
}

/// The connection has ended, but its on_disconnected still runs: no client is left to answer.
async fn check_leaving(end: fn(&mut Client)) {
    let (hub, shared, mut events) = hub();
    let hub = hub
        .on_disconnected(async |State(shared): State<Shared>, clients: Clients| {
            shared.record("leaving");
            shared.wait().await?;
            let answer = clients.caller().invoke::<i32>("Age", ()).await;
            shared.record(answer.map_or_else(|error| error.to_string(), |age| age.to_string()));
            Ok(())
        })
        .build();
    let mut client = Client::connect(&hub).await;
    let target = hub.clients().client(client.id());
    end(&mut client);
    assert_eq!(events.next().await, "leaving");
    let answer = soon(target.invoke::<i32>("Age", ())).await;
    // The target is resolved now, as the original looks the connection up when it is asked.
    assert!(matches!(answer, Err(InvokeError::Unknown(_))), "{answer:?}");
    shared.let_through(1);
    assert_eq!(events.next().await, format!("Connection '{}' disconnected.", client.id()));
    assert_eq!(hub.pending_result_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_leaving_cannot_be_asked() {
    check_leaving(|client| client.say(&json!({"type": 7}))).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_vanished_cannot_be_asked() {
    check_leaving(Client::vanish).await;
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_is_no_question() {
    let hub = hub().0.build();
    let mut client = Client::connect(&hub).await;
    hub.clients().client(client.id()).send("Hello", (1,)).await.expect("nothing can fail");
    client.receives([called("Hello", &json!([1]))]).await;
    assert_eq!(hub.pending_result_count(), 0);
}
