use super::*;

#[test]
fn headers_for_one_connection_are_not_forwarded() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("connection", "keep-alive, X-Hop"),
        ("connection", "Other"),
        ("x-hop", "1"),
        ("other", "1"),
        ("keep-alive", "timeout=5"),
        ("te", "trailers"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "Basic eA=="),
        ("signalhub-forwarded", "1;forged"),
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("cookie", "c=d"),
        ("user", "ann"),
    ] {
        headers.append(name, HeaderValue::from_static(value));
    }
    let kept = end_to_end(&headers);
    let mut names: Vec<_> = kept.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
    names.sort();
    assert_eq!(names, ["authorization=Bearer x", "cookie=a=b", "cookie=c=d", "user=ann"]);
}
