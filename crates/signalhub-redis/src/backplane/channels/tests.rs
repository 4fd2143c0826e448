use signalhub::backplane::{Channel, ServerName};
use signalhub_connections::ConnectionId;

use super::Names;

fn user(organisation: Option<&str>, name: &str) -> Channel {
    Channel::User { organisation: organisation.map(Into::into), name: name.into() }
}

#[test]
fn each_channel_has_the_name_of_the_original_and_is_found_by_it() {
    let server = ServerName::new("web-1_6213adcf6edd4e6493ab41f7fcba21c8");
    for prefix in ["", "app1:"] {
        let names = Names::new(prefix, "Demo.ChatHub");
        for (channel, name) in [
            (Channel::All, "Demo.ChatHub:all"),
            (Channel::Group("zimmer-ü:1".into()), "Demo.ChatHub:group:zimmer-ü:1"),
            (Channel::Group("".into()), "Demo.ChatHub:group:"),
            (user(None, "alice"), "Demo.ChatHub:user:alice"),
            (Channel::Connection(ConnectionId::new("07qG_3-w")), "Demo.ChatHub:connection:07qG_3-w"),
            (Channel::GroupCommands, "Demo.ChatHub:internal:groups"),
            (Channel::Acks(server.clone()), "Demo.ChatHub:internal:ack:web-1_6213adcf6edd4e6493ab41f7fcba21c8"),
            (
                Channel::Completions(names.return_address(&server)),
                "Demo.ChatHub:internal:return:web-1_6213adcf6edd4e6493ab41f7fcba21c8",
            ),
        ] {
            let name = format!("{prefix}{name}");
            assert_eq!(names.name(&channel), name);
            assert_eq!(names.channel(&name), Some(channel));
        }
    }
}

#[test]
fn users_of_organisations_have_channels_that_no_other_user_has() {
    let names = Names::new("", "Demo.ChatHub");
    let users = [
        user(None, "4:acme:ann"),
        user(None, "acme:ann"),
        user(Some("acme"), "ann"),
        user(Some("acme:ann"), ""),
        user(Some("acme"), ":ann"),
        user(Some("acme:"), "ann"),
        user(Some(""), "acme:ann"),
    ];
    let mut seen = std::collections::HashSet::new();
    for user in users {
        let name = names.name(&user);
        assert_eq!(name.starts_with("Demo.ChatHub:user:"), matches!(user, Channel::User { organisation: None, .. }));
        assert_eq!(names.channel(&name), Some(user));
        assert!(seen.insert(name));
    }
    assert_eq!(names.name(&user(Some("acme"), "ann")), "Demo.ChatHub:organisation:4:acme:ann");
}

#[test]
fn other_names_are_no_channels_of_the_hub() {
    let names = Names::new("app1:", "Demo.ChatHub");
    for name in [
        "Demo.ChatHub:all",
        "app1:Demo.ChatHub",
        "app1:Demo.ChatHub:",
        "app1:Demo.ChatHub:all:",
        "app1:Demo.ChatHub2:all",
        "app1:Demo.ChatHub:internal:group",
        "app1:Demo.ChatHub:organisation:5:acme",
        "app1:Demo.ChatHub:organisation:x:acme:ann",
        "app1:Demo.ChatHub:organisation:1:ü:ann",
    ] {
        assert_eq!(names.channel(name), None, "{name}");
    }
}
