//! Which keys are found, and how clients are counted.

use super::*;

fn client(name: &str, key: Option<&str>, digest_of: Option<&str>) -> PublishClient {
    PublishClient {
        name: ClientName::new(name).unwrap(),
        key: key.and_then(ApiKey::new),
        key_sha256: digest_of.map(|key| KeyDigest::of(key.as_bytes())),
        ..PublishClient::default()
    }
}

fn found(clients: &ApiClients, key: &str) -> String {
    match clients.holder(key.as_bytes()) {
        None => "-".to_owned(),
        Some(KeyHolder::Unnamed(digest)) => {
            assert!(*digest == KeyDigest::of(key.as_bytes()));
            "unnamed".to_owned()
        }
        Some(KeyHolder::Named(client)) => client.name.as_str().to_owned(),
    }
}

#[test]
fn a_key_is_found_by_itself_or_its_digest_and_a_short_one_not_by_its_digest() {
    let long = "a-key-of-twenty-char";
    let clients = [
        client("plain", Some("plain-key"), None),
        client("long", None, Some(long)),
        client("short", None, Some("short")),
    ];
    let clients = ApiClients::new(&["first", "second"].map(|key| ApiKey::new(key).unwrap()), &clients);
    for (key, expected) in [
        ("first", "unnamed"),
        ("second", "unnamed"),
        ("plain-key", "plain"),
        (long, "long"),
        ("short", "-"),
        ("", "-"),
        ("firs", "-"),
        ("first ", "-"),
        (&KeyDigest::of(long.as_bytes()).to_hex(), "-"),
    ] {
        assert_eq!(found(&clients, key), expected, "{key}");
    }
}

#[test]
fn clients_beyond_fifty_names_are_counted_together() {
    let names: Vec<_> = (0..60).map(|number| format!("client-{}", number / 2)).collect();
    let more: Vec<_> = (30..60).map(|number| format!("client-{number}")).collect();
    let names: Vec<_> = names.iter().chain(&more).map(|name| ClientName::new(name).unwrap()).collect();
    let counters = ClientCounters::new(names.iter());
    for name in &names {
        counters.of(name).fetch_add(1, Ordering::Relaxed);
    }
    let labels: Vec<_> = counters.labelled().collect();
    assert_eq!(labels.len(), 51);
    assert_eq!(labels[0], ("client-0", 2));
    assert_eq!(labels[49], ("client-49", 1));
    assert_eq!(labels[50], ("other", 10));
}
