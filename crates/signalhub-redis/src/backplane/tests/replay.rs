//! The recording of two servers of ASP.NET Core, with one of ours in the place of each.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use signalhub::backplane::{Backplane, Copies, Envelope, InvocationEnvelope};
use signalhub::protocol::Protocol;
use signalhub::{ConnectionId, Hub, HubError, InvokeError};

use super::super::channels::Names;
use super::super::envelope::{decode, encode};
use super::support::{Client, HUB, Raw, connect, soon};
use crate::test_server::TestServer;

/// What ends the messages of one operation, for clients of both protocols.
fn end() -> Vec<u8> {
    let json = Bytes::from_static(b"{\"type\":1,\"target\":\"end\",\"arguments\":[]}\x1e");
    let message_pack = Bytes::from_static(b"\x0a\x96\x01\x80\xc0\xa3end\x90\x90");
    let copies = Copies::default().with(Protocol::Json, json).with(Protocol::MessagePack, message_pack);
    encode(&Envelope::Invocation(InvocationEnvelope { copies, ..InvocationEnvelope::default() }))
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Point {
    x: i32,
    y: i32,
}

fn bytes(hex: &str) -> Vec<u8> {
    hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().map(|list| list.iter().map(|text| text.as_str().unwrap().to_owned()).collect()).unwrap_or_default()
}

/// Names of the recording and those that stand in their place now. Both have the same length, so that no header changes.
#[derive(Default)]
struct Substitutes(Vec<(String, String)>);

impl Substitutes {
    fn add(&mut self, recorded: &str, ours: &str) {
        assert_eq!(recorded.len(), ours.len(), "{recorded} {ours}");
        self.0.push((recorded.to_owned(), ours.to_owned()));
    }

    fn text(&self, recorded: &str) -> String {
        self.0.iter().fold(recorded.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }

    fn bytes(&self, recorded: &[u8]) -> Vec<u8> {
        let mut bytes = recorded.to_vec();
        for (recorded, ours) in &self.0 {
            let mut at = 0;
            while at + recorded.len() <= bytes.len() {
                if bytes[at..].starts_with(recorded.as_bytes()) {
                    bytes[at..at + ours.len()].copy_from_slice(ours.as_bytes());
                }
                at += 1;
            }
        }
        bytes
    }
}

/// Does what the recorded operation does, and gives the text of its error.
async fn operate(hub: &Hub, operation: &Value, substitutes: &Substitutes) -> Option<String> {
    let setup = &operation["setup"];
    let text = |name: &str| substitutes.text(setup[name].as_str().unwrap_or_default());
    let id = |id: &str| ConnectionId::new(substitutes.text(id));
    let connection_id = || id(setup["connection_id"].as_str().unwrap());
    let caller = id(setup["connections"][setup["caller"].as_str().unwrap()]["connection_id"].as_str().unwrap());
    let published = operation["published"].as_array().unwrap();
    // Some setups leave out which connections a message is for; its channels tell.
    let receivers: Vec<_> = published
        .iter()
        .filter_map(|published| published["channel"].as_str().unwrap().strip_prefix("Demo.ChatHub:connection:"))
        .map(id)
        .collect();
    let to = hub.clients();
    let sent = match setup["hub_method"].as_str().unwrap() {
        "SendAll" => to.all().send("notify", ("hi",)).await,
        "SendNone" => to.all().send("notify", ()).await,
        "SendVaried" => {
            let data = Bytes::from_static(&[0, 1, 255]);
            let map = HashMap::from([("k", 7)]);
            let arguments = (1, -2, 3.5, true, None::<i32>, "twö", data, [1, 2], Point { x: 4, y: 5 }, map);
            to.all().send("notify", arguments).await
        }
        "SendBig" => {
            let count = setup["args"][0].as_str().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
            to.all().send("notify", ("x".repeat(count),)).await
        }
        "SendOthers" => to.all().except(&caller).send("notify", ("hi",)).await,
        "SendAllExcept" => {
            let excluded = texts(&setup["excluded"]);
            excluded.iter().fold(to.all(), |to, excluded| to.except(&id(excluded))).send("notify", ("hi",)).await
        }
        "SendCaller" => to.client(&caller).send("notify", ("hi",)).await,
        "SendClient" => {
            let local = operation["delivered"].as_object().unwrap().keys().next();
            let local = || id(setup["connections"][local.unwrap()]["connection_id"].as_str().unwrap());
            to.client(&receivers.first().cloned().unwrap_or_else(local)).send("notify", ("hi",)).await
        }
        "SendClients" => to.clients(&receivers).send("notify", ("hi",)).await,
        "SendGroup" => to.group(&text("group")).send("notify", ("hi",)).await,
        "SendGroups" => {
            let groups = texts(&setup["groups"]);
            to.groups(groups.iter().map(String::as_str)).send("notify", ("hi",)).await
        }
        "SendGroupExcept" => {
            let excluded = texts(&setup["excluded"]);
            let group = to.group(&text("group"));
            excluded.iter().fold(group, |to, excluded| to.except(&id(excluded))).send("notify", ("hi",)).await
        }
        "SendOthersInGroup" => to.group(&text("group")).except(&caller).send("notify", ("hi",)).await,
        "SendUser" => to.user(&text("user")).send("notify", ("hi",)).await,
        "SendUsers" => to.users(texts(&setup["users"]).iter().map(String::as_str)).send("notify", ("hi",)).await,
        "Join" => return hub.groups().add(&caller, &text("group")).await.err().map(|error| error.to_string()),
        "Leave" => return hub.groups().remove(&caller, &text("group")).await.err().map(|error| error.to_string()),
        "AddTo" => {
            let added = hub.groups().add(&connection_id(), &text("group")).await;
            return added.err().map(|error| error.to_string());
        }
        "RemoveFrom" => {
            let removed = hub.groups().remove(&connection_id(), &text("group")).await;
            return removed.err().map(|error| error.to_string());
        }
        "(hub context)" if receivers.is_empty() => to.all().send("notify", ("from context",)).await,
        method => {
            let client = to.client(&connection_id());
            let answer = match method {
                "AskInt" => client.invoke::<i32>("ask", ("q",)).await.map(drop),
                "AskPoint" => client.invoke::<Point>("ask", ("q",)).await.map(drop),
                "AskFor" => {
                    let asked = client.invoke::<Option<String>>("ask", ("q",));
                    let answer = tokio::time::timeout(Duration::from_millis(300), asked).await;
                    answer.unwrap_or(Err(InvokeError::TimedOut(connection_id()))).map(drop)
                }
                _ => client.invoke::<Option<String>>("ask", ("q",)).await.map(drop),
            };
            return answer.err().map(|error| HubError::from(error).to_string());
        }
    };
    sent.err().map(|error| error.to_string())
}

/// Checks how an operation ended.
fn ended(operation: &Value, error: Option<&str>) {
    let recorded = operation["caller_completion"]["error"].as_str();
    let recorded = recorded.map(|error| error.split_once("Exception: ").unwrap().1);
    match (recorded, error) {
        (Some(recorded), Some(error)) => {
            // What follows is the text of the reader, which is not the original's for every type.
            let known = recorded.split_inclusive("Int32.").next().unwrap();
            assert!(error.starts_with(known), "{error} {recorded}");
        }
        (recorded, error) => assert_eq!(recorded, error),
    }
}

/// Replays the recorded operations with our server in the place of `ours`, and publishes what the other one did.
async fn replay(ours: &str, redis: &TestServer) -> usize {
    let recording: Value =
        serde_json::from_str(include_str!("../../../tests/recordings/redis-backplane.json")).unwrap();
    let operations = &recording["recordings"].as_array().unwrap()[7..71];
    let (hub, backplane) = connect(redis, ours, Hub::builder()).await;
    let names = Names::new("", HUB);
    let mut raw = Raw::connect(redis).await;

    let mut substitutes = Substitutes::default();
    let mut clients = HashMap::new();
    let setup = &operations[0]["setup"];
    substitutes.add(setup["servers"][ours].as_str().unwrap(), backplane.server().as_str());
    for (name, connection) in setup["connections"].as_object().unwrap() {
        if connection["server"] == ours {
            let protocol = Protocol::from_name(connection["protocol"].as_str().unwrap()).unwrap();
            let client = Client::connect(&hub, connection["user"].as_str(), protocol).await;
            substitutes.add(connection["connection_id"].as_str().unwrap(), client.id.as_str());
            clients.insert(name.as_str(), client);
        }
    }
    let mut compared = 0;
    for operation in operations {
        let setup = &operation["setup"];
        let (name, method) = (operation["operation"].as_str().unwrap(), setup["hub_method"].as_str().unwrap());
        let is_local_question = name.contains("connection on the same server") && method == "Ask";
        if method == "Count" || is_local_question {
            continue;
        }
        let caller = &setup["connections"][setup["caller"].as_str().unwrap()];
        let operating = async {
            // What the other server did is in the recording.
            if caller["server"] == ours {
                ended(operation, operate(&hub, operation, &substitutes).await.as_deref());
            }
        };
        let mut operating = std::pin::pin!(operating);
        let mut is_done = false;
        let mut local = Substitutes(substitutes.0.clone());
        let mut left: Vec<Vec<u8>> = Vec::new();
        let mut last_command = None;
        for published in operation["published"].as_array().unwrap() {
            let (recorded, payload) =
                (published["channel"].as_str().unwrap(), bytes(published["payload_hex"].as_str().unwrap()));
            let channel = names.channel(&local.text(recorded)).unwrap();
            if published["publisher"] != ours {
                if name.contains("after the caller cancelled") && !is_done {
                    operating.as_mut().await;
                    is_done = true;
                }
                let payload = match &last_command {
                    Some(id) if recorded.contains(":ack:") => encode(&Envelope::Ack(*id)),
                    _ => local.bytes(&payload),
                };
                raw.publish(&local.text(recorded), &payload).await;
                assert_eq!(raw.next().await.0, local.text(recorded), "{name}");
                answer(&mut clients, operation, published, &names).await;
                continue;
            }
            let next = async { raw.next().await };
            let (seen_channel, seen) = if is_done {
                next.await
            } else {
                tokio::select! {
                    biased;
                    seen = next => seen,
                    () = &mut operating => { is_done = true; raw.next().await }
                }
            };
            compared += 1;
            if published["publisher"] == ours && name.contains("connection ends") && ours == "web-2" {
                // The order of the open questions is not defined.
                left.push(seen.to_vec());
                continue;
            }
            assert_eq!(seen_channel, local.text(recorded), "{name}");
            let mut expected = decode(&channel, &Bytes::from(local.bytes(&payload))).unwrap();
            let ours_decoded = decode(&channel, &seen).unwrap();
            match (&mut expected, &ours_decoded) {
                // The recorded server had sent commands that were not recorded.
                (Envelope::GroupCommand(expected), Envelope::GroupCommand(seen)) => {
                    expected.id = seen.id;
                    last_command = Some(seen.id);
                }
                (Envelope::Invocation(invocation), Envelope::Invocation(seen)) => {
                    if let (Some(recorded), Some(ours)) = (&invocation.question, &seen.question) {
                        local.add(recorded.id.as_str(), ours.id.as_str());
                    }
                }
                _ => {}
            }
            match &expected {
                Envelope::GroupCommand(_) => assert_eq!(seen, encode(&expected), "{name}"),
                _ => assert_eq!(seen, local.bytes(&payload), "{name}"),
            }
        }
        if !is_done {
            soon(operating).await;
        }
        if !left.is_empty() {
            // The other question was asked by an operation before, under an id that is not recorded.
            let of_this = bytes(operation["published"][1]["payload_hex"].as_str().unwrap());
            assert!(left.contains(&of_this), "{name}");
            clients.remove("b3");
            continue;
        }
        expect_deliveries(&raw, &mut clients, operation, &local).await;
        // Nothing else was published.
        assert_eq!(raw.next().await.1, end(), "{name}");
    }
    compared
}

/// Lets the client answer that was asked by the other server, as it did in the recording.
async fn answer(clients: &mut HashMap<&str, Client>, operation: &Value, published: &Value, names: &Names) {
    let Some(id) = published["channel"].as_str().unwrap().strip_prefix("Demo.ChatHub:connection:") else { return };
    if published["decoded"]["invocation_id"].is_null() {
        return;
    }
    let connections = operation["setup"]["connections"].as_object().unwrap();
    let (name, _) = connections.iter().find(|(_, connection)| connection["connection_id"] == id).unwrap();
    let Some(client) = clients.get_mut(name.as_str()) else { return };
    let question = client.next().await;
    let delivered = bytes(operation["delivered"][name][0].as_str().unwrap());
    assert!(question.windows(delivered.len()).any(|part| part == delivered), "{question:?}");
    if operation["operation"].as_str().unwrap().contains("connection ends") {
        client.vanish();
    } else if let Some(answer) = operation["published"].get(1) {
        let channel = names.channel(answer["channel"].as_str().unwrap()).unwrap();
        let payload = Bytes::from(bytes(answer["payload_hex"].as_str().unwrap()));
        let Ok(Envelope::Completion(completion)) = decode(&channel, &payload) else { panic!("an answer") };
        client.peer.send(completion.message);
    }
}

/// Expects that our clients get what was recorded, and nothing else before the end.
async fn expect_deliveries(
    raw: &Raw,
    clients: &mut HashMap<&str, Client>,
    operation: &Value,
    substitutes: &Substitutes,
) {
    let name = operation["operation"].as_str().unwrap();
    raw.publish("Demo.ChatHub:all", &end()).await;
    for (client, connection) in clients {
        let mut received = Vec::new();
        loop {
            let message = connection.next().await;
            if message.windows(3).any(|part| part == b"end") {
                break;
            }
            received.push(message);
        }
        let recorded = texts(&operation["delivered"][*client]);
        let was_asked = operation["published"][0]["decoded"]["invocation_id"].is_string();
        if was_asked {
            // The question was taken when it came.
            assert!(received.is_empty(), "{name}: {client}");
            continue;
        }
        assert_eq!(received.len(), recorded.len(), "{name}: {client}");
        for (received, recorded) in received.iter().zip(recorded) {
            let recorded = substitutes.bytes(&bytes(&recorded));
            assert!(received.windows(recorded.len()).any(|part| part == recorded), "{name}: {client}");
        }
    }
}

#[tokio::test]
async fn our_server_in_the_place_of_the_first_one_publishes_the_recorded_bytes() {
    let Some(redis) = TestServer::start() else { return };
    assert_eq!(replay("web-1", &redis).await, 58);
}

#[tokio::test]
async fn our_server_in_the_place_of_the_second_one_publishes_the_recorded_bytes() {
    let Some(redis) = TestServer::start() else { return };
    assert_eq!(replay("web-2", &redis).await, 28);
}
