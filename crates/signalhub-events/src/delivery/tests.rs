use super::*;
use crate::{Epoch, EventName};

const PLAIN: EncodingKey = EncodingKey::new("plain");
const FRAMED: EncodingKey = EncodingKey::new("framed");

#[test]
fn first_caller_encodes_and_the_others_share() {
    let event = Event::new(EventName::new("changed"), "{}");
    let delivery = Delivery::new(Arc::new(event), Position::new(Epoch::new(1), 1));
    let framed = delivery.encoded(FRAMED, |delivery| {
        let plain = delivery.encoded(PLAIN, |delivery| delivery.event().payload.clone());
        [plain, &b"\x1e"[..]].concat().into()
    });
    assert_eq!(&framed[..], b"{}\x1e");
    assert_eq!(delivery.encoded(FRAMED, |_| unreachable!("it is cached")).as_ptr(), framed.as_ptr());
    assert_eq!(&delivery.encoded(PLAIN, |_| unreachable!("it is cached"))[..], b"{}");
}

#[test]
fn numbers_tell_encodings_of_one_name_apart() {
    let event = Event::new(EventName::new("changed"), "{}");
    let delivery = Delivery::new(Arc::new(event), Position::new(Epoch::new(1), 1));
    for number in [0, 1, 7, 1, 0] {
        assert_eq!(delivery.encoded(PLAIN.numbered(number), |_| number.to_string().into()), &number.to_string());
    }
    assert_eq!(delivery.encoded(PLAIN, |_| unreachable!("it is number 0")), "0");
}

#[test]
fn callers_at_once_share_one_encoding() {
    let delivery =
        Delivery::new(Arc::new(Event::new(EventName::new("changed"), "{}")), Position::new(Epoch::new(1), 1));
    let barrier = std::sync::Barrier::new(4);
    let encode = |key: EncodingKey| {
        delivery.encoded(key, |_| {
            barrier.wait();
            key.name.into()
        })
    };
    let [first, second, other, another] = std::thread::scope(|scope| {
        [PLAIN, PLAIN, FRAMED, FRAMED].map(|key| scope.spawn(move || encode(key))).map(|thread| thread.join().unwrap())
    });
    assert_eq!((&first[..], &other[..]), (&b"plain"[..], &b"framed"[..]));
    assert_eq!((first.as_ptr(), other.as_ptr()), (second.as_ptr(), another.as_ptr()));
}

#[test]
fn deliveries_are_joined_once_in_pieces() {
    let delivery = |payload: &'static str, offset| {
        let event = Event::new(EventName::new("changed"), payload);
        Arc::new(Delivery::new(Arc::new(event), Position::new(Epoch::new(1), offset)))
    };
    let payload = |delivery: &Delivery| delivery.event().payload.clone();
    let deliveries = Deliveries::new(
        vec![delivery("one", 1), delivery("two", 2), delivery("three four", 3), delivery("", 4)],
        Audience::Several,
    );
    let pieces = deliveries.joined(PLAIN, 6, payload);
    let joined = |bytes: &'static str, deliveries| Joined { bytes: bytes.into(), deliveries };
    assert_eq!(pieces, [joined("onetwo", 2), joined("three four", 1)]);
    assert_eq!(deliveries.joined(PLAIN, 6, |_| unreachable!("it is cached")).as_ptr(), pieces.as_ptr());
    assert_eq!(deliveries.each()[1].position().offset(), 2);
}
