//! Tokens, signed and judged.

use serde_json::{Map, Value, json};

use super::*;
use crate::configuration::SigningSecret;
use crate::node::configured_bearer;

fn content() -> TokenContent {
    TokenContent {
        user: "ann".to_owned(),
        lifetime: Duration::from_millis(100),
        organisation: Some("shop".to_owned()),
        grants: vec![parse_grant("portos.*:tickets:created,updated").unwrap()],
        publish: vec!["portos.*".parse().unwrap()],
    }
}

#[test]
fn a_signed_token_is_accepted_with_everything_it_says() {
    let mut auth = Auth { secret: SigningSecret::new("s".repeat(32)), ..Auth::default() };
    auth.issuer = Some("me".to_owned());
    auth.audience = Some("you".to_owned());
    auth.user_claim = "name".to_owned();
    auth.organisation_claim = "tenant".to_owned();
    let token = sign(&auth, &content()).unwrap();
    let identity = configured_bearer(&auth).unwrap().verify(&token).unwrap();
    assert_eq!((identity.user.as_deref(), identity.organisation.as_deref()), (Some("ann"), Some("shop")));
    let claims: Value = serde_json::from_str(&identity.claims.to_string()).unwrap();
    assert_eq!(claims["grants"], json!([{ "e": "portos.*", "r": "tickets", "a": ["created", "updated"] }]));
    assert_eq!(claims["publish"], json!(["portos.*"]));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("me"), &json!("you")));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 1);

    auth.secret = SigningSecret::new("t".repeat(32));
    assert!(configured_bearer(&auth).unwrap().verify(&token).is_err());
}

#[test]
fn what_was_not_asked_for_is_not_claimed() {
    let auth = Auth { secret: SigningSecret::new("s".repeat(32)), ..Auth::default() };
    let content = TokenContent { organisation: None, grants: Vec::new(), publish: Vec::new(), ..content() };
    let identity = configured_bearer(&auth).unwrap().verify(&sign(&auth, &content).unwrap()).unwrap();
    let claims: Map<String, Value> = serde_json::from_str(&identity.claims.to_string()).unwrap();
    assert_eq!(claims.keys().collect::<Vec<_>>(), ["exp", "iat", "sub"]);
}

#[test]
fn without_a_key_nothing_is_signed() {
    assert!(matches!(sign(&Auth::default(), &content()), Err(SignError::NoSecret)));
}

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
