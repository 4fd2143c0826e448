//! Tokens, signed and judged.

use serde_json::{Map, Value, json};
use signalhub::Identity;
use signalhub::connections::TokenError;

use super::*;
use crate::configuration::SigningSecret;
use crate::grant::parse_grant;
use crate::token_verifier;

fn content() -> TokenContent {
    TokenContent {
        user: "ann".to_owned(),
        lifetime: Duration::from_millis(100),
        organisation: Some("shop".to_owned()),
        grants: vec![parse_grant("portos.*:tickets:created,updated").unwrap()],
        publish: vec!["portos.*".parse().unwrap()],
    }
}

fn verify(auth: &Auth, token: &str) -> Result<Identity, TokenError> {
    token_verifier::configured(auth).unwrap().unwrap().tokens.verify(token)
}

#[test]
fn a_signed_token_is_accepted_with_everything_it_says() {
    let mut auth = Auth { secret: SigningSecret::new("s".repeat(32)), ..Auth::default() };
    auth.issuer = Some("me".to_owned());
    auth.audience = Some("you".to_owned());
    auth.user_claim = "name".to_owned();
    auth.organisation_claim = "tenant".to_owned();
    let token = sign(&auth, &content()).unwrap();
    let identity = verify(&auth, &token).unwrap();
    assert_eq!((identity.user.as_deref(), identity.organisation.as_deref()), (Some("ann"), Some("shop")));
    let claims: Value = serde_json::from_str(&identity.claims.to_string()).unwrap();
    assert_eq!(claims["grants"], json!([{ "e": "portos.*", "r": "tickets", "a": ["created", "updated"] }]));
    assert_eq!(claims["publish"], json!(["portos.*"]));
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("me"), &json!("you")));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 1);

    auth.secret = SigningSecret::new("t".repeat(32));
    assert!(verify(&auth, &token).is_err());
}

#[test]
fn what_was_not_asked_for_is_not_claimed() {
    let auth = Auth { secret: SigningSecret::new("s".repeat(32)), ..Auth::default() };
    let content = TokenContent { organisation: None, grants: Vec::new(), publish: Vec::new(), ..content() };
    let identity = verify(&auth, &sign(&auth, &content).unwrap()).unwrap();
    let claims: Map<String, Value> = serde_json::from_str(&identity.claims.to_string()).unwrap();
    assert_eq!(claims.keys().collect::<Vec<_>>(), ["exp", "iat", "sub"]);
}

#[test]
fn without_a_key_nothing_is_signed() {
    assert!(matches!(sign(&Auth::default(), &content()), Err(SignError::NoSecret)));
}
