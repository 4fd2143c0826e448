use proptest::prelude::*;

use super::*;

const NOW: u64 = 1_800_000_000;

fn secrets() -> ClusterSecrets {
    ClusterSecrets::new([[7; 32]]).unwrap()
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn made(from: &str) -> ForwardHeader {
    ForwardHeader::new(name(from), "192.0.2.7".parse().unwrap(), Scheme::Https, at(NOW))
}

#[test]
fn a_header_restores_the_client_of_the_request_that_it_was_made_for() {
    let (b, a, c) = ("b", name("a"), name("c"));
    let request = ForwardedRequest { to: &a, method: &Method::POST, target: "/hub?id=x" };
    let value = made(b).encode(&secrets(), request);
    let check = |request, value: &HeaderValue, now| ForwardHeader::decode(&secrets(), request, value, at(now));
    let (header, _) = check(request, &value, NOW).unwrap();
    assert_eq!((header.from.as_str(), header.scheme), ("b", Scheme::Https));
    assert_eq!(header.client.to_string(), "192.0.2.7");
    for other in [
        ForwardedRequest { to: &c, ..request },
        ForwardedRequest { method: &Method::GET, ..request },
        ForwardedRequest { target: "/hub?id=y", ..request },
    ] {
        assert_eq!(check(other, &value, NOW).unwrap_err(), ForwardRefusal::Forged, "{other:?}");
    }
    for (now, expected) in [
        (NOW - 31, Err(ForwardRefusal::Expired)),
        (NOW - 30, Ok(())),
        (NOW + 30, Ok(())),
        (NOW + 31, Err(ForwardRefusal::Expired)),
    ] {
        assert_eq!(check(request, &value, now).map(drop), expected, "{now}");
    }
    let forged = made(b).encode(&ClusterSecrets::new([[8; 32]]).unwrap(), request);
    assert_eq!(check(request, &forged, NOW).unwrap_err(), ForwardRefusal::Forged);
}

#[test]
fn values_that_no_node_writes_are_malformed() {
    let a = name("a");
    let request = ForwardedRequest { to: &a, method: &Method::GET, target: "/hub" };
    let value = made("b").encode(&secrets(), request);
    let text = value.to_str().unwrap();
    for wrong in [
        "".to_owned(),
        ";;;;;;".to_owned(),
        text.replacen("1;", "2;", 1),
        text.replacen(";b;", ";b c;", 1),
        text.replacen(";https;", ";ftp;", 1),
        text.replacen("192.0.2.7", "192.0.2", 1),
        format!("{text};more"),
        text.rsplit_once(';').unwrap().0.to_owned(),
    ] {
        let value = HeaderValue::try_from(&wrong).unwrap();
        let refused = ForwardHeader::decode(&secrets(), request, &value, at(NOW)).unwrap_err();
        assert_eq!(refused, ForwardRefusal::Malformed, "{wrong}");
    }
    let with_another_node = text.replacen(";b;", ";c;", 1);
    let value = HeaderValue::try_from(with_another_node).unwrap();
    assert_eq!(ForwardHeader::decode(&secrets(), request, &value, at(NOW)).unwrap_err(), ForwardRefusal::Forged);
}

proptest! {
    #[test]
    fn a_header_that_was_changed_anywhere_is_refused(position: prop::sample::Index, other in "[ -~]") {
        let a = name("a");
        let request = ForwardedRequest { to: &a, method: &Method::GET, target: "/hub" };
        let value = made("b").encode(&secrets(), request);
        let mut text = value.to_str().unwrap().to_owned();
        let position = position.index(text.len());
        prop_assume!(text[position..=position] != other);
        text.replace_range(position..=position, &other);
        let Ok(value) = HeaderValue::try_from(text) else { return Ok(()) };
        prop_assert!(ForwardHeader::decode(&secrets(), request, &value, at(NOW)).is_err());
    }
}
