//! Servers change the groups of each other's clients.

use super::*;

#[tokio::test(start_paused = true)]
async fn groups_are_changed_at_the_server_of_the_connection() {
    let (bus, hubs, mut clients) = two().await;
    let ann = clients[2].id().clone();
    let rows = [(true, [1, 0, 1, 0]), (true, [1, 0, 1, 0]), (false, [1, 0, 0, 0]), (false, [1, 0, 0, 0])];
    hubs[0].groups().add(clients[0].id(), "anns").await.unwrap();
    for (number, (add, times)) in (1..).zip(rows) {
        clients[1].call("1", "Change", &json!([add, ann, "anns"]));
        clients[1].receives([result("1", &Value::Null)]).await;
        let published = bus.published();
        assert_eq!(channels(&published), ["internal", "ack web-1"]);
        let command = GroupCommand {
            id: CommandId(number),
            server: ServerName::new("web-1"),
            action: if add { GroupAction::Add } else { GroupAction::Remove },
            group: "anns".into(),
            connection: ann.clone(),
        };
        assert_eq!(published[0].1, Envelope::GroupCommand(command));
        assert_eq!(published[1].1, Envelope::Ack(CommandId(number)));
        hubs[1].clients().group("anns").send("M", ()).await.unwrap();
        expect_messages("anns", &mut clients, times).await;
        bus.published();
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_command_for_an_unknown_connection_fails_after_30_seconds() {
    let (bus, hubs, mut clients) = two().await;
    let begun = tokio::time::Instant::now();
    let error = hubs[0].groups().add(&ConnectionId::new("unknown"), "room").await.unwrap_err();
    assert!(matches!(&error, GroupError::Unanswered(id) if id.as_str() == "unknown"), "{error}");
    assert_eq!(begun.elapsed().as_secs(), 30);
    // An ack that comes too late is ignored.
    bus.publish(Channel::Acks(ServerName::new("web-1")), Envelope::Ack(CommandId(1)));
    clients[0].call("1", "Change", &json!([true, "unknown", "room"]));
    tokio::time::sleep(Duration::from_secs(31)).await;
    let error = invoking("Change", " TaskCanceledException: A task was canceled.");
    clients[0].receives([failed("1", &error)]).await;
}

#[tokio::test(start_paused = true)]
async fn other_servers_add_a_client_to_a_bounded_number_of_groups() {
    let (bus, hubs, clients) = two().await;
    let here = clients[3].id().clone();
    let add = |group: String| {
        let (id, server, action) = (CommandId(1), ServerName::new("other"), GroupAction::Add);
        let command = GroupCommand { id, server, action, group: group.into(), connection: here.clone() };
        bus.publish(Channel::GroupCommands, Envelope::GroupCommand(command));
    };
    // It is in one group already.
    for number in 0..9_999 {
        add(format!("group-{number}"));
        if number % 100 == 0 {
            idle().await;
        }
    }
    idle().await;
    bus.published();
    add("one-too-many".to_owned());
    idle().await;
    assert_eq!(channels(&bus.published()), ["internal"], "it is not acknowledged");
    add("group-7".to_owned());
    idle().await;
    assert_eq!(channels(&bus.published()), ["internal", "ack other"], "it is in this one");
    hubs[1].groups().remove(&here, "group-7").await.unwrap();
    add("x".repeat(4_097));
    idle().await;
    assert_eq!(channels(&bus.published()), ["internal"], "the name is too long");
    let refused = |hub: &Hub| hub.backplane_counts().unwrap().refused_groups;
    assert_eq!((refused(&hubs[0]), refused(&hubs[1])), (0, 2), "the server of the connection refuses");
    for group in ["own", "another"] {
        hubs[1].groups().add(&here, group).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_other_servers_command_is_acknowledged_if_the_connection_is_here() {
    let (bus, _hubs, mut clients) = two().await;
    let here = clients[3].id().clone();
    let rows = [
        (GroupAction::Add, here.clone(), "new", true),
        (GroupAction::Add, here.clone(), "new", true),
        (GroupAction::Other(3), here.clone(), "other", true),
        (GroupAction::Remove, here.clone(), "never", true),
        (GroupAction::Remove, here.clone(), "new", true),
        (GroupAction::Add, ConnectionId::new("unknown"), "new", false),
        (GroupAction::Other(0), ConnectionId::new("unknown"), "new", false),
    ];
    for (action, connection, group, is_acknowledged) in rows {
        let (id, server) = (CommandId(-5), ServerName::new("other"));
        let command = GroupCommand { id, server, action, group: group.into(), connection };
        bus.publish(Channel::GroupCommands, Envelope::GroupCommand(command));
        idle().await;
        let expected: &[_] = if is_acknowledged { &["internal", "ack other"] } else { &["internal"] };
        assert_eq!(channels(&bus.published()), expected, "{action:?}");
    }
    bus.publish(Channel::Group("other".into()), invocation("M"));
    expect_messages("nothing was changed", &mut clients, [0; 4]).await;
}
