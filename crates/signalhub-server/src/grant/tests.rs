use serde_json::json;

use super::*;

#[test]
fn grants_are_read_in_both_spellings() {
    let rows = [
        ("*", Some(json!({ "e": "*" }))),
        ("a.b:tickets", Some(json!({ "e": "a.b", "r": "tickets" }))),
        ("a.b::deleted", Some(json!({ "e": "a.b", "a": ["deleted"] }))),
        ("{\"e\":\"a\",\"a\":[\"created\"]}", Some(json!({ "e": "a", "a": ["created"] }))),
        ("", None),
        ("a*b", None),
        ("a:*b", None),
        ("a:b:renamed", None),
        ("a:b:", None),
        ("{\"e\":\"a\",\"x\":1}", None),
        ("{\"r\":\"a\"}", None),
        ("{", None),
    ];
    for (text, expected) in rows {
        let grant = parse_grant(text).ok();
        assert_eq!(grant.as_ref().map(|grant| serde_json::to_value(grant).unwrap()), expected, "{text}");
    }
}
