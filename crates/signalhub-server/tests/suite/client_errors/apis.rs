//! Refusals of the admin API, the publish API and the dialects; and what the log says of publishes.

use super::*;

#[tokio::test]
async fn each_refusal_of_the_admin_api_is_one_line_and_one_count() {
    const TOKEN: &str = "the-token-of-the-operators-of-this-test";
    let mut server = Server::start(&[&format!("admin.token={TOKEN}")]).await;
    let authorized = format!("Authorization: Bearer {TOKEN}\r\n");
    let json = format!("{authorized}Content-Type: application/json\r\n");
    for (reason, line, host, headers, body) in [
        ("api_admin_unauthenticated", "GET /admin/api/v1/overview", "localhost", "", ""),
        ("api_admin_unauthenticated", "GET /admin/api/v1/overview", "localhost", "Authorization: Bearer x\r\n", ""),
        (
            "api_forbidden",
            "POST /admin/api/v1/drain",
            "localhost",
            &*format!("{json}Origin: http://evil.example\r\n"),
            "",
        ),
        ("api_unsupported_media_type", "POST /admin/api/v1/drain", "localhost", &authorized, ""),
        ("api_invalid_json", "PUT /admin/api/v1/log", "localhost", &json, "{"),
        ("api_invalid_member", "PUT /admin/api/v1/log", "localhost", &json, "{\"filter\":\"info\",\"for\":\"x\"}"),
        ("api_unknown_connection", "GET /admin/api/v1/connections/none", "localhost", &authorized, ""),
        ("api_method_not_allowed", "DELETE /admin/api/v1/overview", "localhost", &json, ""),
        ("api_not_found", "GET /admin/api/v1/none", "localhost", &authorized, ""),
        ("api_not_found", "GET /console/none.js", "localhost", "", ""),
        ("foreign_host", "GET /", "rebound.example", "", ""),
    ] {
        let before = server.counts().await;
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nX-Request-Id: r-4\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let _socket = Server::send_to(&server.internal, &request).await;
        assert_seen(&mut server, &before, reason, "r-4").await;
    }
}

#[tokio::test]
async fn each_refused_publish_and_reading_of_the_history_is_one_line_with_its_counts() {
    let mut server = Server::start(&["publish.maximum_body_size=1KiB", "publish.maximum_batch_size=1"]).await;
    let mut limited = Server::start(&["publish.rate=1/h"]).await;
    let key = format!("X-API-Key: {KEY}\r\n");
    let json = format!("{key}Content-Type: application/json\r\n");
    let (publish, history) = ("POST /api/v1/publish", "GET /api/v1/history");
    let event = "{\"e\":\"portos.licence.activated\",\"p\":{}}";
    let request = |line: &str, headers: &str, body: &str| {
        let length = body.len();
        format!("{line} HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-5\r\n{headers}Content-Length: {length}\r\n\r\n{body}")
    };
    for (reason, others, line, headers, body) in [
        ("api_unauthenticated", &[][..], history, "", ""),
        ("api_invalid_parameter", &[], &*format!("{history}?none=1"), &*key, ""),
        ("api_invalid_position", &[], &format!("{history}?event=portos.licence.activated&since=none"), &key, ""),
        ("api_unsupported_media_type", &[], publish, &format!("{key}Content-Type: text/xml\r\n"), "{}"),
        ("api_body_too_large", &["publish_size"], publish, &json, &"x".repeat(2000)),
        ("api_batch_too_large", &["publish_size"], publish, &json, &format!("[{event},{event}]")),
    ] {
        let before = server.counts().await;
        let _socket = server.send(&request(line, headers, body)).await;
        assert_counted(&mut server, &before, reason, "r-5", others).await;
    }
    // The first is published, and leaves no line with a reason.
    let mut first = limited.send(&request(publish, &json, event)).await;
    assert_eq!(first.read_u8().await.unwrap(), b'H');
    for line in [publish, history] {
        let before = limited.counts().await;
        let _socket = limited.send(&request(line, &json, event)).await;
        assert_counted(&mut limited, &before, "api_rate_limited", "r-5", &["publish_rate"]).await;
    }
}

#[tokio::test]
async fn each_refusal_of_a_dialect_is_one_line_and_one_count() {
    const SMC_KEY: &str = "an-api-key-of-a-client-of-smc";
    let files = Files::new();
    let keys = format!("dialects.printfactory.keys={}", files.path("keys.json"));
    let mut generate = Command::new(env!("CARGO_BIN_EXE_signalhub"));
    generate.args(["--set", &keys, "miskey", "generate", "--org", "acme", "--user", "mis"]).env_clear();
    let generated = generate.current_dir(files.folder()).output().await.unwrap();
    assert!(generated.status.success(), "{}", String::from_utf8_lossy(&generated.stderr));
    let key = format!("MISKEY: {}\r\n", String::from_utf8(generated.stdout).unwrap().trim());
    let smc = format!(
        "[dialects.smc]\nlisten = \"127.0.0.1:0\"\n[[dialects.smc.accounts]]\nname = \"a\"\nkey = \"{SMC_KEY}\"\n"
    );
    let printfactory =
        format!("[dialects.printfactory]\nlisten = \"127.0.0.1:0\"\nkeys = \"{}\"\n", files.path("keys.json"));
    files.write("signalhub.toml", smc + &printfactory);
    let mut server = Server::start_with(Some(&files.path("signalhub.toml")), &[]).await;
    for (reason, dialect, line, headers, body) in [
        ("invalid_credentials", "smc", "POST /7.2/login", "", "{\"authenticationkey\":\"wrong\"}"),
        ("missing_credentials", "smc", "GET /7.2/current_user", "", ""),
        ("broken_body", "smc", "POST /7.2/login", "", "{"),
        ("method_not_allowed", "smc", "GET /7.2/login", "", ""),
        ("unknown_path", "smc", "GET /7.2/none", "", ""),
        ("body_size", "smc", "POST /7.2/login", "", &*"x".repeat(70_000)),
        ("missing_credentials", "printfactory", "POST /api/v2/job/status", "", "{}"),
        ("invalid_credentials", "printfactory", "POST /api/v2/job/status", "MISKEY: wrong\r\n", "{}"),
        ("invalid_body", "printfactory", "POST /api/v2/job/status", &key, "{"),
        ("method_not_allowed", "printfactory", "GET /api/v2/job/status", &key, ""),
        ("unknown_path", "printfactory", "POST /none", "", "{}"),
    ] {
        let before = server.counts().await;
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: r-6\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        );
        let _socket = Server::send_to(&server.dialects[dialect], &request).await;
        assert_seen(&mut server, &before, reason, "r-6").await;
    }
}

#[tokio::test]
async fn the_lines_of_a_publish_name_its_trace() {
    const OF_REQUEST: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const OF_ITEM: &str = "0af7651916cd43dd8448eb211c80319c";
    let header = |id: &str| format!("00-{id}-00f067aa0ba902b7-01");
    let body = r#"{"e":"portos.licence.activated","p":{}}"#;
    let event = |id: u32, member: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"/test","type":"portos.licence.activated","data":{{}}{member}}}"#
        )
    };
    let own = format!(r#","traceparent":"{}""#, header(OF_ITEM));
    let mut server = Server::start(&[]).await;
    for (media, traceparent, body, expected) in [
        ("json", &*header(OF_REQUEST), body.to_owned(), Some(OF_REQUEST)),
        ("json", "", body.to_owned(), None),
        ("json", "00-zz-zz-00", body.to_owned(), None),
        ("json", &format!("{},{}", header(OF_REQUEST), header(OF_REQUEST)), body.to_owned(), None),
        ("json", &header(OF_REQUEST), "{".to_owned(), Some(OF_REQUEST)),
        ("cloudevents+json", &header(OF_REQUEST), event(1, ""), Some(OF_REQUEST)),
        ("cloudevents+json", &header(OF_REQUEST), event(2, &own), Some(OF_ITEM)),
        ("cloudevents+json", "", event(3, &own), Some(OF_ITEM)),
        ("cloudevents+json", &header(OF_REQUEST), event(4, r#","traceparent":7"#), Some(OF_REQUEST)),
        ("cloudevents-batch+json", &header(OF_REQUEST), format!("[{}]", event(5, &own)), Some(OF_ITEM)),
    ] {
        let request = Request::post(format!("http://{}/api/v1/publish", server.address)).header("X-API-Key", KEY);
        let request = request.header("Content-Type", format!("application/{media}")).header("traceparent", traceparent);
        send(request.body(Full::from(body.clone())).unwrap()).await;
        let line = loop {
            let line = server.log.next_line().await.unwrap().unwrap();
            if line.contains("an event was published") || line.contains("was refused") {
                break line;
            }
        };
        let last = line.rsplit_once("trace_id=").map(|(_, rest)| rest.chars().take(32).collect::<String>());
        assert_eq!(last.as_deref(), expected, "{body}: {line}");
    }
}

#[tokio::test]
async fn a_publish_is_a_line_with_the_id_of_its_request() {
    let mut server = Server::start(&[]).await;
    let body = "{\"e\":\"portos.licence.activated\",\"p\":{}}";
    for (body, expected) in
        [(body.to_owned(), "an event was published"), (format!("[{body}]"), "a batch was published")]
    {
        let request = Request::post(format!("http://{}/api/v1/publish", server.address));
        let request = request.header("X-API-Key", KEY).header("X-Request-Id", "p-1");
        send(request.header("Content-Type", "application/json").body(Full::from(body)).unwrap()).await;
        let line = loop {
            let line = server.log.next_line().await.unwrap().unwrap();
            assert!(line.contains("request_id=p-1") && line.contains("matched=0"), "{line}");
            if line.contains(expected) {
                break line;
            }
            assert!(line.contains("event=\"portos.licence.activated\""), "{line}");
        };
        assert!(line.contains("DEBUG"), "{line}");
    }
}
