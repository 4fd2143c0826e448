use super::*;
use crate::script::{Act, against, say, server};

fn request(fields: Value) -> Request {
    serde_json::from_value(fields).unwrap()
}

async fn answered(response: &[u8]) -> Result<Value, WireError> {
    against(vec![Act::Hear(b"\r\n\r\n"), say(response)], async |address| {
        let names = Names::default();
        let wire = send(&address, &request(json!({"path": "/"})), &[], &names).await?;
        let response = Response::read(wire, Duration::from_secs(5)).await?;
        Ok(response.show(&BTreeMap::new(), &mut Names::default()))
    })
    .await
}

#[tokio::test]
async fn bodies_end_as_their_head_says() {
    async fn check(response: &str, status: u16, body: Value) {
        let seen = answered(response.as_bytes()).await.unwrap();
        assert_eq!(seen, json!({"status": status, "headers": {}, "body": body}), "{response}");
    }
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", 200, json!({"text": "ok"})).await;
    check("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, json!({"text": "until the end"})).await;
    check("HTTP/1.1 204 No Content\r\n\r\nx", 204, json!({"text": ""})).await;
    check("HTTP/1.1 101 Upgrade\r\n\r\nx", 101, json!({"text": ""})).await;
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=1\r\n{\"a\r\n6\r\n\":1.0}\r\n0\r\n\r\nrest";
    check(chunked, 200, json!({"json": {"a": 1.0}})).await;
}

#[tokio::test]
async fn broken_responses_fail_by_name() {
    async fn check(response: &str, name: &str) {
        assert_eq!(answered(response.as_bytes()).await.unwrap_err().name(), name, "{response}");
    }
    check("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "EOFError").await;
    check("HTTP/1.1 200 OK\r\n", "EOFError").await;
    check("nonsense\r\n\r\n", "ValueError").await;
    check("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "ValueError").await;
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "ValueError").await;
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "EOFError").await;
}

#[tokio::test]
async fn only_headers_that_clients_depend_on_are_shown() {
    let response = "HTTP/1.1 401 No\r\nWWW-Authenticate:  Bearer \r\nServer: x\r\nDate: y\r\nContent-Length: 0\r\n\
                    Allow: GET\r\nallow: POST\r\n\r\n";
    let seen = answered(response.as_bytes()).await.unwrap();
    assert_eq!(seen["headers"], json!({"www-authenticate": "Bearer", "allow": "POST"}));
}

#[tokio::test]
async fn requests_are_written_as_the_step_says() {
    async fn check(fields: Value, wanted: &[&str], unwanted: &str) {
        let (address, served) = server(vec![vec![Act::HearEnd]]).await;
        let address: Address = format!("http://{}/app/", address.authority()).parse().unwrap();
        let mut names = Names::default();
        names.save("id", "abc".to_owned());
        drop(send(&address, &request(fields), &[("Accept", "text/event-stream")], &names).await.unwrap());
        let received = served.await.unwrap().remove(0);
        for part in wanted {
            assert!(received.contains(part), "{part:?} in {received:?}");
        }
        assert!(!received.contains(unwanted), "no {unwanted:?} in {received:?}");
    }
    let get = ["GET /app/hub?id=abc HTTP/1.1\r\nHost: 127.0.0.1:", "\r\nConnection: close\r\n", "event-stream\r\n\r\n"];
    check(json!({"path": "/hub?id=${id}"}), &get, "Content-Length").await;
    let post = ["POST /app/h HTTP/1.1\r\n", "Content-Length: 0\r\n"];
    check(json!({"method": "POST", "path": "/h"}), &post, "close\r\nContent-Type").await;
    let headers = json!({"Connection": "Upgrade", "Accept": "x", "X": "${id}"});
    let body = ["Connection: Upgrade\r\nContent-Length: 4\r\nAccept: x\r\nX: abc\r\n\r\n{abc"];
    check(json!({"path": "/h", "headers": headers, "body": {"text": "{${id}"}}), &body, "close").await;
}

#[test]
fn bodies_are_shown_as_what_they_are() {
    let mut names = Names::default();
    names.save("id", "abc".to_owned());
    for (body, shown) in [
        (&b"{\"id\":\"abc\"}"[..], json!({"json": {"id": "${id}"}})),
        (b"[1]", json!({"json": [1]})),
        (b"[1", json!({"text": "[1"})),
        (b" {}", json!({"text": " {}"})),
        (b"{}\x1e", json!({"text": "{}\u{1e}"})),
        (b"", json!({"text": ""})),
        (b"\x00\xff", json!({"hex": "00ff"})),
        (b"a\x01", json!({"hex": "6101"})),
    ] {
        assert_eq!(show_body(body, &names), shown);
    }
}

#[test]
fn answers_get_names_before_they_are_shown() {
    let head = Head { status: 200, headers: BTreeMap::new() };
    let response = Response { head, body: br#"{"connectionId":"abc","n":7.5}"#.to_vec() };
    let save = [("id", "connectionId"), ("number", "n"), ("none", "x")];
    let save = save.map(|(name, key)| (name.to_owned(), key.to_owned())).into();
    let mut names = Names::default();
    let seen = response.show(&save, &mut names);
    assert_eq!(seen["body"], json!({"text": r#"{"connectionId":"${id}","n":${number}}"#}));
    assert_eq!(names.expand("${id} ${number} ${none}|"), "abc 7.5 |");
}
