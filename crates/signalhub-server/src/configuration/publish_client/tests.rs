//! Clients of the publish API, as they are configured.

use super::*;
use crate::configuration::Configuration;

const SECRET: &str = "[auth]\nsecret = \"0123456789abcdef0123456789abcdef\"\n";

fn read(file: &str) -> Result<Configuration, String> {
    let mut configuration = Configuration::default();
    configuration.read_toml("file", file).map(|()| configuration).map_err(|error| error.to_string())
}

fn load(file: &str) -> Result<Configuration, String> {
    let path = std::env::temp_dir().join(format!("signalhub-{}-{:?}", std::process::id(), std::thread::current().id()));
    std::fs::write(&path, file).unwrap();
    let loaded = Configuration::load(Some(&path), [], &[]);
    std::fs::remove_file(&path).unwrap();
    loaded.map_err(|error| error.to_string())
}

fn digest(key: &str) -> String {
    KeyDigest::of(key.as_bytes()).to_hex()
}

#[test]
fn the_digest_is_sha_256_in_hexadecimal_digits() {
    // FIPS 180-2, appendix B.1.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest("abc"), abc);
    assert_eq!(KeyDigest::from_hex(&abc.to_uppercase()), Some(KeyDigest::of(b"abc")));
    for text in ["", "ba", &abc[1..], &format!("{abc}00"), &abc.replace('b', "g"), &abc.replace("ba", "+a")] {
        assert_eq!(KeyDigest::from_hex(text), None, "{text}");
    }
}

#[test]
fn clients_are_read_from_tables_and_from_json() {
    let table = format!(
        "[[publish.clients]]\nname = \"billing\"\nkey_sha256 = \"{}\"\nevents = [\"portos.*\", \"a\"]\n\
         organisations = [\"acme\"]\nrate = \"5/s\"\nexpires = 2027-01-31\n",
        digest("a")
    );
    let json = format!(
        "[{{\"name\":\"billing\",\"key_sha256\":\"{}\",\"events\":[\"portos.*\",\"a\"],\"organisations\":[\"acme\"],\
         \"rate\":\"5/s\",\"expires\":\"2027-01-31\"}}]",
        digest("a")
    );
    let variables = [("SIGNALHUB_PUBLISH__CLIENTS".to_owned(), json)];
    for configuration in [read(&table).unwrap(), Configuration::load(None, variables, &[]).unwrap()] {
        let client = &configuration.publish.clients[0];
        assert_eq!((client.name.as_str(), client.key_digest()), ("billing", Some(KeyDigest::of(b"a"))));
        let events: Vec<_> = client.events.iter().flatten().map(Pattern::to_string).collect();
        assert_eq!(events, ["portos.*", "a"]);
        assert_eq!(client.organisations.as_deref(), Some(&["acme".to_owned()][..]));
        assert_eq!(client.rate, Some(RateLimit::new(5, Duration::from_secs(1))));
        assert_eq!(client.expires.unwrap().to_string(), "2027-01-31T00:00:00Z");
    }
}

#[test]
fn what_is_wrong_with_a_client_is_refused_with_its_place() {
    let (one, other) = (digest("one"), digest("other"));
    let rows = [
        ("key = \"k\"".to_owned(), "file, line 1: \"publish.clients[0].name\": expected the name of the client"),
        ("name = \"\"".to_owned(), "\"publish.clients[0].name\": expected a name of 1 to 64 letters"),
        (format!("name = \"{}\"", "a".repeat(65)), "expected a name of 1 to 64 letters"),
        ("name = \"a b\"".to_owned(), "expected a name of 1 to 64 letters"),
        ("name = \"other\"".to_owned(), "expected a name of 1 to 64 letters"),
        (
            "name = \"a\"".to_owned(),
            "\"publish.clients[0]\": expected one of the keys key_sha256 and key, or certificate",
        ),
        (format!("name = \"a\"\nkey = \"k\"\nkey_sha256 = \"{one}\""), "expected one of the keys key_sha256 and key"),
        ("name = \"a\"\nkey = \"\"".to_owned(), "\"publish.clients[0].key\": expected keys of visible ASCII"),
        ("name = \"a\"\nkey_sha256 = \"abc\"".to_owned(), "expected a SHA-256 of 64 hexadecimal digits"),
        (
            format!("name = \"a\"\nkey_sha256 = \"{}\"", digest("")),
            "expected the SHA-256 of a key, not of an empty text",
        ),
        (
            "name = \"a\"\nkey = \"k\"\nevents = []".to_owned(),
            "\"publish.clients[0].events\": expected at least one event",
        ),
        ("name = \"a\"\nkey = \"k\"\nevents = [\"a*b\"]".to_owned(), "expected a list of names of events"),
        ("name = \"a\"\nkey = \"k\"\norganisations = []".to_owned(), "expected at least one organisation"),
        ("name = \"a\"\nkey = \"k\"\norganisations = [\"\"]".to_owned(), "expected a list"),
        (
            "name = \"a\"\nkey = \"k\"\norganisations = [\"*\"]".to_owned(),
            "expected at least one organisation, without *",
        ),
        ("name = \"a\"\nkey = \"k\"\nrate = \"0/s\"".to_owned(), "expected a rate"),
        ("name = \"a\"\nkey = \"k\"\nexpires = \"soon\"".to_owned(), "\"publish.clients[0].expires\": expected a date"),
        ("name = \"a\"\nkey = \"k\"\nexpires = 2027-01-31T12:00:00".to_owned(), "expected a date"),
        ("name = \"a\"\nkey = \"k\"\norganisation = \"b\"".to_owned(), "expected organisations, a list"),
        (
            "name = \"a\"\ncertificate = \"*.acme\"".to_owned(),
            "\"publish.clients[0].certificate\": expected a DNS name",
        ),
        (
            "name = \"a\"\ncertificate = \"acme\"\n[[publish.clients]]\nname = \"b\"\ncertificate = \"acme\""
                .to_owned(),
            "\"publish.clients[1].certificate\": expected a certificate that no other entry without a key has",
        ),
        (
            format!("name = \"a\"\nkey_sha256 = \"{one}\"\n[[publish.clients]]\nname = \"b\"\nkey = \"one\""),
            "file, line 4: \"publish.clients[1]\": expected a key that no other entry has",
        ),
        (
            format!(
                "name = \"a\"\nkey_sha256 = \"{one}\"\nrate = \"1/s\"\n[[publish.clients]]\nname = \"a\"\nkey_sha256 = \"{other}\""
            ),
            "\"publish.clients[1].rate\": expected the same rate as the other entries of this name",
        ),
    ];
    for (client, expected) in rows {
        let error = read(&format!("[[publish.clients]]\n{client}")).unwrap_err();
        assert!(error.contains(expected), "{client}: {error}");
    }
    let rotated = format!(
        "[[publish.clients]]\nname = \"a\"\nkey_sha256 = \"{one}\"\nrate = \"1/s\"\n\
         [[publish.clients]]\nname = \"a\"\nkey_sha256 = \"{other}\"\nrate = \"1/s\""
    );
    assert_eq!(read(&rotated).unwrap().publish.clients.len(), 2);
}

#[test]
fn keys_that_can_be_guessed_are_refused_outside_development_mode_and_not_shown() {
    let rows = [
        (
            "keys = [\"a-key-of-twenty-char\", \"secret-short-key\"]",
            "\"publish.keys[1]\": expected a key of at least 20",
        ),
        ("keys = [\"*\"]", "\"publish.keys[0]\": expected a key of at least 20"),
        ("keys = [\"xxxxxxxxxxxxxxxxxxxx\"]", "\"publish.keys[0]\": expected a random key"),
        ("keys = [\"********************\"]", "\"publish.keys[0]\": expected a random key"),
        (
            "[[publish.clients]]\nname = \"a\"\nkey = \"a-key-of-twenty-char\"\n\
             [[publish.clients]]\nname = \"b\"\nkey = \"secret-short-key\"",
            "\"publish.clients[1].key\": expected a key of at least 20",
        ),
        (
            "[[publish.clients]]\nname = \"a\"\nkey = \"00000000000000000000\"",
            "\"publish.clients[0].key\": expected a random",
        ),
    ];
    for (publish, expected) in rows {
        let error = load(&format!("{SECRET}[publish]\n{publish}")).unwrap_err();
        assert!(error.contains(expected) && !error.contains("secret-short-key"), "{publish}: {error}");
        assert!(load(&format!("[publish]\n{publish}")).is_ok(), "{publish} in development mode");
    }
    let both = format!(
        "[publish]\nkeys = [\"a-key-of-twenty-char\"]\n[[publish.clients]]\nname = \"a\"\nkey_sha256 = \"{}\"",
        digest("a-key-of-twenty-char")
    );
    let error = load(&format!("{SECRET}{both}")).unwrap_err();
    assert!(error.contains("\"publish.clients[0]\": expected a key that is not in publish.keys"), "{error}");
}

#[test]
fn keys_and_digests_of_clients_are_shown_by_nothing() {
    let file = format!(
        "[[publish.clients]]\nname = \"a\"\nkey = \"hidden-key\"\n[[publish.clients]]\nname = \"b\"\nkey_sha256 = \"{}\"",
        digest("other")
    );
    let configuration = read(&file).unwrap();
    let shown = format!("{configuration:?} {}", crate::configuration::changed(&configuration).join(" "));
    assert!(shown.contains("key = \"(secret)\"") && shown.contains("key_sha256 = \"(digest)\""), "{shown}");
    assert!(!shown.contains("hidden-key") && !shown.contains(&digest("other")), "{shown}");
}

#[test]
fn an_expiry_is_near_for_a_week_and_past_from_its_time_on() {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let week = Duration::from_secs(7 * 24 * 3600);
    let second = Duration::from_secs(1);
    for (now, expected) in [
        (time - week - second, Nearness::Far),
        (time - week, Nearness::Soon),
        (time - second, Nearness::Soon),
        (time, Nearness::Past),
        (time + week, Nearness::Past),
    ] {
        assert_eq!(ExpiryTime::new(time).nearness(now), expected, "{now:?}");
    }
}
