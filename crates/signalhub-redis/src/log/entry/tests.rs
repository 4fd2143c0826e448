use proptest::prelude::*;
use signalhub_events::Epoch;

use super::*;

fn name() -> EventName {
    EventName::new("shop.resources.changed")
}

fn id() -> EventId {
    EventId::new(Epoch::new(7), 9)
}

fn full() -> Entry {
    let mut event = Event::new(name(), r#"{"n":"tickets","a":1}"#)
        .with_resource("tickets".into())
        .with_action(Action::Created)
        .with_organisation("acme".into())
        .with_sender(Bytes::from_static(b"{\"c\":\"portos\"}"))
        .with_created(time_of(17_200_000_000_000_001))
        .with_expires(time_of(17_300_000_000_000_000))
        .with_trace(TraceParent::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    (event.id, event.node) = (Some(id()), Some("node-1".into()));
    let asked = Asked { node: "node-2".into(), number: u64::MAX, wait: Some(Duration::from_millis(500)) };
    Entry { event, asked: Some(asked) }
}

#[test]
fn an_event_is_the_same_behind_its_stream() {
    for entry in [full(), Entry { event: Event::new(name(), "{}").with_created(time_of(1)), asked: None }] {
        let bytes = Bytes::from(encode(&entry.event, entry.asked.as_ref()));
        let mut expected = entry;
        expected.event.id = Some(id());
        assert_eq!(decode(&name(), id(), &bytes), Ok(expected));
    }
}

#[test]
fn further_items_are_ignored() {
    let entry = full();
    let mut bytes = encode(&entry.event, entry.asked.as_ref());
    bytes[0] += 1;
    bytes.extend([0xc3]);
    assert_eq!(decode(&name(), id(), &Bytes::from(bytes)), Ok(entry));
}

#[test]
fn short_forms_of_other_encoders_are_read() {
    let bytes: &[u8] = b"\x9a\x05\xc0\xa1t\xc0\xd9\x01o\xc0\xc4\x02{}\xc0\xc0\xc0";
    let event = decode(&name(), id(), &Bytes::from_static(bytes)).unwrap().event;
    assert_eq!((event.created, &event.payload[..]), (time_of(5), &b"{}"[..]));
    assert_eq!((event.resource, event.organisation), (Some("t".into()), Some("o".into())));
}

#[test]
fn entries_that_end_early_or_have_other_types_are_refused() {
    let bytes = Bytes::from(encode(&full().event, full().asked.as_ref()));
    for length in 0..bytes.len() {
        assert!(decode(&name(), id(), &bytes.slice(..length)).is_err(), "{length}");
    }
    for wrong in [&b"\x99"[..], b"\xc0", b"\x9a\xc0", b"\x9a\xa0", b"\xdd\xff\xff\xff\xff\x01\xc0\xc6\xff\xff\xff\xff"]
    {
        assert!(decode(&name(), id(), &Bytes::copy_from_slice(wrong)).is_err());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut array = vec![0x9a];
        array.extend(&bytes);
        drop(decode(&name(), id(), &Bytes::from(bytes)));
        drop(decode(&name(), id(), &Bytes::from(array)));
    }
}
