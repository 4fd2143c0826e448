use super::*;
use crate::script::{Act, UPGRADE, say, server};

async fn replayed(address: &Address, steps: Value) -> Vec<Option<Value>> {
    let scenario = serde_json::from_value(json!({"id": "test/one", "steps": steps})).unwrap();
    replay(address, &scenario).await
}

const NEGOTIATED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{\"token\":\"t-123\"}";

#[tokio::test]
async fn what_one_step_saves_the_next_ones_use() {
    let scripts = vec![
        vec![Act::Hear(b"\r\n\r\n"), say(NEGOTIATED), Act::HearEnd],
        vec![Act::Hear(b"GET /hub?id=t-123 "), say(UPGRADE), say(b"\x81\x08\"t-123\"\x1e"), Act::HearEnd],
    ];
    let (address, _served) = server(scripts).await;
    let seen = replayed(
        &address,
        json!([
            {"do": "request", "method": "POST", "path": "/negotiate", "save": {"token": "token"}, "only": "body,x"},
            {"do": "ws.open", "as": "c", "path": "/hub?id=${token}", "only": "status"},
            {"do": "ws.send", "as": "c", "text": "${token}"},
            {"do": "ws.drain", "as": "c", "first": 1, "idle_ms": 5000},
            {"do": "sleep", "ms": 0},
        ]),
    )
    .await;
    let expected = [
        Some(json!({"body": {"json": {"token": "${token}"}}})),
        Some(json!({"status": 101})),
        None,
        Some(json!({"frames": [{"message": "${token}"}]})),
        None,
    ];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn requests_in_the_background_do_not_hold_the_others() {
    let poll = vec![Act::Hear(b"GET /poll"), Act::Hear(b"\r\n\r\n"), Act::HearEnd];
    let scripts = vec![poll, vec![Act::Hear(b"\r\n\r\n"), say(NEGOTIATED)]];
    let (address, _served) = server(scripts).await;
    let seen = replayed(
        &address,
        json!([
            {"do": "request.start", "as": "p", "method": "GET", "path": "/poll"},
            {"do": "request", "path": "/send", "only": "status"},
            {"do": "request.finish", "as": "p", "timeout_ms": 50},
            {"do": "request.finish", "as": "p"},
        ]),
    )
    .await;
    let failed = |name| Some(json!({ "failed": name }));
    assert_eq!(seen, [None, Some(json!({"status": 200})), failed("Timeout"), failed("OSError")]);
}

#[tokio::test]
async fn a_background_response_is_shown_when_finished() {
    let (address, _served) = server(vec![vec![Act::Hear(b"\r\n\r\n"), say(NEGOTIATED)]]).await;
    let steps = json!([
        {"do": "request.start", "as": "p", "path": "/poll", "save": {"t": "token"}},
        {"do": "request.finish", "as": "p"},
    ]);
    let shown = json!({"status": 200, "headers": {}, "body": {"json": {"token": "${t}"}}});
    assert_eq!(replayed(&address, steps).await, [None, Some(shown)]);
}

#[tokio::test]
async fn dropped_connections_are_gone() {
    async fn check(reset: bool) {
        let (address, served) = server(vec![vec![Act::Hear(b"\r\n\r\n"), say(UPGRADE), Act::HearEnd]]).await;
        let steps = json!([
            {"do": "ws.open", "as": "c", "path": "/", "only": "status"},
            {"do": "tcp.drop", "as": "c", "reset": reset},
            {"do": "ws.drain", "as": "c"},
        ]);
        let gone = Some(json!({"failed": "OSError"}));
        assert_eq!(replayed(&address, steps).await, [Some(json!({"status": 101})), None, gone]);
        assert_eq!(served.await.unwrap()[0].ends_with("<reset>"), reset);
    }
    check(true).await;
    check(false).await;
}

#[tokio::test]
async fn steps_without_their_connection_fail_one_by_one() {
    // The port was free a moment ago, so no server listens there.
    let (address, served) = server(vec![]).await;
    served.await.unwrap();
    let steps = json!([
        {"do": "sse.open", "as": "c", "path": "/"},
        {"do": "sse.drain", "as": "c"},
        {"do": "ws.close", "as": "c"},
        {"do": "ws.send", "as": "c", "hex": "zz"},
    ]);
    let failed = ["ConnectionRefusedError", "OSError", "OSError", "ValueError"];
    assert_eq!(replayed(&address, steps).await, failed.map(|name| Some(json!({ "failed": name }))));
}
