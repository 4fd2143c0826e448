use super::*;
use crate::script::{Act, against, say};

fn drain(fields: Value) -> Drain {
    serde_json::from_value(fields).unwrap()
}

#[test]
fn texts_are_split_into_messages() {
    fn check(text: &str, fields: Value, shown: &Value) {
        assert_eq!(&Value::Array(events(text, &drain(fields), &Names::default())), shown, "{text:?}");
    }
    check("data: {\"a\":1}\u{1e}\r\n\r\n", json!({}), &json!([{"message": {"a": 1}}]));
    check("data: {}\u{1e}{\"type\":6}\u{1e}x\n\n", json!({}), &json!([{"message": {}}, {"message": "x"}]));
    check("data:{\"type\":6}\u{1e}\n\n", json!({"pings": true}), &json!([{"message": {"type": 6}}]));
    check(":\r\n\r\ndata: 1\ndata: 2\u{1e}\n\n", json!({}), &json!([{"comment": true}, {"message": "1\n2"}]));
    check(": x\ndata: 1\n\n", json!({}), &json!([{"message": 1}]));
    check("event: x\n\n", json!({}), &json!([]));
}

async fn opened(script: Vec<Act>, drains: Vec<Value>) -> (Value, Vec<Value>) {
    against(script, async |address| {
        let request: Request = serde_json::from_value(json!({"path": "/"})).unwrap();
        let names = Names::default();
        let (mut stream, head) = EventStream::open(&address, &request, &names).await.unwrap();
        let mut seen = vec![];
        for fields in drains {
            seen.push(stream.drain(&drain(fields), &names).await.unwrap());
        }
        (head, seen)
    })
    .await
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn chunks_are_drained_until_enough_or_quiet_or_the_end() {
    let script = vec![
        Act::Hear(b"Accept: text/event-stream\r\n"),
        say(CHUNKED),
        say("9\r\ndata: 1\u{1e}\n\r\n1\r\n\n\r\n"),
        say("a\r\ndata: 2\u{1e}\n\n\r\n0\r\n\r\n"),
    ];
    let (head, seen) =
        opened(script, vec![json!({"first": 1, "idle_ms": 5000}), json!({"idle_ms": 5000}), json!({"idle_ms": 1})])
            .await;
    assert_eq!(head, json!({"status": 200, "headers": {"content-type": "text/event-stream"}}));
    assert_eq!(seen[0], json!({"events": [{"message": 1}], "ended": false}));
    assert_eq!(seen[1], json!({"events": [{"message": 2}], "ended": true}));
    assert_eq!(seen[2], json!({"events": [], "ended": true}));
}

#[tokio::test]
async fn a_quiet_stream_has_not_ended() {
    let script = vec![say(CHUNKED), say("a\r\ndata: 1\u{1e}\n\n\r\n"), Act::HearEnd];
    let (_, seen) = opened(script, vec![json!({"idle_ms": 500})]).await;
    assert_eq!(seen, [json!({"events": [{"message": 1}], "ended": false})]);
}

#[tokio::test]
async fn a_stream_without_chunks_ends_with_the_connection() {
    let script = vec![Act::Hear(b"\r\n\r\n"), say("HTTP/1.1 200 OK\r\n\r\ndata: 1\u{1e}\n\n")];
    let (_, seen) = opened(script, vec![json!({"idle_ms": 5000})]).await;
    assert_eq!(seen, [json!({"events": [{"message": 1}], "ended": true})]);
}

#[tokio::test]
async fn a_refused_stream_shows_its_body() {
    let script = vec![Act::Hear(b"\r\n\r\n"), say("HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nlost")];
    let (head, seen) = opened(script, vec![json!({"idle_ms": 50})]).await;
    assert_eq!(head, json!({"status": 404, "headers": {}, "body": {"text": "lost"}}));
    assert_eq!(seen, [json!({"events": [], "ended": true})]);
}

#[tokio::test]
async fn endless_events_stop_at_the_maximum() {
    let script = vec![say(CHUNKED), say("a\r\ndata: 1\u{1e}\n\n\r\n".repeat(2000)), Act::HearEnd];
    let (_, seen) = opened(script, vec![json!({"max_ms": 0})]).await;
    assert_eq!(seen, [json!({"events": [], "ended": false})]);
}
