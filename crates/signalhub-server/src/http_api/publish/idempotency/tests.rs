use portos_notifications::UserIdentity;
use signalhub::events::EventName;
use time::OffsetDateTime;

use super::*;
use crate::configuration::{ClientName, KeyDigest};

fn read(values: &[&[u8]], media: MediaType) -> Result<Option<String>, String> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(HEADER, HeaderValue::from_bytes(value).unwrap());
    }
    header(&headers, media).map_err(|problem| {
        assert_eq!(problem.code, ProblemCode::InvalidIdempotencyKey);
        problem.detail
    })
}

#[test]
fn a_key_is_one_header_of_visible_characters_with_or_without_quotes() {
    let longest = "k".repeat(LONGEST_KEY);
    let longest_quoted = format!("\"{longest}\"");
    for (value, key) in [
        ("a", "a"),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("\"8e03978e\"", "8e03978e"),
        (r#""a\"b\\c""#, r#"a"b\c"#),
        (r#"a"b\c"#, r#"a"b\c"#),
        ("!~/:;=", "!~/:;="),
        (&longest, &longest),
        (&longest_quoted, &longest),
    ] {
        assert_eq!(read(&[value.as_bytes()], MediaType::Json), Ok(Some(key.to_owned())), "{value}");
    }
    let too_long = format!("{longest}k");
    let too_long_quoted = format!("\"{too_long}\"");
    for value in [
        "",
        "\"\"",
        "\"",
        "\"a",
        "\"a\\\"",
        "\"a\"b\"",
        "\"a\\b\"",
        "\"a\";x=1",
        "a b",
        "\"a b\"",
        "a\tb",
        "\u{e9}",
        &too_long,
        &too_long_quoted,
    ] {
        let detail = read(&[value.as_bytes()], MediaType::Json).unwrap_err();
        assert_eq!(detail, "Idempotency-Key: expected 1 to 255 visible ASCII characters", "{value}");
    }
    assert_eq!(read(&[], MediaType::Json), Ok(None));
    assert_eq!(read(&[], MediaType::CloudEvent), Ok(None));
    assert!(read(&[b"a", b"a"], MediaType::Json).unwrap_err().contains("found several"));
    for media in [MediaType::CloudEvent, MediaType::CloudEventBatch] {
        assert!(read(&[b"a"], media).unwrap_err().contains("source and id"));
    }
}

fn event() -> Event {
    Event::new(EventName::new("shop.changed"), r#"{"n":"tickets"}"#)
}

#[test]
fn keys_of_publishers_and_of_items_are_all_different() {
    let keys = [b"first", b"other"].map(|key| Who::Key(KeyDigest::of(key)));
    let user = |user: &str, organisation: Option<&str>| Who::User(user.into(), organisation.map(Into::into));
    let publishers = [
        keys[0].clone(),
        keys[1].clone(),
        Who::Client(ClientName::new("first").unwrap()),
        user("first", None),
        user("first", Some("")),
        user("first", Some("north")),
        user("firstnorth", None),
        user("", Some("firstnorth")),
    ];
    let given = [
        GivenKey::Header("k"),
        GivenKey::Item("k", 0),
        GivenKey::Item("k", 1),
        GivenKey::CloudEvent { source: "k", id: "0" },
        GivenKey::CloudEvent { source: "k0", id: "" },
        GivenKey::CloudEvent { source: "", id: "k0" },
    ];
    let event = event();
    let mut found: Vec<_> =
        publishers.iter().flat_map(|who| given.map(|key| *key.idempotency(who, &event, None).key.as_bytes())).collect();
    let count = found.len();
    found.sort_unstable();
    found.dedup();
    assert_eq!(found.len(), count);
    // An item of a batch may be repeated alone.
    let alone = GivenKey::Header("k/1").idempotency(&keys[0], &event, None);
    assert_eq!(alone, GivenKey::Item("k", 1).idempotency(&keys[0], &event, None));
}

#[test]
fn everything_that_a_publisher_gives_is_in_the_fingerprint_and_nothing_else() {
    let of = |event: &Event, sender: Option<&PublishSender>| fingerprint(event, sender).first::<8>();
    let at = OffsetDateTime::from_unix_timestamp(1_900_000_000).unwrap();
    let sender = |connection: Option<&str>, user: Option<UserIdentity>| PublishSender {
        connection: connection.map(str::to_owned),
        user,
    };
    let nothing = sender(None, None);
    let mut other_payload = event();
    other_payload.payload = r#"{"n":"ticket"}"#.into();
    let rows = [
        (event(), None),
        (event(), Some(&nothing)),
        (event(), Some(&sender(Some("c"), None))),
        (event(), Some(&sender(None, Some(UserIdentity::default())))),
        (Event::new(EventName::new("shop.opened"), r#"{"n":"tickets"}"#), None),
        (other_payload, None),
        (event().with_organisation(Organisation::new("north")), None),
        (event().with_resource(ResourceName::new("north")), None),
        (event().with_resource(ResourceName::new("tickets")).with_action(Action::Created), None),
        (event().with_resource(ResourceName::new("tickets")).with_action(Action::Deleted), None),
        (event().with_expires(at), None),
        (event().with_expires(at + std::time::Duration::from_nanos(1)), None),
    ]
    .map(|(event, sender)| of(&event, sender));
    for (place, fingerprint) in rows.iter().enumerate() {
        assert!(!rows[..place].contains(fingerprint), "row {place}");
    }
    let mut later = event().with_created(at).with_sender("{}".into());
    later.node = Some("another node".into());
    assert_eq!(of(&later, None), rows[0]);
}

/// A store keeps them over a restart and an update of the server.
#[test]
fn digests_are_the_same_in_every_process() {
    let who = Who::User("ann".into(), Some("north".into()));
    let idempotency = GivenKey::Header("order-1").idempotency(&who, &event(), Some(&PublishSender::default()));
    let key: String = idempotency.key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (key.as_str(), idempotency.fingerprint.get()),
        ("959a8e5c470c4cbc82b91dcc6c8d7f1e", 16_915_161_520_855_757_130)
    );
}
