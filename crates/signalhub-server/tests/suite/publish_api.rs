//! The publish API over a real socket, row by row.

use crate::common::{KEY, Running, configuration, send};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CHANGED: &str = r#"{"u":{"u":"999","d":"BackOffice"},"n":"tickets","a":1,"i":{"i":"x","n":"tickets","v":7}}"#;

const EVENTS: &str = "[events]\nwith_resources = [\"shop.changed\"]\nwithout_resources = [\"shop.opened\"]";

async fn check(node: &Running, body: &str, verdict: &str, detail: &str) {
    let answer = node.publish(body).await;
    assert_eq!(answer.verdict(), verdict, "{body}: {:?}", answer.body);
    assert!(answer.body["detail"].as_str().unwrap_or_default().contains(detail), "{body}: {:?}", answer.body);
    let content_type = if verdict == "202 -" { "application/json" } else { "application/problem+json" };
    assert_eq!(answer.header("content-type"), content_type);
}

#[tokio::test]
async fn a_receipt_says_what_became_of_a_notification() {
    let node = Running::start(configuration("")).await;
    let receipt = node.publish(&format!(r#"{{"e":"portos.resources.changed","p":{CHANGED},"ea":null}}"#)).await;
    assert_eq!(receipt.status, 202, "{:?}", receipt.body);
    let receipt = receipt.body.as_object().unwrap();
    let position = receipt["position"].as_str().unwrap();
    let (epoch, offset) = position.split_once(':').unwrap();
    assert_eq!((epoch.len(), offset), (16, "1"));
    assert!(!receipt["id"].as_str().unwrap().is_empty());
    assert_eq!((receipt["matched"].as_u64(), receipt["duplicate"].as_bool()), (Some(0), Some(false)));
    node.stop().await;
}

#[tokio::test]
async fn a_notification_is_taken_or_refused_for_a_reason() {
    let node = Running::start(configuration(EVENTS)).await;
    let changed = |member: &str| format!(r#"{{"e":"portos.resources.changed","p":{CHANGED}{member}}}"#);
    let shop = |payload: &str| format!(r#"{{"e":"shop.changed","p":{payload}}}"#);
    let opened = |members: &str| format!(r#"{{"e":"shop.opened","p":1{members}}}"#);
    let with_resource = |member: &str| changed("").replacen(r#""a":1"#, &format!(r#""a":1,{member}"#), 1);
    let licence = |payload: &str| format!(r#"{{"e":"portos.licence.activated","p":{payload}}}"#);
    let deep = |levels: usize| format!(r#"{{"e":"shop.opened","p":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let rows: &[(String, &str, &str)] = &[
        (changed(""), "202 -", ""),
        (changed(r#","ea":"2030-01-01T00:00:00+01:00","org":"shop""#), "202 -", ""),
        (changed(r#","s":{"c":"me","u":{"u":"1","d":"2","f":"3"}}"#), "202 -", ""),
        (changed(r#","s":{},"org":null"#), "202 -", ""),
        (r#"{"e":"portos.licence.activated","p":{"shopId":1}}"#.to_owned(), "202 -", ""),
        (shop(r#"{"n":"tickets","a":3,"x":[1.50]}"#), "202 -", ""),
        (opened(""), "202 -", ""),
        (deep(61), "202 -", ""),
        (String::new(), "400 invalid_json", "EOF"),
        ("{\"e\":".to_owned(), "400 invalid_json", "line 1"),
        ("{} {}".to_owned(), "400 invalid_json", "trailing"),
        (format!("\u{feff}{}", opened("")), "400 invalid_json", "begins with the byte order mark of UTF-8"),
        ("17".to_owned(), "400 invalid_notification", "found a number"),
        ("{}".to_owned(), "400 missing_member", "e: expected the name of an event"),
        (r#"{"e":"shop.opened"}"#.to_owned(), "400 missing_member", "p: expected the payload"),
        (r#"{"e":7,"p":1}"#.to_owned(), "400 invalid_member", "e: expected the name of an event, found a number"),
        (r#"{"e":"","p":1}"#.to_owned(), "400 invalid_member", "found an empty string"),
        (r#"{"e":"\ud800","p":1}"#.to_owned(), "400 invalid_member", "found a string with half a surrogate pair"),
        (
            r#"{"e":"shop.opened","p":1,"\ud800":1}"#.to_owned(),
            "400 invalid_member",
            "the name of a member cannot be read",
        ),
        (opened(r#","org":"\ud800""#), "400 invalid_member", "org: expected"),
        (opened(r#","s":{"c":"\udc00"}"#), "400 invalid_member", "s.c: expected"),
        (r#"{"e":"un.declared","p":1}"#.to_owned(), "400 unknown_event", "portos.licence.activated"),
        (opened(r#","ea":"tomorrow""#), "400 invalid_member", "ea: expected a time such as"),
        (opened(r#","ea":5"#), "400 invalid_member", "found a number"),
        (opened(r#","org":["a"]"#), "400 invalid_member", "org: expected the name of an organisation or null"),
        (opened(r#","org":"""#), "400 invalid_member", "found an empty string"),
        (opened(r#","ca":null"#), "400 unknown_member", "\"ca\": expected e, p, ea, org or s"),
        (opened(r#","s":7"#), "400 invalid_member", "s: expected an object, found a number"),
        (opened(r#","s":{"u":{"u":"1"}}"#), "400 missing_member", "s.u.d: expected the name of a device"),
        (opened(r#","s":{"x":1}"#), "400 unknown_member", "\"s.x\": expected c or u"),
        (r#"{"e":"portos.resources.changed","p":{"n":"tickets"}}"#.to_owned(), "400 invalid_payload", "p.u: expected"),
        (r#"{"e":"portos.licence.activated","p":[]}"#.to_owned(), "400 invalid_payload", "a licence object"),
        (shop("1"), "400 invalid_payload", "p: expected an object, found a number"),
        (shop(r#"{"a":1}"#), "400 invalid_payload", "p.n: expected the name of a resource, found nothing"),
        (shop(r#"{"n":"x","a":4}"#), "400 invalid_payload", "p.a: expected 1 (created)"),
        (shop(r#"{"n":"x","a":"1"}"#), "400 invalid_payload", "found a string"),
        (deep(62), "400 invalid_payload", "p: expected no more than 61 levels"),
        (
            format!("{{\"e\":\"{}\",\"p\":1}}", "x".repeat(257)),
            "400 invalid_member",
            "e: a name may have 256 bytes, found 257",
        ),
        (format!("{{\"e\":\"{}\",\"p\":1}}", "x".repeat(256)), "400 unknown_event", "e: unknown event"),
        (opened(&format!(",\"org\":\"{}\"", "x".repeat(257))), "400 invalid_member", "org: a name may have 256 bytes"),
        (opened(&format!(",\"org\":\"{}\"", "x".repeat(256))), "202 -", ""),
        (
            shop(&format!("{{\"n\":\"{}\",\"a\":1}}", "x".repeat(257))),
            "400 invalid_payload",
            "p.n: a name may have 256 bytes",
        ),
        (shop(&format!("{{\"n\":\"{}\",\"a\":1}}", "x".repeat(256))), "202 -", ""),
        (
            changed("").replacen("\"n\":\"tickets\"", &format!("\"n\":\"{}\"", "x".repeat(257)), 1),
            "400 invalid_payload",
            "p.n: a name",
        ),
        (shop(r#"{"n":"\udc00","a":1}"#), "400 invalid_payload", "found a string with half a surrogate pair"),
        (shop(r#"{"n":"x","a":1,"\ud800":1}"#), "400 invalid_payload", "the name of a member cannot be read"),
        (shop(r#"{"n":"x","a":1,"b":["\ud83d "]}"#), "400 invalid_payload", "p: a string has half a surrogate pair"),
        (changed(r#","s":{"c":"\ud83d\ude00"}"#), "202 -", ""),
        (with_resource(r#""r":[{"note":"\ud83d"}]"#), "400 invalid_payload", "half a surrogate pair"),
        (with_resource(r#""r":[{"weight":1e400}]"#), "400 invalid_payload", "p: a number is not finite"),
        (licence(r#"{"note":"\ud83d\ud83d\ude00"}"#), "400 invalid_payload", "half a surrogate pair"),
        (licence(r#"{"note":"\ud83d\ude00","a":[1e308,-0,100000000000000000000],"a":0.10}"#), "202 -", ""),
        (licence(r#"{"a":{"__proto__":{}}}"#), "400 invalid_payload", "p: a member is named __proto__"),
        (licence(r#"{"a":-1E+309}"#), "400 invalid_payload", "beyond the range of a double"),
        (licence(&format!("{{\"a\":{}}}", "9".repeat(400))), "400 invalid_payload", "beyond the range of a double"),
    ];
    for (body, verdict, detail) in rows {
        check(&node, body, verdict, detail).await;
    }
    node.stop().await;
}

#[tokio::test]
async fn undeclared_events_are_taken_where_that_is_allowed() {
    let node = Running::start(configuration("[events]\nallow_unknown = true")).await;
    let long = format!("{{\"n\":\"{}\",\"a\":1}}", "x".repeat(257));
    for payload in ["null", "1", r#"{"n":"tickets","a":2}"#, r#"{"n":5}"#, &long] {
        check(&node, &format!(r#"{{"e":"any.thing","p":{payload}}}"#), "202 -", "").await;
    }
    node.stop().await;
}

#[tokio::test]
async fn requests_are_judged_before_their_bodies() {
    let node = Running::start(configuration("")).await;
    let rows = [
        ("GET", "/api/v1/publish", "", "405 method_not_allowed", "POST"),
        ("POST", "/api/v1/publish/", "", "404 not_found", ""),
        ("GET", "/", "", "404 not_found", ""),
        ("GET", "/health", "", "200 -", ""),
        ("POST", "/health", "", "405 method_not_allowed", "GET, HEAD"),
        ("POST", "/api/v1/publish", "", "202 -", ""),
        ("POST", "/api/v1/publish", "application/json; charset=utf-8", "202 -", ""),
        ("POST", "/api/v1/publish", "Application/JSON", "202 -", ""),
        ("POST", "/api/v1/publish", "application/x-www-form-urlencoded", "415 unsupported_media_type", ""),
        ("POST", "/api/v1/publish", "text/json", "415 unsupported_media_type", ""),
        ("POST", "/api/v1/publish", "application/cloudevents+json", "400 missing_member", ""),
        ("GET", "/openapi.json", "", "200 -", ""),
        ("POST", "/openapi.json", "", "405 method_not_allowed", "GET, HEAD"),
        ("GET", "/health/live", "", "404 not_found", ""),
        ("GET", "/health/ready", "", "404 not_found", ""),
    ];
    for (method, path, content_type, verdict, allow) in rows {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", node.url)).header("X-API-Key", KEY);
        if !content_type.is_empty() {
            request = request.header("Content-Type", content_type);
        }
        let body = r#"{"e":"portos.licence.activated","p":{}}"#;
        let answer = send(request.body(Full::from(body)).unwrap()).await;
        assert_eq!((answer.verdict().as_str(), answer.header("allow")), (verdict, allow), "{method} {path}");
        if path == "/health" && verdict == "200 -" {
            assert_eq!(answer.body["status"], "ok");
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn only_those_may_publish_who_were_allowed_to() {
    let node = Running::start(configuration("")).await;
    let covered = node.token(|token| token.publish = vec!["portos.licence.*".parse().unwrap()]);
    let uncovered = node.token(|token| token.publish = vec!["portos.resources.*".parse().unwrap()]);
    let nothing = node.token(|_| ());
    let of_shop = node.token(|token| {
        token.organisation = Some("shop".to_owned());
        token.publish = vec!["*".parse().unwrap()];
    });
    let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
    let key = |key: &str| ("x-api-key", key.to_owned());
    let rows = [
        (key(KEY), "", "202 -"),
        (key(KEY), r#","org":"shop""#, "202 -"),
        (key("a-long-key-of-the-testz"), "", "401 unauthenticated"),
        (key("a-long-key-of-the-test"), "", "401 unauthenticated"),
        (key("a-long-key-of-the-tests "), "", "202 -"),
        (key(""), "", "401 unauthenticated"),
        (("x-nothing", String::new()), "", "401 unauthenticated"),
        (bearer(&covered), "", "202 -"),
        (bearer(&covered), r#","org":"shop""#, "202 -"),
        (bearer(&uncovered), "", "403 forbidden"),
        (bearer(&nothing), "", "403 forbidden"),
        (bearer(&of_shop), r#","org":"shop""#, "202 -"),
        (bearer(&of_shop), r#","org":"other""#, "403 forbidden"),
        (bearer(&of_shop), "", "403 forbidden"),
        (bearer("no.token.atall"), "", "401 unauthenticated"),
        (bearer(&format!("{covered}x")), "", "401 unauthenticated"),
        (("authorization", "Basic YTpi".to_owned()), "", "401 unauthenticated"),
    ];
    for ((name, value), member, verdict) in rows {
        let request = Request::post(format!("{}/api/v1/publish", node.url)).header(name, &value);
        let body = format!(r#"{{"e":"portos.licence.activated","p":{{}}{member}}}"#);
        let answer = send(request.body(Full::from(body)).unwrap()).await;
        assert_eq!(answer.verdict(), verdict, "{name}: {value}: {:?}", answer.body);
        let challenge = if answer.status == 401 { "Bearer" } else { "" };
        assert_eq!(answer.header("www-authenticate"), challenge);
        assert!(value.is_empty() || !answer.body.to_string().contains(&value));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_refused() {
    let node = Running::start(configuration("")).await;
    let request = Request::post(format!("{}/api/v1/publish", node.url)).header("X-API-Key", KEY);
    let answer = send(request.body(Full::from(Bytes::from_static(b"{\"e\":\"\xff\"}"))).unwrap()).await;
    assert_eq!(answer.verdict(), "400 invalid_utf8");
    assert_eq!(answer.body["detail"], "not UTF-8 after 6 bytes");
    node.stop().await;
}

#[tokio::test]
async fn a_byte_order_mark_is_called_by_its_name() {
    let node = Running::start(configuration("")).await;
    for (mark, verdict) in [
        (&b"\xef\xbb\xbf"[..], "400 invalid_json"),
        (b"\xff\xfe", "400 invalid_utf8"),
        (b"\xfe\xff", "400 invalid_utf8"),
        (b"\xff\xfe\0\0", "400 invalid_utf8"),
    ] {
        for content_type in ["application/json", "application/cloudevents+json"] {
            let body = [mark, br#"{"e":"portos.licence.activated","p":{}}"#].concat();
            let request = Request::post(format!("{}/api/v1/publish", node.url));
            let request = request.header("X-API-Key", KEY).header("Content-Type", content_type);
            let answer = send(request.body(Full::from(body)).unwrap()).await;
            assert_eq!(answer.verdict(), verdict, "{mark:x?}");
            assert!(answer.body["detail"].as_str().unwrap().contains("byte order mark"), "{:?}", answer.body);
        }
    }
    node.stop().await;
}

#[tokio::test]
async fn an_encoded_body_is_refused_by_its_encoding() {
    let node = Running::start(configuration("")).await;
    for (coding, verdict) in [
        ("identity", "202 -"),
        ("gzip", "415 unsupported_encoding"),
        ("identity, br", "415 unsupported_encoding"),
        ("aes128gcm", "415 unsupported_encoding"),
    ] {
        let request = Request::post(format!("{}/api/v1/publish", node.url)).header("X-API-Key", KEY);
        let body = r#"{"e":"portos.licence.activated","p":{}}"#;
        let answer = send(request.header("Content-Encoding", coding).body(Full::from(body)).unwrap()).await;
        assert_eq!(answer.verdict(), verdict);
        let refused = verdict != "202 -";
        assert_eq!(answer.header("accept-encoding"), if refused { "identity" } else { "" });
        assert_eq!(refused, answer.body["detail"].as_str().is_some_and(|detail| detail.contains("Content-Encoding")));
    }
    node.stop().await;
}

#[tokio::test]
async fn a_body_may_not_be_longer_than_configured() {
    let node = Running::start(configuration("[publish]\nmaximum_body_size = \"100B\"")).await;
    let body = |length: usize| {
        let frame = r#"{"e":"portos.licence.activated","p":{}}"#;
        format!("{frame}{}", " ".repeat(length - frame.len()))
    };
    check(&node, &body(100), "202 -", "").await;
    check(&node, &body(101), "413 body_too_large", "100B").await;
    node.stop().await;
}

#[tokio::test]
async fn a_huge_body_is_refused_without_being_read() {
    let node = Running::start(configuration("[publish]\nmaximum_body_size = \"1KiB\"")).await;
    let head = format!("POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n");
    let announced = format!("{head}Expect: 100-continue\r\nContent-Length: 1073741824\r\n\r\n");
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
    for _ in 0..4 {
        chunked.push_str(&format!("200\r\n{}\r\n", "x".repeat(512)));
    }
    for request in [announced, chunked] {
        let mut socket = TcpStream::connect(node.url.trim_start_matches("http://")).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = vec![0; 1024];
        let length = socket.read(&mut answer).await.unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    }
    node.stop().await;
}

#[tokio::test]
async fn every_answer_has_the_id_of_its_request() {
    let node = Running::start(configuration("")).await;
    let long = "x".repeat(129);
    let rows = [
        ("/api/v1/publish", "my-id/1", true),
        ("/health", &long[..128], true),
        ("/health", &long[..], false),
        ("/openapi.json", "two words", false),
        ("/nowhere", "", false),
        ("/nowhere", "caf\u{e9}", false),
    ];
    for (path, id, kept) in rows {
        let request = Request::get(format!("{}{path}", node.url)).header("X-Request-Id", id.as_bytes());
        let answer = send(request.body(Full::default()).unwrap()).await;
        let given = answer.header("x-request-id");
        assert_eq!(given == id, kept, "{id}: {given}");
        assert!(kept || given.len() == 16 && given.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}: {given}");
    }
    node.stop().await;
}

#[tokio::test]
async fn who_publishes_too_much_is_told_when_to_go_on() {
    let node = Running::start(configuration("[publish]\nrate = \"3/h\"")).await;
    let opened = r#"{"e":"portos.licence.activated","p":{}}"#;
    check(&node, opened, "202 -", "").await;
    check(&node, "{", "400 invalid_json", "").await;
    let batch = node.publish(&format!("[{opened},{opened}]")).await;
    assert_eq!(batch.verdict(), "429 rate_limited", "{:?}", batch.body);
    check(&node, opened, "429 rate_limited", "expected no more than 3/h (publish.rate)").await;
    let answer = node.publish(opened).await;
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1190..=1200).contains(&seconds), "{seconds}");
    // Another publisher has an allowance of its own.
    let token = node.token(|token| token.publish = vec!["*".parse().unwrap()]);
    let request =
        Request::post(format!("{}/api/v1/publish", node.url)).header("authorization", format!("Bearer {token}"));
    assert_eq!(send(request.body(Full::from(opened)).unwrap()).await.verdict(), "202 -");
    assert_eq!(node.counts.refusals().publishes.rate_limited, 3);
    node.stop().await;
}

/// The head of a publish request, as far as what is the same in all.
fn head() -> String {
    format!("POST /api/v1/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n")
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_for() {
    let node = Running::start(configuration("[publish]\nbody_timeout = \"50ms\"")).await;
    let rows = [
        ("Content-Length: 100\r\n\r\n{", false, "HTTP/1.1 408 ", "body_timeout", "within 50ms (publish.body_timeout)"),
        ("Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", false, "HTTP/1.1 408 ", "body_timeout", "within 50ms"),
        ("Content-Length: 100\r\n\r\n{", true, "HTTP/1.1 400 ", "incomplete_body", ""),
        ("Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", true, "HTTP/1.1 400 ", "incomplete_body", ""),
        ("Transfer-Encoding: chunked\r\n\r\nz\r\n", false, "HTTP/1.1 400 ", "incomplete_body", ""),
    ];
    for (rest, ends, status, code, detail) in rows {
        let mut socket = TcpStream::connect(node.url.trim_start_matches("http://")).await.unwrap();
        socket.write_all(format!("{}{rest}", head()).as_bytes()).await.unwrap();
        if ends {
            socket.shutdown().await.unwrap();
        }
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(status) && answer.contains(code) && answer.contains(detail), "{rest}: {answer}");
    }
    assert_eq!(node.counts.refusals().publishes.body_timeout, 2);
    node.stop().await;
}

#[tokio::test]
async fn an_endless_batch_is_refused_at_the_limit_of_a_body() {
    let node = Running::start(configuration("[publish]\nmaximum_body_size = \"64KiB\"")).await;
    let socket = TcpStream::connect(node.url.trim_start_matches("http://")).await.unwrap();
    let (mut reading, mut writing) = socket.into_split();
    let sending = tokio::spawn(async move {
        let first = format!("{}Transfer-Encoding: chunked\r\n\r\n1\r\n[\r\n", head());
        writing.write_all(first.as_bytes()).await.unwrap();
        let items = r#"{"e":"portos.licence.activated","p":{}},"#.repeat(100);
        let chunk = format!("{:x}\r\n{items}\r\n", items.len());
        let mut sent = 0;
        // Only the server ends this.
        while writing.write_all(chunk.as_bytes()).await.is_ok() {
            sent += items.len();
        }
        sent
    });
    let mut answer = vec![0; 1024];
    let length = reading.read(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("body_too_large"), "{answer}");
    let sent = sending.await.unwrap();
    // What is read and forgotten for the sake of the answer has a bound, and the system buffers some more.
    assert!(sent < 64 << 20, "{sent}");
    assert_eq!(node.counts.refusals().publishes.too_large, 1);
    node.stop().await;
}
