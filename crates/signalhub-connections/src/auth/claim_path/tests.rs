use serde_json::json;

use super::*;

#[test]
fn paths_are_names_between_dots_and_quotes_keep_a_name_whole() {
    for (text, names) in [
        ("sub", Some(vec!["sub"])),
        ("cognito:groups", Some(vec!["cognito:groups"])),
        ("realm_access.roles", Some(vec!["realm_access", "roles"])),
        ("resource_access.my-client.roles", Some(vec!["resource_access", "my-client", "roles"])),
        ("'https://acme.example/roles'", Some(vec!["https://acme.example/roles"])),
        ("resource_access.'acme.example'.roles", Some(vec!["resource_access", "acme.example", "roles"])),
        ("'a'.'b'", Some(vec!["a", "b"])),
        ("' '", Some(vec![" "])),
        ("", None),
        (".", None),
        ("a.", None),
        (".a", None),
        ("a..b", None),
        ("''", None),
        ("'a", None),
        ("'a'b", None),
        ("a'b", None),
        ("a b", None),
        ("https://acme.example/roles", None),
        ("acme/roles", None),
    ] {
        let path = text.parse::<ClaimPath>().ok();
        let found = path.as_ref().map(|path| path.0.iter().map(|name| &**name).collect::<Vec<_>>());
        assert_eq!(found, names, "{text}");
        let again = path.as_ref().map(|path| path.to_string().parse::<ClaimPath>().unwrap());
        assert_eq!(again, path, "{text}");
    }
}

#[test]
fn a_path_leads_through_objects_only() {
    let claims = json!({"sub": "ann", "a": {"b": {"c": 1}, "list": [{"c": 2}]}, "a.b": 3, "null": null});
    let claims = claims.as_object().unwrap();
    for (path, expected) in [
        ("sub", Some(json!("ann"))),
        ("a.b.c", Some(json!(1))),
        ("'a.b'", Some(json!(3))),
        ("null", Some(json!(null))),
        ("a.list.c", None),
        ("sub.x", None),
        ("null.x", None),
        ("a.x", None),
        ("x", None),
    ] {
        assert_eq!(path.parse::<ClaimPath>().unwrap().find(claims), expected.as_ref(), "{path}");
    }
}
