//! Which clients a message reaches.

use crate::support::{Client, called, expect_messages, failed, invoking, result, soon};
use serde_json::{Value, json};
use signalhub::{Args, Caller, Clients, ConnectionId, ErrorDetails, Groups, Hub, HubBuilder, HubError, Identity};
use signalhub::{InvokeError, SendError, Target};

async fn join(groups: Groups, caller: Caller, Args((group,)): Args<(String,)>) -> Result<(), HubError> {
    groups.add(caller.id(), &group).await?;
    Ok(())
}

async fn leave(groups: Groups, caller: Caller, Args((group,)): Args<(String,)>) -> Result<(), HubError> {
    groups.remove(caller.id(), &group).await?;
    Ok(())
}

fn hub() -> HubBuilder<()> {
    Hub::builder()
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("Join", join)
        .method("Leave", leave)
        .method("All", async |clients: Clients| Ok(clients.all().send("M", ()).await?))
        .method("Others", async |clients: Clients| Ok(clients.others().send("M", ()).await?))
        .method("Caller", async |clients: Clients| Ok(clients.caller().send("M", ()).await?))
        .method("OthersInGroup", async |clients: Clients, Args((group,)): Args<(String,)>| {
            Ok(clients.others_in_group(&group).send("M", ()).await?)
        })
        .method("Groups", async |clients: Clients, Args((groups,)): Args<(Vec<String>,)>| {
            Ok(clients.groups(groups.iter().map(String::as_str)).send("M", ()).await?)
        })
        .method("NotANumber", async |clients: Clients| Ok(clients.all().send("M", (f64::NAN,)).await?))
}

/// Two connections of ann, one of bob, one anonymous; the first three are in a group each of their own and in "all".
async fn four(hub: &Hub) -> [Client; 4] {
    let users = [Identity::user("ann"), Identity::user("ann"), Identity::user("bob"), Identity::anonymous()];
    let mut clients = Vec::new();
    for (i, user) in users.into_iter().enumerate() {
        let client = Client::connect_as(hub, user).await;
        if i < 3 {
            hub.groups().add(client.id(), &format!("g{i}")).await.unwrap();
            hub.groups().add(client.id(), "all").await.unwrap();
        }
        clients.push(client);
    }
    clients.try_into().expect("four clients")
}

#[tokio::test(start_paused = true)]
async fn every_target_from_outside_the_hub() {
    type Choose = fn(&Clients, &[ConnectionId]) -> Target;
    let rows: [(&str, Choose, [usize; 4]); 21] = [
        ("all", |to, _| to.all(), [1, 1, 1, 1]),
        ("others without a caller", |to, _| to.others(), [1, 1, 1, 1]),
        ("all except", |to, ids| to.all().except(&ids[1]).except(&ids[3]), [1, 0, 1, 0]),
        ("all except one twice", |to, ids| to.all().except(&ids[1]).except(&ids[1]), [1, 0, 1, 1]),
        ("all except an unknown client", |to, _| to.all().except(&ConnectionId::new("unknown")), [1, 1, 1, 1]),
        ("clients", |to, ids| to.clients([&ids[0], &ids[2]]), [1, 0, 1, 0]),
        ("clients twice", |to, ids| to.clients([&ids[2], &ids[0], &ids[2]]), [1, 0, 1, 0]),
        ("clients, one of them unknown", |to, ids| to.clients([&ConnectionId::new("unknown"), &ids[3]]), [0, 0, 0, 1]),
        ("no clients", |to, _| to.clients([]), [0, 0, 0, 0]),
        ("clients except", |to, ids| to.clients(ids).except(&ids[0]), [0, 1, 1, 1]),
        ("group", |to, _| to.group("all"), [1, 1, 1, 0]),
        ("group except", |to, ids| to.group("all").except(&ids[0]), [0, 1, 1, 0]),
        ("group in another case", |to, _| to.group("All"), [0, 0, 0, 0]),
        ("empty group", |to, _| to.group(""), [0, 0, 0, 0]),
        ("others in group", |to, _| to.others_in_group("all"), [1, 1, 1, 0]),
        ("groups", |to, _| to.groups(["g0", "g1", "empty"]), [1, 1, 0, 0]),
        ("groups that overlap", |to, _| to.groups(["g0", "all", "all"]), [3, 2, 2, 0]),
        ("user", |to, _| to.user("ann"), [1, 1, 0, 0]),
        ("user in another case", |to, _| to.user("Ann"), [0, 0, 0, 0]),
        ("users twice", |to, _| to.users(["ann", "bob", "ann", "unknown"]), [1, 1, 1, 0]),
        ("users except", |to, ids| to.users(["ann", "bob"]).except(&ids[0]), [0, 1, 1, 0]),
    ];
    let hub = hub().build();
    let mut clients = four(&hub).await;
    let ids: Vec<_> = clients.iter().map(|client| client.id().clone()).collect();
    for (name, choose, times) in rows {
        choose(&hub.clients(), &ids).send("M", ()).await.expect("it can be sent");
        expect_messages(name, &mut clients, times).await;
    }
    hub.clients().client(&ids[1]).send("M", ()).await.expect("it can be sent");
    expect_messages("client", &mut clients, [0, 1, 0, 0]).await;
    hub.clients()
        .client(&ConnectionId::new("unknown"))
        .send("M", ())
        .await
        .expect("a target without clients is no error");
    hub.clients().caller().send("M", ()).await.expect("a target without clients is no error");
    expect_messages("no client", &mut clients, [0; 4]).await;
}

#[tokio::test(start_paused = true)]
async fn every_target_that_knows_its_caller() {
    let hub = hub().build();
    let mut clients = four(&hub).await;
    for (target, arguments, times) in [
        ("All", json!([]), [1, 1, 1, 1]),
        ("Others", json!([]), [0, 1, 1, 1]),
        ("Caller", json!([]), [1, 0, 0, 0]),
        ("OthersInGroup", json!(["all"]), [0, 1, 1, 0]),
        ("OthersInGroup", json!(["g0"]), [0, 0, 0, 0]),
        ("OthersInGroup", json!(["g1"]), [0, 1, 0, 0]),
        ("Groups", json!([["g0", "all"]]), [2, 1, 1, 0]),
    ] {
        clients[0].say(&json!({"type": 1, "target": target, "arguments": arguments}));
        clients[0].peer.send("");
        // The first client is read first, so its call has ended before the messages of the others are counted.
        expect_messages(target, &mut clients, times).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_of_groups_must_not_name_the_empty_one() {
    for (details, detail) in [
        (ErrorDetails::Hidden, ""),
        (ErrorDetails::Shown, " InvalidOperationException: Cannot send to an empty group name."),
    ] {
        let hub = hub().configure(|options| options.error_details = details).build();
        let mut clients = four(&hub).await;
        clients[0].call("1", "Groups", &json!([["g0", ""]]));
        clients[0].receives([failed("1", &invoking("Groups", detail))]).await;
        let sent = hub.clients().groups(["", "g0"]).send("M", ()).await;
        assert!(matches!(sent, Err(SendError::EmptyGroup)), "{sent:?}");
        expect_messages("an empty name", &mut clients, [0; 4]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_empty_group_alone_is_a_group() {
    let hub = hub().build();
    let mut clients = four(&hub).await;
    clients[1].call("1", "Join", &json!([""]));
    clients[1].receives([result("1", &Value::Null)]).await;
    hub.clients().group("").send("M", ()).await.expect("it can be sent");
    expect_messages("the empty group", &mut clients, [0, 1, 0, 0]).await;
}

#[tokio::test(start_paused = true)]
async fn arguments_that_cannot_be_sent_reach_no_client() {
    let hub = hub().configure(|options| options.error_details = ErrorDetails::Shown).build();
    let mut clients = four(&hub).await;
    clients[0].call("1", "NotANumber", &json!([]));
    let error = clients[0].next().await["error"].to_string();
    assert!(error.contains(" SerializationException: "), "{error}");
    let sent = hub.clients().all().send("M", "no tuple").await;
    assert!(matches!(sent, Err(SendError::Arguments { .. })), "{sent:?}");
    expect_messages("no arguments", &mut clients, [0; 4]).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_lives_as_long_as_it_has_members() {
    let hub = hub().build();
    let [mut a, mut b, _c, _d] = four(&hub).await;
    let before = hub.group_count();
    for client in [&mut a, &mut b] {
        for group in ["new", "new"] {
            client.call("1", "Join", &json!([group]));
            client.receives([result("1", &Value::Null)]).await;
        }
    }
    assert_eq!(hub.group_count(), before + 1);
    hub.clients().group("new").send("M", ()).await.expect("it can be sent");
    a.receives([called("M", &json!([]))]).await;
    a.round_trip().await;
    for (group, left) in [("new", 1), ("new", 1), ("unknown", 1)] {
        a.call("1", "Leave", &json!([group]));
        a.receives([result("1", &Value::Null)]).await;
        assert_eq!(hub.group_count(), before + left);
    }
    hub.groups().remove(b.id(), "new").await.unwrap();
    assert_eq!(hub.group_count(), before);
    hub.groups().add(&ConnectionId::new("unknown"), "new").await.unwrap();
    hub.groups().remove(&ConnectionId::new("unknown"), "all").await.unwrap();
    assert_eq!(hub.group_count(), before);
    b.receives([called("M", &json!([]))]).await;
    b.round_trip().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_removed_everywhere() {
    let hub = hub().build();
    let [mut gone, mut ann, mut bob, mut anonymous] = four(&hub).await;
    let id = gone.id().clone();
    let kept = hub.clients().client(&id);
    assert_eq!((hub.client_count(), hub.group_count()), (4, 4));
    gone.vanish();
    gone.ends().await;
    assert_eq!((hub.client_count(), hub.group_count()), (3, 3));
    for target in [hub.clients().clients([&id]), hub.clients().group("g0")] {
        target.send("M", ()).await.expect("a target without clients is no error");
    }
    kept.send("M", ()).await.expect("a target without clients is no error");
    hub.groups().add(&id, "new").await.unwrap();
    hub.groups().add(&id, "all").await.unwrap();
    assert_eq!(hub.group_count(), 3);
    for target in [hub.clients().all(), hub.clients().group("all"), hub.clients().users(["ann", "bob"])] {
        target.send("M", ()).await.expect("it can be sent");
    }
    for (client, times) in [(&mut ann, 3), (&mut bob, 3), (&mut anonymous, 1)] {
        client.receives(vec![called("M", &json!([])); times]).await;
        client.round_trip().await;
    }
    for mut client in [ann, bob, anonymous] {
        client.say(&json!({"type": 7}));
        client.receives([json!({"type": 7})]).await;
        client.ends().await;
    }
    assert_eq!((hub.client_count(), hub.group_count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_target_is_resolved_when_something_is_sent() {
    let hub = hub().build();
    let mut client = Client::begin(&hub, Identity::user("eve"));
    let id = client.id().clone();
    let (one, group, user) = (hub.clients().client(&id), hub.clients().group("g"), hub.clients().user("eve"));
    // Nothing is connected under this id yet.
    one.send("M", ()).await.expect("no receiver is no error");
    assert!(matches!(one.invoke::<u32>("M", ()).await, Err(InvokeError::Unknown(_))));
    client.peer.send("{\"protocol\":\"json\",\"version\":1}\u{1e}");
    client.receives([json!({})]).await;
    hub.groups().add(&id, "g").await.unwrap();
    one.send("One", ()).await.expect("it can be sent");
    group.send("Group", ()).await.expect("it can be sent");
    user.send("User", ()).await.expect("it can be sent");
    let asked = tokio::spawn(async move { one.invoke::<u32>("Ask", ()).await });
    client.receives(["One", "Group", "User"].map(|method| called(method, &json!([])))).await;
    let question = client.is_asked("Ask").await;
    client.say(&result(&question, &json!(7)));
    assert_eq!(soon(asked).await.unwrap().unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_name_is_an_error_of_the_method_and_reaches_no_client() {
    let text = " ArgumentException: The value cannot be an empty string. (Parameter 'target')";
    let hub = Hub::builder()
        .method("Echo", async |Args((value,)): Args<(Value,)>| Ok(value))
        .method("All", async |clients: Clients| Ok(clients.all().send("", ()).await?))
        .method("Others", async |clients: Clients| Ok(clients.others().send("", ()).await?))
        .method("Caller", async |clients: Clients| Ok(clients.caller().send("", ()).await?))
        .method("Ask", async |clients: Clients| Ok(clients.caller().invoke::<Value>("", ()).await?))
        .configure(|options| options.error_details = ErrorDetails::Shown)
        .build();
    let mut client = Client::connect(&hub).await;
    for method in ["All", "Caller", "Ask"] {
        client.call("1", method, &json!([]));
        client.receives([failed("1", &invoking(method, text))]).await;
    }
    // The original does not check the name when the target has no clients.
    client.call("1", "Others", &json!([]));
    client.receives([result("1", &Value::Null)]).await;
    client.round_trip().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_is_a_user_of_an_organisation() {
    let to_user =
        async |clients: Clients, Args((user,)): Args<(String,)>| Ok(clients.user(&user).send("M", ()).await?);
    let to_acme = async |clients: Clients, Args((user,)): Args<(String,)>| {
        Ok(clients.in_organisation(Some("acme")).users([&*user, &*user]).send("M", ()).await?)
    };
    let hub = hub().method("User", to_user).method("UserOfAcme", to_acme).build();
    let connect = async |user: &str, organisation: Option<&str>| {
        let identity = Identity::user(user);
        let identity = organisation.map_or_else(|| identity.clone(), |name| identity.clone().with_organisation(name));
        Client::connect_as(&hub, identity).await
    };
    let mut clients = [
        connect("ann", Some("acme")).await,
        connect("ann", Some("other")).await,
        connect("ann", None).await,
        connect("bob", Some("acme")).await,
    ];
    for (method, caller, expected) in [
        ("User", 0, [1, 0, 0, 0]),
        ("User", 1, [0, 1, 0, 0]),
        ("User", 2, [0, 0, 1, 0]),
        ("User", 3, [1, 0, 0, 0]),
        ("UserOfAcme", 1, [1, 0, 0, 0]),
    ] {
        // The caller's own answer comes behind what it is sent, and tells that all were.
        clients[caller].call("sent", method, &json!(["ann"]));
        if expected[caller] == 1 {
            assert_eq!(clients[caller].next().await, called("M", &json!([])), "{method} by {caller}");
        }
        assert_eq!(clients[caller].next().await, result("sent", &Value::Null), "{method} by {caller}");
        let mut others = expected;
        others[caller] = 0;
        expect_messages(&format!("{method} by {caller}"), &mut clients, others).await;
    }
    for (organisation, expected) in
        [(None, [0, 0, 1, 0]), (Some("acme"), [1, 0, 0, 0]), (Some("nowhere"), [0, 0, 0, 0])]
    {
        hub.clients().in_organisation(organisation).user("ann").send("M", ()).await.unwrap();
        expect_messages(&format!("{organisation:?}"), &mut clients, expected).await;
    }
    hub.clients().user("ann").send("M", ()).await.unwrap();
    expect_messages("outside a call", &mut clients, [0, 0, 1, 0]).await;
}
