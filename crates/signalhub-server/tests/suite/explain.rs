//! `explain`, over the admin API and on the command line.

use std::process::Stdio;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};
use signalhub_client::Client;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::admin::{TOKEN, call, post, start};
use crate::admin_lists;
use crate::common::{Running, send};

const CHANGED: &str = "portos.resources.changed";

/// Asks about an update of tickets of acme.
async fn explain(node: &Running, more: &Value) -> Value {
    let mut question = json!({"event": CHANGED, "resource": "tickets", "action": "updated", "organisation": "acme"});
    question.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask(node, &question).await
}

async fn ask(node: &Running, question: &Value) -> Value {
    let answer = post(node, "explain", question).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.body
}

/// The outcomes of an answer, in their order: `step outcome`.
fn outcomes(answer: &Value) -> Vec<String> {
    let text = |step: &Value, member: &str| step[member].as_str().unwrap().to_owned();
    answer["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| format!("{} {}", text(step, "step"), text(step, "outcome")))
        .collect()
}

/// The detail of the last step of this name.
fn detail<'a>(answer: &'a Value, step: &str) -> &'a str {
    let steps = answer["steps"].as_array().unwrap();
    steps.iter().rfind(|known| known["step"] == step).unwrap()["detail"].as_str().unwrap_or_default()
}

/// A client of a user of acme with these grants.
async fn connect(node: &Running, user: &str, grants: Value) -> Client {
    let claims = json!({"sub": user, "org": "acme", "exp": 4_000_000_000_u64, "grants": grants});
    Client::connect(&node.hub(), Some(&crate::common::sign_claims(&claims))).await.unwrap()
}

async fn subscribe(client: &Client, resource: &str) {
    let request = json!({"e": CHANGED, "r": [{"n": resource}]});
    client.invoke::<()>("Subscribe", (request,)).await.unwrap();
}

async fn publish(node: &Running, resource: &str) -> Value {
    let user = json!({"u": "1", "d": "Back office", "f": null});
    let payload = json!({"u": user, "n": resource, "a": 2, "i": {"i": "1", "n": resource, "v": 1}});
    let answer = post(node, "publish", &json!({"e": CHANGED, "org": "acme", "p": payload})).await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.text);
    answer.body
}

#[tokio::test]
async fn a_missing_grant_is_explained_as_documented() {
    let node = start("").await;
    let ann = connect(&node, "ann", json!([{"e": CHANGED, "r": "plus"}])).await;
    subscribe(&ann, "plus").await;
    let answer = explain(&node, &json!({"user": "ann"})).await;
    let id = answer["steps"][2]["connection"].as_str().unwrap();
    let expected = json!({"delivered": false, "steps": [
        {"step": "catalogue", "outcome": "pass", "detail": "declared, with resources"},
        {"step": "connections", "outcome": "pass", "detail": format!("1 of user ann: {id}")},
        {"step": "organisation", "connection": id, "outcome": "pass", "detail": "event of acme, connection of acme"},
        {"step": "grants", "connection": id, "outcome": "fail",
            "detail": "needs portos.resources.changed on tickets (updated); has portos.resources.changed on plus (grants[0])"},
        {"step": "subscriptions", "connection": id, "outcome": "skip"},
        {"step": "expiry", "connection": id, "outcome": "pass", "detail": "the event does not expire"},
        {"step": "queue", "connection": id, "outcome": "pass", "detail": detail(&answer, "queue")},
    ]});
    assert_eq!(answer, expected);
    assert!(detail(&answer, "queue").starts_with("0 bytes of "));
    let by_id = explain(&node, &json!({"connection": id})).await;
    let of_connection = |answer: &Value| answer["steps"].as_array().unwrap()[2..].to_vec();
    assert_eq!(of_connection(&by_id), of_connection(&expected));
    assert_eq!(detail(&by_id, "connections"), format!("1 of user ann: {id}"));
    node.stop().await;
}

#[tokio::test]
async fn explain_says_what_the_server_then_does() {
    let node = start("").await;
    let ann = connect(&node, "ann", json!([{"e": "portos.*"}])).await;
    let agrees = async |delivered: bool, failing: &str, why: &str| {
        let answer = explain(&node, &json!({"user": "ann"})).await;
        assert_eq!(answer["delivered"], delivered, "{answer:#}");
        let failed: Vec<_> = outcomes(&answer).into_iter().filter(|step| step.ends_with(" fail")).collect();
        assert_eq!(failed.join(", "), failing);
        if let Some((step, _)) = failing.split_once(' ') {
            assert!(detail(&answer, step).contains(why), "{answer:#}");
        }
        assert_eq!(publish(&node, "tickets").await["matched"], u64::from(delivered));
    };
    agrees(false, "subscriptions fail", "the connection has no subscription").await;
    subscribe(&ann, "plus").await;
    agrees(false, "subscriptions fail", "it wants the resource plus, and the event has tickets").await;
    subscribe(&ann, "tickets").await;
    agrees(true, "", "").await;
    let answer = explain(&node, &json!({"user": "ann"})).await;
    assert_eq!(detail(&answer, "subscriptions"), "the subscription to portos.resources.changed on tickets matches");

    for (question, failing, why) in [
        (
            json!({"event": CHANGED, "organisation": "other", "user": "ann"}),
            "organisation fail",
            "event of other, connection of acme",
        ),
        (json!({"event": "other", "user": "ann"}), "catalogue fail", "unknown event \"other\""),
        (json!({"event": CHANGED, "user": "bob"}), "connections fail", "user bob has no connection"),
        (json!({"event": CHANGED, "connection": "x"}), "connections fail", "there is no connection x"),
    ] {
        let answer = ask(&node, &question).await;
        let all = outcomes(&answer);
        let failed = all.iter().position(|step| step == failing).unwrap();
        assert_eq!(answer["delivered"], false);
        assert!(detail(&answer, failing.split(' ').next().unwrap()).contains(why), "{answer:#}");
        let after: Vec<&str> = all[failed + 1..].iter().map(|step| step.split(' ').next().unwrap()).collect();
        let order = ["catalogue", "connections", "organisation", "grants", "subscriptions", "expiry", "queue"];
        let place = order.iter().position(|step| failing.starts_with(step)).unwrap();
        assert_eq!(after, order[place + 1..]);
    }
    node.stop().await;
}

#[tokio::test]
async fn of_several_connections_each_is_explained_and_one_is_enough() {
    let node = start("").await;
    let (one, _two) = (connect(&node, "ann", json!([{"e": "*"}])).await, connect(&node, "ann", json!([])).await);
    subscribe(&one, "tickets").await;
    let answer = explain(&node, &json!({"user": "ann"})).await;
    assert_eq!(answer["delivered"], true);
    let of_connections = ["organisation pass", "grants pass", "subscriptions pass", "expiry pass", "queue pass"];
    let of_other = ["organisation pass", "grants fail", "subscriptions skip", "expiry pass", "queue pass"];
    let expected = [&["catalogue pass", "connections pass"][..], &of_connections, &of_other].concat();
    assert_eq!(outcomes(&answer), expected);
    assert!(detail(&answer, "connections").starts_with("2 of user ann: "));
    assert!(detail(&answer, "grants").ends_with("; has an empty list of grants"));
    node.stop().await;
}

#[tokio::test]
async fn a_hundred_connections_of_a_user_are_explained_and_all_are_counted() {
    let node = start("").await;
    let mut clients = Vec::new();
    for _ in 0..103 {
        clients.push(connect(&node, "ann", json!([{"e": "*"}])).await);
    }
    let answer = explain(&node, &json!({"user": "ann"})).await;
    let connections = detail(&answer, "connections");
    assert!(connections.starts_with("103 of user ann, of which the first 100 are explained: "), "{connections}");
    assert_eq!(connections.matches(", ").count(), 1 + 99);
    assert_eq!(outcomes(&answer).iter().filter(|step| *step == "queue pass").count(), 100);
    assert!(detail(&answer, "queue").contains(", all clients together 0 bytes of "), "{answer:#}");
    node.stop().await;
}

/// Opens a WebSocket of version 0 of negotiation, in which the id of the connection is also its token, and subscribes.
async fn connect_version_0(node: &Running, resource: &str) -> WebSocketStream<TcpStream> {
    let bearer = format!("Bearer {}", node.token(|content| content.organisation = Some("acme".to_owned())));
    let negotiate = Request::post(format!("{}/negotiate?negotiateVersion=0", node.hub()));
    let negotiate = negotiate.header("Authorization", &bearer).body(Full::default()).unwrap();
    let id = send(negotiate).await.body["connectionId"].as_str().unwrap().to_owned();
    let mut request = format!("{}?id={id}", node.hub().replacen("http", "ws", 1)).into_client_request().unwrap();
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let socket = TcpStream::connect(request.uri().authority().unwrap().as_str()).await.unwrap();
    let (mut socket, _) = client_async(request, socket).await.unwrap();
    let arguments = json!([{"e": CHANGED, "r": [{"n": resource}]}]);
    let subscribe = json!({"type": 1, "invocationId": "1", "target": "Subscribe", "arguments": arguments});
    for text in [json!({"protocol": "json", "version": 1}), subscribe] {
        socket.send(Message::text(format!("{text}\u{1e}"))).await.unwrap();
    }
    while !socket.next().await.unwrap().unwrap().to_text().unwrap().contains("\"invocationId\":\"1\"") {}
    socket
}

#[tokio::test]
async fn what_is_not_remembered_is_not_delivered_and_the_command_exits_with_2() {
    let node = start("").await;
    let _socket = connect_version_0(&node, "tickets").await;
    let receipt = publish(&node, "tickets").await;
    assert_eq!(receipt["matched"], 1);
    let position = receipt["position"].as_str().unwrap();
    let answer = ask(&node, &json!({"event": CHANGED, "position": position, "user": "ann"})).await;
    assert_eq!((&answer["delivered"], outcomes(&answer).last().unwrap().as_str()), (&json!(false), "matched skip"));
    let why = detail(&answer, "matched");
    assert!(
        why.starts_with("not remembered: ")
            && why.contains(" matched 1, and the id of this connection is also its token"),
        "{why}"
    );
    let arguments = ["--event", CHANGED, "--user", "ann", "--position", position];
    let (code, printed, error) = run(&node, &arguments).await;
    assert_eq!((code, error), (Some(2), format!("signalhub: {why}\n")), "{printed}");
    assert!(printed.starts_with("not known\n"), "{printed}");
    node.stop().await;
}

#[tokio::test]
async fn with_a_position_it_tells_what_did_happen() {
    let node = start("").await;
    let ann = connect(&node, "ann", json!([{"e": "*"}])).await;
    let missed = publish(&node, "tickets").await["position"].clone();
    subscribe(&ann, "tickets").await;
    let got = publish(&node, "tickets").await["position"].clone();
    let at = |position: &Value| json!({"event": CHANGED, "position": position, "user": "ann"});
    let answer = ask(&node, &at(&got)).await;
    assert_eq!((&answer["delivered"], outcomes(&answer).last().unwrap().as_str()), (&json!(true), "matched pass"));
    assert!(detail(&answer, "matched").ends_with("was offered to this connection"));
    let answer = ask(&node, &at(&missed)).await;
    assert_eq!((&answer["delivered"], outcomes(&answer).last().unwrap().as_str()), (&json!(false), "matched fail"));
    assert!(
        detail(&answer, "matched").contains("it would be now, so the connection, a subscription or a grant is newer")
    );
    ann.close().await;
    let answer = async {
        loop {
            let answer = ask(&node, &at(&got)).await;
            if outcomes(&answer)[1] == "connections fail" {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap();
    assert_eq!(
        detail(&answer, "connections"),
        "user ann has no connection; the event matched 1, of which 1 have ended since"
    );
    let refused = async |question: Value| post(&node, "explain", &question).await.verdict();
    assert_eq!(refused(at(&json!("x"))).await, "400 invalid_position");
    assert_eq!(refused(at(&json!("0000000000000001:9"))).await, "404 not_found");
    node.stop().await;
}

#[tokio::test]
async fn questions_that_cannot_be_answered_are_refused_and_names_of_any_kind_are_not() {
    let node = start("").await;
    for question in [
        json!({"event": CHANGED}),
        json!({"event": CHANGED, "user": ""}),
        json!({"event": CHANGED, "user": "ann", "connection": "x"}),
        json!({"event": "", "user": "ann"}),
        json!({"event": "x".repeat(257), "user": "ann"}),
        json!({"event": CHANGED, "resource": "x".repeat(257), "user": "ann"}),
        json!({"event": CHANGED, "organisation": "x".repeat(257), "user": "ann"}),
        json!({"event": CHANGED, "action": "UPDATED", "user": "ann"}),
        json!({"event": CHANGED, "action": 1, "user": "ann"}),
        json!({"event": CHANGED, "user": "ann", "position": "a:1", "resource": "tickets"}),
        json!({"event": CHANGED, "user": "ann", "payload": {}}),
        json!([]),
    ] {
        assert_eq!(post(&node, "explain", &question).await.verdict(), "400 invalid_member", "{question}");
    }
    let question = json!({"event": CHANGED, "user": "ann"}).to_string();
    assert_eq!(call(&node, "POST", "explain", None, &question).await.verdict(), "401 admin_unauthenticated");
    let wild = "<script>\u{0}\u{1b}[2J\r\n\"\u{202e}";
    let ann = connect(&node, wild, json!([{"e": wild, "r": wild}])).await;
    let answer = ask(&node, &json!({"event": CHANGED, "user": wild, "organisation": "acme"})).await;
    assert!(detail(&answer, "connections").starts_with(&format!("1 of user {wild}: ")));
    assert!(detail(&answer, "grants").contains(&format!("has {wild} on {wild} (grants[0])")));
    ann.close().await;
    node.stop().await;
}

#[tokio::test]
async fn connections_of_dialects_are_explained_with_their_dialect() {
    let file = std::env::temp_dir().join(format!("signalhub-explain-{}.json", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let path = file.display().to_string();
    let node = start(&format!("[dialects.printfactory]\nlisten = \"127.0.0.1:0\"\nkeys = {path:?}")).await;
    let key = post(&node, "miskeys", &json!({"organisation": "acme", "user": "mis", "change": "generate"})).await;
    let address = node.dialect("printfactory");
    let mut request = format!("ws://{address}").into_client_request().unwrap();
    request.headers_mut().insert("miskey", key.body["key"].as_str().unwrap().parse().unwrap());
    let socket = TcpStream::connect(address).await.unwrap();
    let (_socket, _) = client_async(request, socket).await.unwrap();
    let ask = async |event: &str, organisation: &str| {
        ask(&node, &json!({"event": event, "organisation": organisation, "user": "mis"})).await
    };
    let answer = async {
        loop {
            let answer = ask("printfactory.job.changed", "acme").await;
            if answer["delivered"] == true {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap();
    assert!(detail(&answer, "connections").ends_with(" speaks printfactory"), "{answer:#}");
    assert_eq!(ask("printfactory.job.changed", "other").await["delivered"], false);
    let answer = ask(CHANGED, "acme").await;
    assert!(detail(&answer, "subscriptions").starts_with("the nearest of 4 subscriptions is to printfactory."));
    node.stop().await;
    std::fs::remove_file(file).unwrap();
}

/// Runs `signalhub explain`, and gives its exit code and what it printed.
async fn run(node: &Running, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_signalhub"));
    program.arg("explain").args(["--url", &node.internal]).args(arguments);
    program.env_clear().env("SIGNALHUB_ADMIN_TOKEN", TOKEN).current_dir(env!("CARGO_TARGET_TMPDIR"));
    let output = program.stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn the_command_prints_the_steps_and_exits_with_the_answer() {
    let node = start("").await;
    let ann = connect(&node, "ann", json!([{"e": CHANGED, "r": "plus"}])).await;
    subscribe(&ann, "plus").await;
    let question = ["--event", CHANGED, "--org", "acme", "--user", "ann", "--action", "updated", "--resource"];
    let (code, printed, error) = run(&node, &[&question[..], &["tickets"]].concat()).await;
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!((code, error.as_str()), (Some(1), "signalhub: the event is not delivered\n"), "{printed}");
    assert_eq!(lines[..2], ["not delivered", "  pass  catalogue      declared, with resources"]);
    assert!(lines[3].starts_with("connection "));
    let grants = "  FAIL  grants         needs portos.resources.changed on tickets (updated); has portos.resources.changed on plus (grants[0])";
    assert_eq!(lines[5..7], [grants, "  skip  subscriptions"]);

    let (code, printed, error) = run(&node, &[&question[..], &["plus", "--json"]].concat()).await;
    assert_eq!((code, error.as_str()), (Some(0), ""), "{printed}");
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["delivered"], true);
    assert_eq!(printed.lines().count(), 1);

    for arguments in [
        &["--event", CHANGED][..],
        &["--event", CHANGED, "--user", "ann", "--connection", "x"],
        &["--event", CHANGED, "--user", "ann", "--action", "changed"],
        &["--event", CHANGED, "--user", "ann", "--position", "x"],
        &["--event", CHANGED, "--user", "ann", "--admin-token", "another token of operators with bytes"],
        &["--event", CHANGED, "--user", "ann", "--url", "http://127.0.0.1:9"],
    ] {
        let (code, printed, error) = run_without_url(&node, arguments).await;
        assert_eq!((code, printed.as_str(), error.is_empty()), (Some(2), "", false), "{arguments:?}: {error}");
    }
    node.stop().await;
}

async fn run_without_url(node: &Running, arguments: &[&str]) -> (Option<i32>, String, String) {
    if !arguments.contains(&"--url") {
        return run(node, arguments).await;
    }
    let elsewhere = arguments[arguments.len() - 1];
    let mut program = Command::new(env!("CARGO_BIN_EXE_signalhub"));
    program.arg("explain").args(&arguments[..arguments.len() - 2]).args(["--url", elsewhere]);
    program.env_clear().env("SIGNALHUB_ADMIN_TOKEN", TOKEN).current_dir(env!("CARGO_TARGET_TMPDIR"));
    let output = program.stdin(Stdio::null()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_client_that_is_being_sent_what_it_has_missed_is_explained_as_such() {
    let node = start("[hub]\ntransport_send_timeout = \"10m\"").await;
    // More than the buffers of the kernel and of the client take.
    let payload = json!({"u": {"u": "1", "d": "d", "f": null}, "i": {"m": "x".repeat(64 * 1024)}});
    let event = json!({"e": "portos.licence.activated", "p": payload}).to_string();
    for _ in 0..50 {
        assert_eq!(node.publish(&event).await.status, 202);
    }
    let subscribe =
        r#"{"type":1,"target":"Subscribe","arguments":[{"e":"portos.licence.activated","since":"earliest"}]}"#;
    let texts = [r#"{"protocol":"json","version":1}"#, subscribe];
    let socket = admin_lists::connect(&node, &admin_lists::token(&node, "ann"), Some(4_096), &texts).await;
    let explained = async {
        loop {
            let answer = ask(&node, &json!({"event": "portos.licence.activated", "user": "ann"})).await;
            if detail(&answer, "subscriptions").contains("is being sent what it has missed of this event") {
                break answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), explained).await.unwrap();
    assert_eq!(answer["delivered"], false);
    assert!(detail(&answer, "subscriptions").starts_with("the connection has no subscription"), "{answer:#}");
    let other = ask(&node, &json!({"event": CHANGED, "user": "ann"})).await;
    assert!(!detail(&other, "subscriptions").contains("missed"), "{other:#}");
    drop(socket);
    node.stop().await;
}
