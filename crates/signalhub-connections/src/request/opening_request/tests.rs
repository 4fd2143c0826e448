use http::header::HeaderValue;

use super::OpeningRequest;

fn request(target: &str, headers: &[(&str, &[u8])]) -> OpeningRequest {
    let mut request = http::Request::get(target);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value).unwrap());
    }
    OpeningRequest::new(&request.body(()).unwrap().into_parts().0)
}

#[test]
fn the_parts_of_a_request_are_read_back() {
    let headers: &[(&str, &[u8])] = &[
        ("Origin", b"https://a.example:8443"),
        ("X-Tag", b"one"),
        ("X-Tag", b"two"),
        ("X-Empty", b""),
        ("X-Latin", b"caf\xe9"),
    ];
    let request = request("/a/b?Tenant=x%2Fy&empty=&tenant=z", headers);
    assert_eq!(request.path(), "/a/b");
    assert_eq!(request.query(), Some("Tenant=x%2Fy&empty=&tenant=z"));
    assert_eq!(request.query_value("TENANT").as_deref(), Some("x/y,z"));
    assert_eq!(request.query_value("empty").as_deref(), Some(""));
    assert_eq!(request.query_value("other"), None);
    assert_eq!(request.header("oRIGIN"), Some("https://a.example:8443"));
    assert_eq!(request.header("x-tag"), Some("one"));
    assert_eq!(request.header("x-empty"), Some(""));
    assert_eq!(request.header("x-latin"), None);
    assert_eq!(request.header("x-other"), None);
    let sent: Vec<_> = request.headers().collect();
    let expected: Vec<_> = headers.iter().map(|(name, value)| (name.to_lowercase(), *value)).collect();
    assert_eq!(sent.len(), expected.len());
    assert!(
        sent.iter().zip(&expected).all(|(sent, expected)| sent.0 == expected.0 && sent.1 == expected.1),
        "{sent:?}"
    );
}

#[test]
fn a_target_may_have_no_query_and_an_empty_one() {
    assert_eq!(request("/", &[]).query(), None);
    assert_eq!(request("/?", &[]).query(), Some(""));
    assert_eq!(request("/?a=?", &[]).query(), Some("a=?"));
}

#[test]
fn cookies_are_found_in_every_cookie_header() {
    let request = request("/", &[("Cookie", b"a=1; b=x=y;c=;flag"), ("Cookie", b"d=4;a=2"), ("Cookie", b"e=\xff")]);
    for (name, value) in [
        ("a", Some("1")),
        ("b", Some("x=y")),
        ("c", Some("")),
        ("d", Some("4")),
        ("A", None),
        ("flag", None),
        ("e", None),
    ] {
        assert_eq!(request.cookie(name), value, "{name}");
    }
}

#[test]
fn an_empty_request_has_nothing() {
    let request = OpeningRequest::default();
    assert_eq!((request.path(), request.query(), request.header("a"), request.cookie("a")), ("", None, None, None));
    assert_eq!(request.headers().count(), 0);
}

#[test]
fn no_value_of_query_or_header_is_printed() {
    let request = request(
        "/hub?id=secret-1&access_token=secret-2&x",
        &[("Authorization", b"Bearer secret-3"), ("Cookie", b"session=secret-4"), ("X-Api-Key", b"secret-5")],
    );
    let printed = format!("{request:?}");
    assert!(!printed.contains("secret"), "{printed}");
    let names = ["/hub", "id", "access_token", "x", "authorization", "cookie", "x-api-key"];
    assert!(names.iter().all(|name| printed.contains(&format!("{name:?}"))), "{printed}");
}
