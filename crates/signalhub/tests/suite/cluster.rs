//! Several hubs that are one cluster, over a backplane in memory.

mod groups;

use std::time::Duration;

use crate::bus::{Bus, PATIENCE};
use crate::support::{Client, called, expect_messages, failed, idle, invoking, result};
use bytes::Bytes;
use serde_json::{Value, json};
use signalhub::backplane::{
    Channel, ChannelKind, CommandId, Copies, Envelope, GroupAction, GroupCommand, InvocationEnvelope, Question,
    QuestionId, ReturnAddress, ServerName,
};
use signalhub::protocol::Protocol;
use signalhub::{
    Args, Caller, Clients, CloseReason, ConnectionId, ErrorDetails, GroupError, Groups, Hub, HubError, Identity,
    SendError, Target,
};

async fn change(groups: Groups, Args((add, id, group)): Args<(bool, ConnectionId, String)>) -> Result<(), HubError> {
    match add {
        true => groups.add(&id, &group).await?,
        false => groups.remove(&id, &group).await?,
    }
    Ok(())
}

async fn ask(clients: Clients, Args((id,)): Args<(ConnectionId,)>) -> Result<i32, HubError> {
    Ok(clients.client(&id).invoke::<i32>("Age", ()).await?)
}

async fn ask_for_ten_seconds(clients: Clients, Args((id,)): Args<(ConnectionId,)>) -> Result<i32, HubError> {
    match tokio::time::timeout(Duration::from_secs(10), clients.client(&id).invoke::<i32>("Age", ())).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(HubError::new("too late")),
    }
}

/// A hub that is one server of a cluster.
fn server(bus: &Bus, name: &str) -> Hub {
    Hub::builder()
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("All", async |clients: Clients| Ok(clients.all().send("M", ()).await?))
        .method("Others", async |clients: Clients| Ok(clients.others().send("M", ()).await?))
        .method("Caller", async |clients: Clients| Ok(clients.caller().send("M", ()).await?))
        .method("Client", async |clients: Clients, Args((id,)): Args<(ConnectionId,)>| {
            Ok(clients.client(&id).send("M", ()).await?)
        })
        .method("OthersInGroup", async |clients: Clients, Args((group,)): Args<(String,)>| {
            Ok(clients.others_in_group(&group).send("M", ()).await?)
        })
        .method("User", async |clients: Clients, Args((user,)): Args<(String,)>| {
            Ok(clients.user(&user).send("M", ()).await?)
        })
        .method("Change", change)
        .method("Ask", ask)
        .method("AskForTenSeconds", ask_for_ten_seconds)
        .method("Joined", async |caller: Caller, groups: Groups| Ok(groups.add(caller.id(), "joined").await?))
        .configure(|options| {
            options.error_details = ErrorDetails::Shown;
            options.maximum_parallel_invocations_per_client = 2;
        })
        .backplane(bus.server(name))
        .build()
}

/// Two servers. On each are a client of ann in JSON and one of bob in MessagePack; the latter two are in the group "bobs".
async fn two() -> (Bus, [Hub; 2], Vec<Client>) {
    let bus = Bus::default();
    let hubs = [server(&bus, "web-1"), server(&bus, "web-2")];
    let mut clients = Vec::new();
    for hub in &hubs {
        clients.push(Client::connect_as(hub, Identity::user("ann")).await);
        let bob = Client::connect_speaking(hub, Identity::user("bob"), Protocol::MessagePack).await;
        hub.groups().add(bob.id(), "bobs").await.unwrap();
        clients.push(bob);
    }
    bus.published();
    (bus, hubs, clients)
}

/// The channels that something was published on, in short.
fn channels(published: &[(Channel, Envelope)]) -> Vec<String> {
    let name = |channel: &Channel| match channel {
        Channel::Group(name) => format!("group {name}"),
        Channel::User { organisation: None, name } => format!("user {name}"),
        Channel::User { organisation: Some(organisation), name } => format!("user {name} of {organisation}"),
        Channel::Acks(server) => format!("ack {server}"),
        Channel::Completions(address) => format!("answer {address}"),
        Channel::All | Channel::Connection(_) | Channel::GroupCommands => channel.kind().label().to_owned(),
    };
    published.iter().map(|(channel, _)| name(channel)).collect()
}

/// An envelope as another server sends it.
fn invocation(method: &str) -> Envelope {
    Envelope::Invocation(InvocationEnvelope { copies: copies(method, None), ..InvocationEnvelope::default() })
}

fn copies(method: &str, id: Option<&str>) -> Copies {
    use signalhub::protocol::{HubMessage, Invocation};
    Protocol::ALL.into_iter().fold(Copies::default(), |copies, protocol| {
        let mut arguments = Vec::new();
        protocol.encode_arguments(&(), &mut arguments).unwrap();
        let mut invocation = Invocation::new(method, protocol.arguments(&arguments));
        invocation.invocation_id = id.map(Into::into);
        let mut message = Vec::new();
        protocol.encode(&HubMessage::Invocation(invocation), &mut message);
        copies.with(protocol, message.into())
    })
}

#[tokio::test(start_paused = true)]
async fn every_target_reaches_the_clients_of_all_servers_and_is_published_as_by_the_original() {
    type Choose = fn(&Clients, &[ConnectionId]) -> Target;
    let rows: [(&str, Choose, [usize; 4], &[&str]); 17] = [
        ("all", |to, _| to.all(), [1, 1, 1, 1], &["all"]),
        ("all except", |to, ids| to.all().except(&ids[0]).except(&ids[3]), [0, 1, 1, 0], &["all"]),
        ("clients", |to, ids| to.clients([&ids[0], &ids[2]]), [1, 0, 1, 0], &["connection", "connection"]),
        ("clients twice", |to, ids| to.clients([&ids[2], &ids[2]]), [0, 0, 2, 0], &["connection", "connection"]),
        ("an unknown client", |to, _| to.clients([&ConnectionId::new("unknown")]), [0, 0, 0, 0], &["connection"]),
        ("no clients", |to, _| to.clients([]), [0, 0, 0, 0], &[]),
        (
            "clients except",
            |to, ids| to.clients(ids).except(&ids[0]).except(&ids[1]),
            [0, 0, 1, 1],
            &["connection", "connection"],
        ),
        ("group", |to, _| to.group("bobs"), [0, 1, 0, 1], &["group bobs"]),
        ("group except", |to, ids| to.group("bobs").except(&ids[3]), [0, 1, 0, 0], &["group bobs"]),
        ("empty group", |to, _| to.group(""), [0, 0, 0, 0], &["group "]),
        ("group without members", |to, _| to.group("Bobs"), [0, 0, 0, 0], &["group Bobs"]),
        ("groups", |to, _| to.groups(["bobs", "bobs"]), [0, 2, 0, 2], &["group bobs", "group bobs"]),
        ("groups with an empty name", |to, _| to.groups(["bobs", ""]), [0, 1, 0, 1], &["group bobs"]),
        ("user", |to, _| to.user("ann"), [1, 0, 1, 0], &["user ann"]),
        ("users", |to, _| to.users(["ann", "bob"]), [1, 1, 1, 1], &["user ann", "user bob"]),
        ("user except", |to, ids| to.user("ann").except(&ids[0]), [0, 0, 1, 0], &["user ann"]),
        (
            "user of an organisation",
            |to, _| to.in_organisation(Some("acme")).user("ann"),
            [0, 0, 0, 0],
            &["user ann of acme"],
        ),
    ];
    let (bus, hubs, mut clients) = two().await;
    let ids: Vec<_> = clients.iter().map(|client| client.id().clone()).collect();
    for (name, target, times, expected) in rows {
        for hub in &hubs {
            target(&hub.clients(), &ids).send("M", ()).await.unwrap();
            let published = bus.published();
            assert_eq!(channels(&published), expected, "{name}");
            for (_, envelope) in published {
                let Envelope::Invocation(invocation) = envelope else { panic!("{envelope:?}") };
                assert_eq!(invocation.copies.iter().count(), Protocol::ALL.len());
            }
            expect_messages(name, &mut clients, times).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn methods_reach_the_clients_of_all_servers_and_publish_nothing_for_local_ones() {
    let (bus, _hubs, mut clients) = two().await;
    let ids: Vec<_> = clients.iter().map(|client| client.id().clone()).collect();
    let rows: [(&str, Value, [usize; 4], &[&str]); 10] = [
        ("All", json!([]), [1, 1, 1, 1], &["all"]),
        ("Others", json!([]), [0, 1, 1, 1], &["all"]),
        ("Caller", json!([]), [1, 0, 0, 0], &[]),
        ("Client", json!([ids[1]]), [0, 1, 0, 0], &[]),
        ("Client", json!([ids[3]]), [0, 0, 0, 1], &["connection"]),
        ("Client", json!(["unknown"]), [0, 0, 0, 0], &["connection"]),
        ("OthersInGroup", json!(["bobs"]), [0, 1, 0, 1], &["group bobs"]),
        ("User", json!(["bob"]), [0, 1, 0, 1], &["user bob"]),
        ("Change", json!([true, ids[0], "anns"]), [0, 0, 0, 0], &[]),
        ("Change", json!([false, ids[0], "anns"]), [0, 0, 0, 0], &[]),
    ];
    for (method, arguments, times, expected) in rows {
        clients[0].call("1", method, &arguments);
        idle().await;
        // Its own copy may come before or after the completion.
        let mut received: Vec<_> = Vec::new();
        for _ in 0..=times[0] {
            received.push(clients[0].next().await);
        }
        let done = received.iter().filter(|message| **message == result("1", &Value::Null)).count();
        let copies = received.iter().filter(|message| **message == called("M", &json!([]))).count();
        assert_eq!((done, copies), (1, times[0]), "{method}");
        assert_eq!(channels(&bus.published()), expected, "{method}");
        let [_, rest @ ..] = times;
        expect_messages(method, &mut clients, [0, rest[0], rest[1], rest[2]]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_of_another_server_answers() {
    for answering in [2, 3] {
        let (bus, hubs, mut clients) = two().await;
        let id = clients[answering].id().clone();
        let unbound = " HubException: Error trying to deserialize result to Int32. ";
        for (answer, outcome) in [
            (json!({"result": 7}), Ok(7)),
            (json!({"error": "no"}), Err(" HubException: no")),
            (
                json!({}),
                Err(" HubException: Exception of type 'Microsoft.AspNetCore.SignalR.HubException' was thrown."),
            ),
            (json!({"result": "seven"}), Err(unbound)),
        ] {
            clients[0].call("1", "Ask", &json!([id]));
            let question = clients[answering].is_asked("Age").await;
            assert_eq!(question.len(), 22, "{question}");
            assert_eq!(hubs[0].pending_result_count(), 1);
            assert_eq!(channels(&bus.published()), ["connection"]);
            let mut answer = answer;
            answer["type"] = json!(3);
            answer["invocationId"] = json!(question);
            clients[answering].say(&answer);
            // No call waits for a second answer, and it goes nowhere.
            clients[answering].say(&answer);
            let completion = clients[0].next().await;
            match outcome {
                Ok(age) => assert_eq!(completion, result("1", &json!(age))),
                Err(detail) => {
                    let error = completion["error"].as_str().unwrap_or_default();
                    assert!(error.starts_with(&invoking("Ask", detail)), "{error}");
                }
            }
            assert_eq!(channels(&bus.published()), ["answer Hub:internal:return:web-1"]);
            assert_eq!(hubs[0].pending_result_count(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_when_no_client_of_any_server_answers() {
    let (bus, hubs, mut clients) = two().await;
    clients[0].call("1", "Ask", &json!(["unknown"]));
    let error = invoking("Ask", " IOException: Connection 'unknown' does not exist.");
    clients[0].receives([failed("1", &error)]).await;

    let silent = clients[2].id().clone();
    clients[0].call("2", "AskForTenSeconds", &json!([silent]));
    clients[0].call("3", "Ask", &json!([silent]));
    let questions = [clients[2].is_asked("Age").await, clients[2].is_asked("Age").await];
    tokio::time::sleep(Duration::from_secs(10)).await;
    clients[0].receives([failed("2", &invoking("AskForTenSeconds", " HubException: too late"))]).await;
    assert_eq!(hubs[0].pending_result_count(), 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    let error = invoking("Ask", " HubException: Invocation canceled by the server.");
    clients[0].receives([failed("3", &error)]).await;
    assert_eq!(hubs[0].pending_result_count(), 0);

    // A late answer is passed on and ignored. What was never answered ends with the connection.
    clients[2].say(&result(&questions[0], &json!(7)));
    clients[0].round_trip().await;
    bus.published();
    clients[0].call("4", "Ask", &json!([silent]));
    clients[2].is_asked("Age").await;
    clients[2].vanish();
    let error = invoking("Ask", " HubException: Connection disconnected.");
    clients[0].receives([failed("4", &error)]).await;
    let answers = ["connection", "answer Hub:internal:return:web-1", "answer Hub:internal:return:web-1"];
    assert_eq!(channels(&bus.published()), answers);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_open_is_refused_and_an_answer_of_another_client_is_a_fault() {
    let (bus, _hubs, mut clients) = two().await;
    let ask = |client: &Client| {
        let question = Question { id: QuestionId::new("q/1"), return_to: ReturnAddress::new("any channel") };
        let invocation = InvocationEnvelope {
            copies: copies("Age", Some("q/1")),
            question: Some(question),
            ..InvocationEnvelope::default()
        };
        bus.publish(Channel::Connection(client.id().clone()), Envelope::Invocation(invocation));
    };
    let answer = |published: Vec<(Channel, Envelope)>| {
        let [_, (channel, Envelope::Completion(completion))] = &published[..] else { panic!("{published:?}") };
        assert_eq!(*channel, Channel::Completions(ReturnAddress::new("any channel")));
        String::from_utf8(completion.message.to_vec()).unwrap()
    };
    ask(&clients[0]);
    assert_eq!(clients[0].is_asked("Age").await, "q/1");
    bus.published();
    ask(&clients[0]);
    idle().await;
    let collision = "{\"type\":3,\"invocationId\":\"q/1\",\"error\":\
        \"ID collision occurred when using client results. This is likely a bug in SignalR.\"}\u{1e}";
    assert_eq!(answer(bus.published()), collision);
    clients[0].say(&result("q/1", &json!(7)));
    clients[0].round_trip().await;
    // An answered id can be used again.
    bus.published();
    ask(&clients[2]);
    clients[2].is_asked("Age").await;
    // The white space in front of a result is passed on.
    clients[2].peer.send("{\"type\":3,\"result\":  {\"y\" : 2, \"x\":1} ,\"invocationId\":\"q/1\"}\u{1e}");
    clients[2].round_trip().await;
    assert_eq!(
        answer(bus.published()),
        "{\"type\":3,\"invocationId\":\"q/1\",\"result\":  {\"y\" : 2, \"x\":1}}\u{1e}"
    );

    ask(&clients[2]);
    clients[2].is_asked("Age").await;
    let mut other = Client::connect(&_hubs[1]).await;
    other.say(&result("q/1", &json!(7)));
    let close = other.next().await;
    assert_eq!(close["type"], 7, "{close}");
    assert_eq!(other.ends().await, CloseReason::InvalidMessage);
}

#[tokio::test(start_paused = true)]
async fn a_client_for_whose_protocol_there_is_no_copy_is_left_out_and_stays() {
    let (bus, hubs, mut clients) = two().await;
    let json = Bytes::from_static(b"{\"type\":1,\"target\":\"M\",\"arguments\":[]}\x1e");
    let only = |copies| Envelope::Invocation(InvocationEnvelope { copies, ..InvocationEnvelope::default() });
    bus.publish(Channel::All, only(Copies::default().with(Protocol::Json, json)));
    expect_messages("json only", &mut clients, [1, 0, 1, 0]).await;
    bus.publish(Channel::All, only(Copies::default()));
    bus.publish(Channel::Connection(clients[0].id().clone()), only(Copies::default()));
    // It would end the connections of clients.
    bus.publish(Channel::All, only(Copies::default().with(Protocol::Json, Bytes::from_static(b"\xff\x1e"))));
    bus.publish(Channel::All, only(Copies::default().with(Protocol::Json, Bytes::new())));
    expect_messages("no copy", &mut clients, [0; 4]).await;
    let counts = hubs.map(|hub| hub.backplane_counts().unwrap());
    assert_eq!(counts.map(|counts| counts.missing_copies), [5, 4]);
    assert_eq!(counts.map(|counts| counts.received[ChannelKind::All as usize]), [4, 4]);
    assert_eq!(counts[0].received[ChannelKind::Connection as usize], 1);
}

#[tokio::test(start_paused = true)]
async fn exclusions_hold_for_all_groups_and_users_and_not_for_one_connection() {
    let (bus, _hubs, mut clients) = two().await;
    let publish = |channel, excluded: &Client| {
        let excluded = vec![ConnectionId::new("unknown"), excluded.id().clone()];
        let invocation = InvocationEnvelope { excluded, copies: copies("M", None), question: None };
        bus.publish(channel, Envelope::Invocation(invocation));
    };
    publish(Channel::All, &clients[0]);
    publish(Channel::Group("bobs".into()), &clients[3]);
    publish(Channel::User { organisation: None, name: "ann".into() }, &clients[2]);
    publish(Channel::Connection(clients[1].id().clone()), &clients[1]);
    expect_messages("excluded", &mut clients, [1, 3, 1, 1]).await;
}

#[tokio::test(start_paused = true)]
async fn users_of_one_name_in_two_organisations_are_two_users_on_all_servers() {
    let bus = Bus::default();
    let hubs = [server(&bus, "web-1"), server(&bus, "web-2")];
    let mut clients = Vec::new();
    for organisation in [None, Some("acme"), Some("acme:ann"), Some("")] {
        let mut identity = Identity::user("ann");
        identity.organisation = organisation.map(Into::into);
        clients.push(Client::connect_as(&hubs[1], identity).await);
    }
    for (number, organisation) in [None, Some("acme"), Some("acme:ann"), Some("")].into_iter().enumerate() {
        hubs[0].clients().in_organisation(organisation).user("ann").send("M", ()).await.unwrap();
        let mut times = [0; 4];
        times[number] = 1;
        expect_messages("users", &mut clients, times).await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_backplane_is_away_clients_stay_and_are_accepted_and_only_local_messages_arrive() {
    let (bus, hubs, mut clients) = two().await;
    bus.cut();
    let error = hubs[0].clients().group("bobs").send("M", ()).await.unwrap_err();
    assert!(matches!(error, SendError::Unreachable), "{error}");
    let (here, there) = (clients[1].id().clone(), clients[2].id().clone());
    for (method, arguments) in [("All", json!([])), ("Client", json!([there])), ("Ask", json!([there]))] {
        clients[0].call("1", method, &arguments);
        tokio::time::sleep(PATIENCE).await;
        let error = invoking(method, " HubException: The message could not be sent.");
        clients[0].receives([failed("1", &error)]).await;
    }
    for arguments in [json!([true, there, "new"]), json!([true, here, "new"])] {
        clients[0].call("1", "Change", &arguments);
        tokio::time::sleep(PATIENCE).await;
        let error = invoking("Change", " HubException: The group could not be changed.");
        clients[0].receives([failed("1", &error)]).await;
    }
    clients[0].call("1", "Client", &json!([here]));
    clients[0].receives([result("1", &Value::Null)]).await;
    expect_messages("local", &mut clients, [0, 1, 0, 0]).await;
    let begun = tokio::time::Instant::now();
    let mut late = Client::connect_as(&hubs[0], Identity::user("ann")).await;
    assert!(begun.elapsed() >= PATIENCE);
    late.round_trip().await;

    bus.mend();
    hubs[1].clients().user("ann").send("M", ()).await.unwrap();
    late.receives([called("M", &json!([]))]).await;
    expect_messages("again", &mut clients, [1, 0, 1, 0]).await;
    // The group that could not be joined has no member.
    hubs[1].clients().group("new").send("M", ()).await.unwrap();
    expect_messages("no member", &mut clients, [0; 4]).await;
    assert!(hubs[0].backplane_counts().unwrap().unsent >= 4);
}

#[tokio::test(start_paused = true)]
async fn clients_that_have_gone_leave_no_channel_behind() {
    let (bus, hubs, mut clients) = two().await;
    for group in ["one", "two"] {
        hubs[0].groups().add(clients[3].id(), group).await.unwrap();
    }
    clients[0].call("1", "Joined", &json!([]));
    clients[0].receives([result("1", &Value::Null)]).await;
    // Of each client its connection and its user, and the groups.
    assert_eq!([bus.joined(0), bus.joined(1)], [6, 7]);
    hubs[0].groups().remove(clients[3].id(), "two").await.unwrap();
    assert_eq!(bus.joined(1), 6);
    let second = Client::connect_as(&hubs[0], Identity::user("ann")).await;
    assert_eq!(bus.joined(0), 7);
    drop(second);
    idle().await;
    assert_eq!(bus.joined(0), 6);
    for client in &mut clients {
        client.vanish();
    }
    idle().await;
    assert_eq!([bus.joined(0), bus.joined(1)], [0, 0]);
}
