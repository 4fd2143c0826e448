//! Web pages of the same and of other origins, over real sockets.

use std::sync::Arc;

use crate::support::*;
use http::{Request, Response};
use signalhub_connections::*;

const SECRET: &[u8] = b"a secret of thirty-two bytes ...";
const HOME: &str = "https://app.example.com";
const EVIL: &str = "https://evil.example.com";

struct Page;

impl Respond for Page {
    fn respond(self: Arc<Self>, _: Request<RequestBody>) -> BoxFuture<Response<Body>> {
        Box::pin(async { Response::new(Body::from("page")) })
    }
}

fn home() -> Origins {
    Origins::same().allow(HOME).unwrap()
}

async fn closed_shop(configure: impl FnOnce(Server) -> Server) -> Running {
    let endpoint = |endpoint: Endpoint| endpoint.authenticate(BearerToken::hs256(SECRET)).refresh_route();
    start_with(endpoint, |server| configure(server.otherwise(Page))).await
}

/// What a browser needs to see in the answer to a request of a page.
fn granted(answer: &Answer) -> Option<&str> {
    assert_eq!(answer.header("vary"), Some("Origin"));
    let origin = answer.header("access-control-allow-origin");
    assert_eq!(origin.is_some(), answer.header("access-control-allow-credentials") == Some("true"));
    origin
}

#[tokio::test]
async fn preflights_are_answered_before_authentication_on_every_path() {
    let running = closed_shop(|server| server.origins(home())).await;
    for path in ["/echo", "/echo/negotiate", "/echo?id=unknown", "/echo/refresh?id=unknown", "/other"] {
        let asked =
            [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization,x-a")];
        let allowed = running.ask(&format!("OPTIONS {path}"), &[&asked[..], &[("Origin", HOME)]].concat()).await;
        assert_eq!((allowed.status, granted(&allowed)), (204, Some(HOME)), "{path}");
        assert_eq!(allowed.header("access-control-allow-headers"), Some("authorization,x-a"));
        assert_eq!(allowed.header("access-control-allow-methods"), Some("POST"));
        let foreign = running.ask(&format!("OPTIONS {path}"), &[&asked[..], &[("Origin", EVIL)]].concat()).await;
        assert_eq!((foreign.status, granted(&foreign)), (204, None), "{path}");
        assert_eq!(foreign.header("access-control-allow-methods"), None);
    }
}

#[tokio::test]
async fn pages_see_responses_when_their_origin_is_allowed() {
    let running = closed_shop(|server| server.origins(home())).await;
    for (line, status) in
        [("POST /echo/negotiate", 401), ("GET /echo?id=a", 401), ("OPTIONS /echo", 401), ("GET /", 200)]
    {
        for (origin, expected) in [(HOME, Some(HOME)), (EVIL, None), ("http://h", Some("http://h")), ("null", None)] {
            let answer = running.ask(line, &[("Origin", origin)]).await;
            assert_eq!((answer.status, granted(&answer)), (status, expected), "{line} from {origin}");
        }
        assert_eq!(granted(&running.ask(line, &[]).await), None, "{line} from nowhere");
    }
}

#[tokio::test]
async fn without_origins_there_are_no_cors_headers() {
    let running = closed_shop(|server| server).await;
    let asked = [("Origin", EVIL), ("Access-Control-Request-Method", "POST")];
    let answer = running.ask("OPTIONS /echo", &asked).await;
    assert_eq!((answer.status, answer.header("vary"), answer.header("access-control-allow-origin")), (401, None, None));
    let open = start(Limits::default()).await;
    assert_eq!(open.ask("OPTIONS /echo", &asked).await.status, 405);
    let upgrade = format!("{UPGRADE}Origin: {EVIL}\r\n\r\n");
    assert_eq!(crate::support::answer(&mut open.open(upgrade).await).await.status, 101);
}

#[tokio::test]
async fn pages_of_another_origin_open_no_web_sockets() {
    let running = start_with(|endpoint| endpoint.origins(home().allow_loopback()), |server| server).await;
    for (origin, expected) in [
        (Some(EVIL), 403),
        (Some("null"), 403),
        (Some("http://h.evil.com"), 403),
        (Some(HOME), 101),
        (Some("http://h"), 101),
        (Some("http://localhost:5173"), 101),
        (None, 101),
    ] {
        let line = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
        let answer = answer(&mut running.open(format!("{UPGRADE}{line}\r\n")).await).await;
        assert_eq!(answer.status, expected, "{origin:?}");
    }
    let accept = format!("{UPGRADE}Accept: text/event-stream\r\nOrigin: {EVIL}\r\n\r\n");
    assert_eq!(answer(&mut running.open(accept).await).await.status, 403);
    assert_eq!(running.counts.refusals().foreign_origins, 4);
    running.quiet().await;
}

/// Accepts the credential `good` in any place: as a token, a password, a cookie or in the query.
struct AnyWay;

impl Authenticate for AnyWay {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        let mut headers = request.headers.values().filter_map(|value| value.to_str().ok());
        let is_good = headers.any(|text| text.ends_with("good"))
            || request.uri.query().is_some_and(|text| text.ends_with("good"));
        if is_good { Authentication::Identified(Identity::user("ann")) } else { Authentication::Missing }
    }
}

#[tokio::test]
async fn only_a_valid_bearer_token_in_the_header_replaces_the_check_of_the_origin() {
    let endpoint = |endpoint: Endpoint| endpoint.authenticate(AnyWay).origins(home());
    let running = start_with(endpoint, |server| server).await;
    for (query, header, expected) in [
        ("", "Authorization: Bearer good", 101),
        ("", "Authorization: bearer good", 101),
        ("", "Authorization: Bearer bad", 403),
        ("", "Authorization: Bearer bad\r\nCookie: user=good", 403),
        // Browsers send these by themselves.
        ("", "Authorization: Basic good", 403),
        ("", "Authorization: Negotiate good", 403),
        ("", "Cookie: user=good", 403),
        ("?access_token=good", "Authorization: Bearer bad", 403),
        ("?access_token=good", "Accept: */*", 403),
    ] {
        for origin in [EVIL, "null", "wss://h", "h:80", "%"] {
            let request =
                format!("{UPGRADE}{header}\r\nOrigin: {origin}\r\n\r\n").replace("/echo", &format!("/echo{query}"));
            let answer = answer(&mut running.open(request).await).await;
            assert_eq!(answer.status, expected, "{origin} with {header} {query}");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    running.quiet().await;
}

#[tokio::test]
async fn the_same_origin_is_the_one_that_a_trusted_proxy_names() {
    let proxied = [("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "public.example.com")];
    let request = [&proxied[..], &[("Origin", "https://public.example.com")]].concat();
    for (proxies, expected) in [
        (TrustedProxies::none().trust("127.0.0.0/8").unwrap(), Some("https://public.example.com")),
        (TrustedProxies::none().trust("10.0.0.1").unwrap(), None),
    ] {
        let running =
            start_with(|endpoint| endpoint, |server| server.origins(Origins::same()).trusted_proxies(proxies)).await;
        assert_eq!(granted(&running.ask("POST /echo/negotiate", &request).await), expected);
    }
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_counted_apart() {
    let limits = Limits::default().connections_per_address(1);
    let proxies = TrustedProxies::none().trust("127.0.0.1").unwrap();
    let running = start_with(|endpoint| endpoint, |server| server.limits(limits).trusted_proxies(proxies)).await;
    for (client, expected) in [("1.1.1.1", 200), ("1.1.1.1", 429), ("9.9.9.9, 1.1.1.1", 429), ("2.2.2.2", 200)] {
        let answer = running.ask("POST /echo/negotiate", &[("X-Forwarded-For", client)]).await;
        assert_eq!(answer.status, expected, "{client}");
    }
    assert_eq!(running.counts.refusals().per_address, 2);
}
