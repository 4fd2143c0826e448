use super::*;
use crate::script::{Act, UPGRADE, against, say, server};

fn frame(first: u8, payload: &[u8]) -> Act {
    let length = u8::try_from(payload.len()).unwrap();
    say([&[first, length], payload].concat())
}

fn drain(fields: Value) -> Drain {
    serde_json::from_value(fields).unwrap()
}

async fn open(address: &Address) -> (WebSocket, Value) {
    let open: WsOpen = serde_json::from_value(json!({"path": "/", "subprotocol": "x"})).unwrap();
    WebSocket::open(address, &open, &Names::default()).await.unwrap()
}

/// Opens a socket, lets the script send, and drains once for each row of fields.
async fn drained(frames: Vec<Act>, drains: Vec<Value>) -> Vec<Value> {
    let mut script = vec![Act::Hear(b"Sec-WebSocket-Protocol: x\r\n\r\n"), say(UPGRADE)];
    script.extend(frames);
    against(script, async |address| {
        let (mut socket, _) = open(&address).await;
        let mut seen = vec![];
        for fields in drains {
            let drained = socket.drain(&drain(fields), &mut Names::default()).await.unwrap();
            seen.push(drained["frames"].clone());
        }
        seen
    })
    .await
}

#[tokio::test]
async fn frames_are_put_together_and_the_end_is_shown() {
    let frames = vec![
        frame(0x01, b"{\"a\":"),
        frame(0x89, b""),
        frame(0x00, b"1}"),
        frame(0x80, b"\x1e"),
        frame(0x8a, b"\x01\x02"),
        frame(0x88, b"\x03\xe8bye"),
        frame(0x88, b""),
        Act::Hear(b"\x8a\x80"),
    ];
    let frames = drained(frames, vec![json!({"idle_ms": 5000})]).await;
    let close = json!({"close": 1000, "reason": "bye"});
    let empty = json!({"close": null, "reason": ""});
    assert_eq!(frames[0], json!([{"message": {"a": 1}}, {"pong": "0102"}, close, empty, {"ended": true}]));
}

#[tokio::test]
async fn a_partial_message_waits_for_the_next_drain() {
    let frames = vec![frame(0x01, b"1"), frame(0x80, b"2\x1e"), frame(0x81, b"3\x1e"), Act::HearEnd];
    let drains =
        vec![json!({"first": 1, "idle_ms": 5000}), json!({"first": 1, "idle_ms": 5000}), json!({"idle_ms": 1})];
    assert_eq!(drained(frames, drains).await, [json!([{"message": 12}]), json!([{"message": 3}]), json!([])]);
}

#[tokio::test]
async fn a_binary_handshake_is_recognised_once() {
    let frames = vec![frame(0x82, b"{}\x1e"), frame(0x82, b"\x02\x91\x06\x01\xc0"), Act::HearEnd];
    let seen = drained(frames, vec![json!({"first": 2, "idle_ms": 5000})]).await;
    assert_eq!(seen, [json!([{"handshake": "{}"}, {"binary": "c0"}])]);
}

#[tokio::test]
async fn all_lengths_are_read() {
    let long = [&[0x82, 126, 1, 0x2c, 0xaa, 2][..], &[7; 298]].concat();
    let longer = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 2, 0x80, 0x80, 4][..], &[7; 65_535]].concat();
    let seen = drained(vec![say(long), say(longer)], vec![json!({"idle_ms": 5000})]).await;
    let expected = json!([{"binary": "07".repeat(298)}, {"binary": "07".repeat(65_535)}, {"ended": true}]);
    assert_eq!(seen, [expected]);
}

#[tokio::test]
async fn endless_frames_stop_at_the_maximum() {
    let many = (0..100).map(|_| frame(0x81, b"1\x1e")).chain([Act::HearEnd]).collect();
    assert_eq!(drained(many, vec![json!({"max_ms": 0})]).await, [json!([])]);
}

#[tokio::test]
async fn what_a_drain_saves_is_taken_out_of_it() {
    let script = vec![say(UPGRADE), frame(0x81, b"{\"invocationId\":\"s1\"}\x1es1"), Act::HearEnd];
    against(script, async |address| {
        let (mut socket, head) = open(&address).await;
        assert_eq!(head, json!({"status": 101, "headers": {}, "accept": "wrong"}));
        let mut names = Names::default();
        let save = json!({"asked": "\"invocationId\":\"([^\"]+)\"", "none": "x(y)"});
        let seen = socket.drain(&drain(json!({"save": save, "first": 2, "idle_ms": 5000})), &mut names).await.unwrap();
        let frames = json!([{"message": {"invocationId": "${asked}"}}, {"unterminated": "${asked}"}]);
        assert_eq!(seen, json!({ "frames": frames }));
        assert_eq!(names.expand("${asked}${none}"), "s1");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_is_shown_with_its_body() {
    let script = vec![Act::Hear(b"\r\n\r\n"), say("HTTP/1.1 404 No\r\n\r\nlost")];
    against(script, async |address| {
        let (mut socket, head) = open(&address).await;
        assert_eq!(head, json!({"status": 404, "headers": {}, "body": {"text": "lost"}}));
        let seen = socket.drain(&drain(json!({})), &mut Names::default()).await.unwrap();
        assert_eq!(seen, json!({"frames": [{"ended": true}]}));
    })
    .await;
}

#[tokio::test]
async fn frames_are_sent_as_the_step_says() {
    async fn check(fields: Value, first: u8, payload: &[u8]) {
        let (address, served) = server(vec![vec![say(UPGRADE), Act::HearEnd]]).await;
        let (mut socket, _) = open(&address).await;
        socket.send(&serde_json::from_value(fields).unwrap(), payload).await.unwrap();
        drop(socket);
        let received = served.await.unwrap().remove(0);
        let frame = received.split("\r\n\r\n").nth(1).unwrap();
        // Lossy text has at least the first byte where it is ASCII.
        assert_eq!(frame.starts_with(char::from(first)), first < 0x80, "{frame:?}");
    }
    check(json!({"text": "a", "fin": false}), 0x01, b"a").await;
    check(json!({"hex": "61", "fin": false}), 0x02, b"a").await;
    check(json!({"hex": "61", "fin": false, "opcode": 9}), 0x09, b"a").await;
    check(json!({"text": "a"}), 0x81, b"a").await;
}

#[test]
fn frames_are_masked_and_as_short_as_possible() {
    fn check(payload: &[u8], head: &[u8]) {
        let frame = masked(0x81, payload, [1, 2, 3, 4]);
        assert_eq!(&frame[..head.len()], head);
        assert_eq!(frame[head.len()..head.len() + 4], [1, 2, 3, 4]);
        let unmasked = frame[head.len() + 4..].iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, key)| byte ^ key);
        assert!(unmasked.eq(payload.iter().copied()));
    }
    check(b"", &[0x81, 0x80]);
    check(&[7; 125], &[0x81, 0x80 | 125]);
    check(&[7; 126], &[0x81, 0xfe, 0, 126]);
    check(&[7; 300], &[0x81, 0xfe, 1, 44]);
    check(&[7; 65_535], &[0x81, 0xfe, 0xff, 0xff]);
    check(&[7; 65_536], &[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]);
}
