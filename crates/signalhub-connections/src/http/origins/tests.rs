use http::Request;

use super::*;
use crate::request::forwarded::Scheme;

fn head(method: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri("/hub").header("host", "app.example.com:3000");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut head = request.body(()).unwrap().into_parts().0;
    head.extensions.insert(Site::new(Scheme::Http, None));
    head
}

fn granted(origins: &Origins, head: &Parts) -> bool {
    match origins.check(head, || false) {
        OriginCheck::Accepted(cors) => cors.origin.is_some(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_are_allowed_by_scheme_host_and_port() {
    let same = Origins::same();
    let listed = Origins::same().allow("https://Shop.example.com:443").unwrap().allow("http://[::2]:81").unwrap();
    let development = Origins::same().allow_loopback();
    for (origins, origin, expected) in [
        (&same, "http://app.example.com:3000", true),
        (&same, "HTTP://APP.example.com:3000", true),
        (&same, "https://app.example.com:3000", false),
        (&same, "http://app.example.com", false),
        (&same, "http://app.example.com:3000.evil.com", false),
        (&same, "http://app.example.com:3000/", false),
        (&same, "http://user@app.example.com:3000", false),
        (&same, "http://localhost:3000", false),
        (&same, "null", false),
        (&same, "", false),
        (&same, "file://", false),
        (&listed, "https://shop.example.com", true),
        (&listed, "http://shop.example.com", false),
        (&listed, "https://a.shop.example.com", false),
        (&listed, "http://[::2]:81", true),
        (&listed, "http://app.example.com:3000", true),
        (&development, "http://localhost:5173", true),
        (&development, "https://localhost", true),
        (&development, "http://127.0.0.1:1", true),
        (&development, "http://[::1]:8080", true),
        (&development, "http://localhost.evil.com", false),
        (&development, "http://127.0.0.1.evil.com", false),
        (&development, "http://10.0.0.1", false),
        (&development, "evil://localhost", false),
    ] {
        assert_eq!(granted(origins, &head("POST", &[("origin", origin)])), expected, "{origin} at {origins:?}");
    }
    let twice = [("origin", "http://app.example.com:3000"), ("origin", "http://app.example.com:3000")];
    assert!(!granted(&same, &head("POST", &twice)), "two origins are none");
}

#[test]
fn pages_of_applications_and_without_an_origin_can_be_allowed() {
    let allowed = ["capacitor://localhost", "file://", "null", "app://.", "chrome-extension://abcdef"];
    let all = allowed.iter().fold(Origins::same(), |origins, origin| origins.allow(origin).unwrap());
    for origin in allowed {
        let one = Origins::same().allow(origin).unwrap();
        for claimed in allowed {
            assert_eq!(
                granted(&one, &head("POST", &[("origin", claimed)])),
                claimed == origin,
                "{claimed} for {origin}"
            );
        }
        assert!(granted(&all, &head("POST", &[("origin", origin)])));
        assert!(!granted(&Origins::same().allow_loopback(), &head("POST", &[("origin", origin)])), "{origin}");
    }
    for claimed in
        ["Null", "file:///", "file://host", "capacitor://localhost:1", "http://localhost", "app://", "x://localhost"]
    {
        assert!(!granted(&all, &head("POST", &[("origin", claimed)])), "{claimed}");
    }
    assert!(granted(&all, &head("POST", &[("origin", "Capacitor://LocalHost")])));
}

#[test]
fn the_origin_of_a_request_with_a_valid_token_is_not_checked() {
    let upgrade = [
        ("origin", "https://evil.example"),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ];
    let head = head("GET", &upgrade);
    assert!(matches!(Origins::same().check(&head, || false), OriginCheck::Foreign(_)));
    let OriginCheck::Accepted(cors) = Origins::same().check(&head, || true) else { panic!("it passes") };
    assert_eq!((cors.origin, cors.foreign), (None, None), "and still no page is let see the answer");
}

#[test]
fn the_site_is_the_one_that_a_proxy_names() {
    let mut forwarded = head("POST", &[("origin", "https://public.example.com")]);
    assert!(!granted(&Origins::same(), &forwarded));
    forwarded.extensions.insert(Site::new(Scheme::Https, Some("public.example.com".into())));
    assert!(granted(&Origins::same(), &forwarded));
    let mut unknown = head("POST", &[("origin", "https://app.example.com:3000")]);
    unknown.extensions.remove::<Site>();
    assert!(granted(&Origins::same(), &unknown), "without a known scheme the host decides");
}

#[test]
fn texts_that_are_no_origin_are_refused() {
    for text in [
        "*",
        "NULL",
        "",
        "example.com",
        "file:///",
        "app://*",
        "app://a,b",
        "app://a/b",
        "https://",
        "https://a/",
        "https://a?b",
        "https://*.a",
        "https://a:x",
    ] {
        let error = Origins::same().allow(text).unwrap_err();
        assert!(error.to_string().contains(&format!("'{text}'")), "{error}");
    }
}

#[test]
fn preflights_are_answered_whatever_the_origin() {
    let asked = [("origin", "http://a.com"), ("access-control-request-method", "POST")];
    let OriginCheck::Preflight(response) =
        Origins::same().allow("http://a.com").unwrap().check(&head("OPTIONS", &asked), || false)
    else {
        panic!("no preflight")
    };
    assert_eq!(response.status(), 204);
    for (name, value) in [
        ("access-control-allow-origin", "http://a.com"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "authorization,content-type,x-requested-with,x-signalr-user-agent"),
        ("access-control-max-age", "7200"),
        ("vary", "Origin"),
    ] {
        assert_eq!(response.headers().get(name).unwrap(), value, "{name}");
    }
    let OriginCheck::Foreign(response) = Origins::same().check(&head("OPTIONS", &asked), || false) else {
        panic!("no refusal")
    };
    assert_eq!((response.status().as_u16(), response.headers().len()), (204, 1), "{response:?}");
    let plain = head("OPTIONS", &[("origin", "http://a.com")]);
    assert!(
        matches!(Origins::same().check(&plain, || false), OriginCheck::Accepted(_)),
        "no preflight without its header"
    );
}
