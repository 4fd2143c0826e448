//! What an application adds to the answers of a server: headers, and pages of its own.

use crate::support::*;
use signalhub_connections::*;

/// Adds a cookie that depends on the request, and what an endpoint must not let through.
fn add(request: &RequestHead, headers: &mut HeaderMap) {
    headers.insert("x-frame-options", HeaderValue::from_static("DENY"));
    for cookie in ["a=1", "b=2"] {
        headers.append("set-cookie", HeaderValue::from_static(cookie));
    }
    if let Some(tag) = request.headers.get("x-tag") {
        headers.insert("x-tag", tag.clone());
    }
    headers.insert("vary", HeaderValue::from_static("Cookie"));
    for name in ["content-type", "content-length", "connection", "transfer-encoding", "upgrade", "cache-control"] {
        headers.insert(name, HeaderValue::from_static("7"));
    }
    headers.insert("sec-websocket-protocol", HeaderValue::from_static("other"));
}

#[tokio::test]
async fn headers_are_added_to_every_answer_of_an_endpoint_and_break_none() {
    let origins = || Origins::same().allow("https://app.example.com").unwrap();
    let plain = start_with(|endpoint| endpoint, |server| server.origins(origins())).await;
    let running = start_with(|endpoint| endpoint.response_headers(add), |server| server.origins(origins())).await;
    let get = |token: &str| format!("GET /echo?id={token}");
    let upgrade: &[_] = &[
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let preflight: &[_] = &[("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "POST")];
    let page: &[_] = &[("Origin", "https://app.example.com")];
    let mut answers = Vec::new();
    for server in [&plain, &running] {
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(server.negotiate().await.1);
        }
        let mut requests = vec![
            ("POST /echo/negotiate?negotiateVersion=7".to_owned(), page, 200),
            (get(&tokens[0]), upgrade, 101),
            (get(&tokens[1]), &[("Accept", "text/event-stream")][..], 200),
            (get(&tokens[2]), &[], 200),
            (format!("POST /echo?id={}", tokens[2]), &[], 200),
            (get("unknown"), page, 404),
            ("GET /echo".to_owned(), &[], 400),
            ("PUT /echo".to_owned(), &[], 405),
            ("OPTIONS /echo".to_owned(), preflight, 204),
        ];
        let mut of_server = Vec::new();
        for (line, headers, status) in &mut requests {
            let headers = [&headers[..], &[("X-Tag", "t")]].concat();
            let answer = server.ask(line, &headers).await;
            assert_eq!(answer.status, *status, "{line}: {answer:?}");
            of_server.push((line.clone(), answer));
        }
        answers.push(of_server);
    }
    let added = ["x-frame-options: DENY", "set-cookie: a=1", "set-cookie: b=2", "x-tag: t", "vary: Cookie"];
    for ((_, plain), (line, answer)) in answers[0].iter().zip(&answers[1]) {
        let (new, own): (Vec<&str>, Vec<&str>) =
            answer.head.iter().map(String::as_str).partition(|l| added.contains(l));
        let mut new = new;
        new.sort_unstable();
        // A poll sets Cache-Control itself; elsewhere it is the application's.
        let sets_caching = plain.header("cache-control").is_some();
        let own: Vec<_> = own.into_iter().filter(|line| sets_caching || *line != "cache-control: 7").collect();
        assert_eq!(
            new,
            ["set-cookie: a=1", "set-cookie: b=2", "vary: Cookie", "x-frame-options: DENY", "x-tag: t"],
            "{line}"
        );
        assert_eq!(own, plain.head, "{line}");
    }
}

#[tokio::test]
async fn a_cookie_is_set_on_refusals_of_the_endpoint_as_well() {
    let add = |request: &RequestHead, headers: &mut HeaderMap| {
        let cookie = format!("seen={}; Path=/", request.method);
        headers.insert("set-cookie", HeaderValue::from_str(&cookie).unwrap());
    };
    let staff = Policy::new(|identity| identity.user.as_deref() == Some("ann"));
    let running = start_with(
        |endpoint| {
            let endpoint = endpoint.response_headers(add).authenticate(Named).authorize(staff);
            endpoint.origins(Origins::same())
        },
        |server| server.limits(Limits::default().pending_negotiations(0)),
    )
    .await;
    let upgrade =
        [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("user", "ann")];
    let upgrade = [&upgrade[..], &[("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]].concat();
    let foreign = [&upgrade[..], &[("Origin", "https://other.example.com")]].concat();
    let unknown = "GET /echo?id=unknown";
    for (line, headers, status) in [
        ("POST /echo/negotiate", &[][..], 401),
        (unknown, &upgrade[..3], 401),
        ("POST /echo/negotiate", &[("user", "eve")], 403),
        (unknown, &[("user", "eve"), ("Accept", "text/event-stream")], 403),
        (unknown, &foreign, 403),
        (unknown, &upgrade, 404),
        (unknown, &[("user", "ann"), ("Accept", "text/event-stream")], 404),
        (unknown, &[("user", "ann")], 404),
        ("POST /echo?id=unknown", &[("user", "ann")], 404),
        ("DELETE /echo?id=unknown", &[("user", "ann")], 404),
        ("POST /echo/negotiate", &[("user", "ann")], 503),
    ] {
        let answer = running.ask(line, headers).await;
        assert_eq!(answer.status, status, "{line}: {answer:?}");
        let method = line.split(' ').next().unwrap();
        let cookies: Vec<_> = answer.head.iter().filter(|line| line.starts_with("set-cookie")).collect();
        assert_eq!(cookies, [&format!("set-cookie: seen={method}; Path=/")], "{line}");
    }
}

#[tokio::test]
async fn pages_answer_get_and_head_of_their_path() {
    let running = start_with(
        |endpoint| endpoint,
        |server| {
            server
                .get("/health", async |_| "ok")
                .get("/Pages/one/", async |head: RequestHead| {
                    Page::html(format!("<p>{}</p>", head.uri.query().unwrap_or_default())).status(StatusCode::ACCEPTED)
                })
                .get("/data", async |_| Page::json("{}"))
                .get("/echo", async |_| "hidden by the endpoint")
        },
    )
    .await;
    for (line, status, content_type, body) in [
        ("GET /health", 200, Some("text/plain; charset=utf-8"), "ok"),
        ("GET /HEALTH/", 200, Some("text/plain; charset=utf-8"), "ok"),
        ("GET /%68ealth?x", 200, Some("text/plain; charset=utf-8"), "ok"),
        ("POST /health", 405, None, ""),
        ("GET /health/more", 404, None, ""),
        ("GET /health/negotiate", 404, None, ""),
        ("GET /pages/one?a=1", 202, Some("text/html; charset=utf-8"), "<p>a=1</p>"),
        ("GET /data", 200, Some("application/json"), "{}"),
        ("GET /echo", 400, Some("text/plain"), "Connection ID required"),
        ("GET /other", 404, None, ""),
    ] {
        let answer = running.ask(line, &[]).await;
        assert_eq!((answer.status, &*answer.body), (status, body), "{line}");
        assert_eq!(answer.header("content-type"), content_type, "{line}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("GET, HEAD"), "{line}");
    }
    let mut socket = running.open("HEAD /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    let head = closed(&mut socket).await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("content-length: 2\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn the_first_accepted_subprotocol_that_a_client_offers_is_selected() {
    let running = start_with(|endpoint| endpoint.subprotocol("access_token").subprotocol("v2"), |server| server).await;
    for (offers, selected) in [
        (&["access_token, secret"][..], Some("access_token")),
        (&["secret,access_token"], Some("access_token")),
        (&["x", "v2, access_token"], Some("v2")),
        (&["Access_Token"], None),
        (&["access", ""], None),
        (&[], None),
    ] {
        let offers: String = offers.iter().map(|offer| format!("Sec-WebSocket-Protocol: {offer}\r\n")).collect();
        let answer = answer(&mut running.open(format!("{UPGRADE}{offers}\r\n")).await).await;
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, selected), "{offers}");
    }
    let plain = start(Limits::default()).await;
    let offer = format!("{UPGRADE}Sec-WebSocket-Protocol: v2\r\n\r\n");
    assert_eq!(answer(&mut plain.open(offer).await).await.header("sec-websocket-protocol"), None);
}

/// Knows `ann`; `eve` may not connect now; tells others why.
struct InItsWords;

impl Authenticate for InItsWords {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        match request.headers.get("user").and_then(|name| name.to_str().ok()) {
            Some("ann") => Authentication::Identified(Identity::user("ann")),
            Some("eve") => {
                let page = Page::json("{\"Message\":\"busy\"}").status(StatusCode::CONFLICT);
                Authentication::Denied(Box::new(page.into()))
            }
            Some(_) => Authentication::Invalid("unknown".into()),
            None => Authentication::Missing,
        }
    }

    fn refusal(&self, request: &RequestHead) -> Option<HttpResponse<bytes::Bytes>> {
        let given = request.headers.contains_key("user");
        Some(Page::json(format!("{{\"given\":{given}}}")).into())
    }
}

#[tokio::test]
async fn an_endpoint_refuses_in_the_words_of_its_application() {
    let running = start_with(|endpoint| endpoint.authenticate(InItsWords), |server| server).await;
    for (user, status, body) in [
        (None, 401, "{\"given\":false}"),
        (Some("bob"), 401, "{\"given\":true}"),
        (Some("eve"), 409, "{\"Message\":\"busy\"}"),
    ] {
        let headers: Vec<_> = user.map(|user| ("user", user)).into_iter().collect();
        let answer = running.ask("GET /echo", &headers).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/json")), "{user:?}");
        assert_eq!(answer.body, body, "{user:?}");
    }
    assert_eq!(running.ask("GET /echo", &[("user", "ann")]).await.status, 400);
    let counts = &running.counts;
    let counted = [ClientError::MissingCredentials, ClientError::InvalidCredentials, ClientError::Forbidden];
    assert_eq!(counted.map(|error| counts.client_errors(error)), [1, 1, 1]);
}

#[tokio::test]
async fn an_endpoint_for_upgrades_only_leaves_other_requests_to_the_pages() {
    let running = start_with(
        |endpoint| endpoint.authenticate(Named).upgrades_only(),
        |server| server.get("/echo", async |_| "a page"),
    )
    .await;
    let answer = running.ask("GET /echo", &[]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "a page"));
    assert_eq!(running.ask("POST /echo/negotiate", &[("user", "ann")]).await.status, 404);
    let upgrade =
        [("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"), ("user", "ann")];
    let upgrade = [&upgrade[..], &[("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]].concat();
    assert_eq!(running.ask("GET /echo", &upgrade).await.status, 101);
    assert_eq!(running.ask("GET /echo", &upgrade[..3]).await.status, 200);
}
