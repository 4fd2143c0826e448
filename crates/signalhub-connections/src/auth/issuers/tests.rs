use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::auth::claim_path::ClaimPath;
use crate::auth::key_source::KeySource;
use crate::auth::test_keys::{ED25519, OTHER_RSA, P256, P384, RSA, TestKey};

const ISSUER: &str = "https://login.acme.example";
const SECRET: &[u8] = b"a secret of at least sixty-four bytes, which is long enough for HS512";

/// A number of seconds from now, as tokens write times.
fn at(seconds: i64) -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap() + seconds
}

/// Claims of a good token, with some members changed or, by `null`, removed.
fn claims(changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("{changes}") };
    let mut claims = json!({"iss": ISSUER, "sub": "ann", "aud": "hub", "exp": at(60)});
    let members = claims.as_object_mut().unwrap();
    members.extend(changes);
    members.retain(|_, value| !value.is_null());
    claims
}

fn keys(keys: &[Value]) -> KeySet {
    KeySet::from_jwks(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

fn issuer() -> Issuer {
    Issuer::new(ISSUER, keys(&[RSA.jwk("rsa"), P256.jwk("p256")])).audiences(["hub", "signalhub"])
}

fn path(text: &str) -> ClaimPath {
    text.parse().unwrap()
}

fn issuers() -> Issuers {
    Issuers::new().with(issuer())
}

fn user(issuers: &Issuers, token: &str) -> Result<String, TokenError> {
    issuers.verify(token).map(|identity| identity.user.unwrap().to_string())
}

/// A token of these parts, whose signature is made with a secret.
fn hmac(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{signed}.{signature}")
}

#[test]
fn every_algorithm_is_verified_with_a_key_of_its_type_and_no_other() {
    let all = [
        (&*RSA, Algorithm::RS256),
        (&*RSA, Algorithm::RS384),
        (&*RSA, Algorithm::RS512),
        (&*RSA, Algorithm::PS256),
        (&*RSA, Algorithm::PS384),
        (&*RSA, Algorithm::PS512),
        (&*P256, Algorithm::ES256),
        (&*P384, Algorithm::ES384),
        (&*ED25519, Algorithm::EdDSA),
    ];
    let set = || keys(&[RSA.jwk("1"), P256.jwk("2"), P384.jwk("3"), ED25519.jwk("4")]);
    let pem = || [&RSA, &P256, &P384, &ED25519].map(|key| key.pem()).concat();
    let pem = || KeySet::from_pem(pem().as_bytes()).unwrap();
    let sign = |key: &TestKey, algorithm| key.sign_with(&Header::new(algorithm), &claims(json!({})));
    for (key, algorithm) in all {
        for keys in [set(), pem()] {
            let issuers = Issuers::new().with(Issuer::new(ISSUER, keys).algorithms([algorithm]));
            assert_eq!(user(&issuers, &sign(key, algorithm)).as_deref(), Ok("ann"), "{algorithm:?}");
            for (other_key, other) in all.into_iter().filter(|(_, other)| *other != algorithm) {
                assert_eq!(user(&issuers, &sign(other_key, other)), Err(TokenError::Algorithm), "{other:?}");
            }
        }
    }
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let issuer = Issuer::new(ISSUER, KeySet::from_secret(SECRET).unwrap()).algorithms([algorithm]);
        let issuers = Issuers::new().with(issuer);
        let sign = |secret| {
            let key = EncodingKey::from_secret(secret);
            jsonwebtoken::encode(&Header::new(algorithm), &claims(json!({})), &key).unwrap()
        };
        assert_eq!(user(&issuers, &sign(SECRET)).as_deref(), Ok("ann"), "{algorithm:?}");
        assert_eq!(user(&issuers, &sign(b"another")), Err(TokenError::Signature), "{algorithm:?}");
    }
}

#[test]
fn tokens_are_checked_for_parties_times_and_required_claims() {
    let strict = || {
        issuer().leeway(Duration::ZERO).require(path("token_use"), "access").require(path("realm_access.roles"), "hub")
    };
    let required = json!({"token_use": "access", "realm_access": {"roles": ["other", "hub"]}});
    let required = |changes: Value| {
        let Value::Object(changes) = changes else { panic!("{changes}") };
        let mut all = required.clone();
        all.as_object_mut().unwrap().extend(changes);
        all
    };
    let expected = |name: &str| TokenError::Claim { name: name.into(), expected: "as required" };
    let missing =
        |name: &str| TokenError::Claim { name: name.into(), expected: "present, with the type that RFC 7519 gives it" };
    let rows = [
        (json!({}), issuer(), Ok("ann")),
        (json!({"aud": ["other", "signalhub"]}), issuer(), Ok("ann")),
        (json!({"aud": "other"}), issuer(), Err(TokenError::WrongIssuerOrAudience)),
        (json!({"aud": ["other"]}), issuer(), Err(TokenError::WrongIssuerOrAudience)),
        (json!({"aud": "hub other"}), issuer(), Err(TokenError::WrongIssuerOrAudience)),
        (json!({"aud": {"hub": true}}), issuer(), Err(TokenError::WrongIssuerOrAudience)),
        (json!({"aud": null}), issuer(), Err(TokenError::WrongIssuerOrAudience)),
        (json!({"aud": null, "client_id": "hub"}), issuer().audience_claim(path("client_id")), Ok("ann")),
        (json!({"client_id": "x"}), issuer().audience_claim(path("client_id")), Err(TokenError::WrongIssuerOrAudience)),
        (json!({"aud": null}), Issuer::new(ISSUER, keys(&[RSA.jwk("rsa")])), Ok("ann")),
        (json!({"iss": "https://login.acme.example/"}), issuer(), Err(TokenError::UnknownIssuer)),
        (json!({"iss": [ISSUER]}), issuer(), Err(TokenError::UnknownIssuer)),
        (json!({"iss": null}), issuer(), Err(TokenError::UnknownIssuer)),
        (json!({"exp": at(-10)}), issuer(), Ok("ann")),
        (json!({"exp": at(-10)}), issuer().leeway(Duration::ZERO), Err(TokenError::Expired)),
        (json!({"exp": at(-60)}), issuer(), Err(TokenError::Expired)),
        (json!({"exp": null}), issuer(), Err(missing("exp"))),
        (json!({"nbf": at(50)}), issuer(), Err(TokenError::TooEarly)),
        (json!({"nbf": at(10)}), issuer(), Ok("ann")),
        (json!({"iat": at(500)}), issuer(), Ok("ann")),
        (required(json!({})), strict(), Ok("ann")),
        (required(json!({"realm_access": {"roles": "hub other"}})), strict(), Ok("ann")),
        (required(json!({"realm_access": {"roles": ["hubs"]}})), strict(), Err(expected("realm_access.roles"))),
        (required(json!({"realm_access": ["hub"]})), strict(), Err(expected("realm_access.roles"))),
        (required(json!({"token_use": "id"})), strict(), Err(expected("token_use"))),
        (required(json!({"token_use": null})), strict(), Err(expected("token_use"))),
        (json!({"email_verified": true}), issuer().require(path("email_verified"), true), Ok("ann")),
        (
            json!({"email_verified": "true"}),
            issuer().require(path("email_verified"), true),
            Err(expected("email_verified")),
        ),
        (json!({"sub": null}), issuer(), Err(TokenError::NoUser)),
        (json!({"sub": ""}), issuer(), Err(TokenError::NoUser)),
        (json!({"sub": ["ann", "bob"]}), issuer(), Err(TokenError::Malformed)),
        (json!({"name": ["ann", "bob"]}), issuer().user_claim(path("name")), Err(TokenError::NoUser)),
        (json!({"person": {"name": "bob"}}), issuer().user_claim(path("person.name")), Ok("bob")),
    ];
    for (changes, issuer, expected) in rows {
        let found = user(&Issuers::new().with(issuer), &RSA.sign(Some("rsa"), &claims(changes.clone())));
        assert_eq!(found.as_deref(), expected.as_deref(), "{changes}");
    }
}

#[test]
fn the_organisation_is_one_text_or_the_token_is_not_valid() {
    let issuers = Issuers::new().with(issuer().organisation_claim(path("organization")));
    for (value, expected) in [
        (json!("acme"), Some(Some("acme"))),
        (json!(["acme"]), Some(Some("acme"))),
        (json!(null), Some(None)),
        (json!(["acme", "other"]), None),
        (json!([]), None),
        (json!([["acme"]]), None),
        (json!(""), None),
        (json!(5), None),
        (json!({"acme": {}}), None),
    ] {
        let token = RSA.sign(Some("rsa"), &claims(json!({ "organization": value })));
        let found = issuers.verify(&token).ok().map(|identity| identity.organisation.as_deref().map(str::to_owned));
        assert_eq!(found.as_ref().map(Option::as_deref), expected, "{value}");
    }
}

#[test]
fn forged_and_foreign_tokens_are_refused() {
    let issuers = issuers();
    let good = claims(json!({}));
    let header = |alg: &str| json!({"alg": alg, "typ": "JWT", "kid": "rsa"});
    let unsigned = |alg: &str| {
        let parts = [header(alg), good.clone()].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        format!("{}.{}.", parts[0], parts[1])
    };
    let with_secret = |alg: &str, secret: &[u8]| hmac(&header(alg), &good, secret);
    let jwk = RSA.jwk("rsa").to_string();
    let genuine = RSA.sign(Some("rsa"), &good);
    let other_claims = URL_SAFE_NO_PAD.encode(claims(json!({"sub": "bob"})).to_string());
    let mut parts: Vec<&str> = genuine.split('.').collect();
    parts[1] = &other_claims;
    let no_key = |id: &str| TokenError::NoKey { id: Some(id.into()) };
    for (token, expected) in [
        (unsigned("none"), TokenError::Malformed),
        (unsigned("None"), TokenError::Malformed),
        (unsigned("RS256"), TokenError::Signature),
        (with_secret("none", SECRET), TokenError::Malformed),
        // A public key is no secret.
        (with_secret("HS256", RSA.pem().as_bytes()), TokenError::Algorithm),
        (with_secret("HS256", jwk.as_bytes()), TokenError::Algorithm),
        (with_secret("HS256", b""), TokenError::Algorithm),
        (with_secret("RS256", RSA.pem().as_bytes()), TokenError::Signature),
        (OTHER_RSA.sign(Some("rsa"), &good), TokenError::Signature),
        (OTHER_RSA.sign(None, &good), TokenError::Signature),
        (RSA.sign(Some("unknown"), &good), no_key("unknown")),
        (RSA.sign(Some("p256"), &good), no_key("p256")),
        (RSA.sign(Some(""), &good), no_key("")),
        (ED25519.sign(Some("rsa"), &good), TokenError::Algorithm),
        (parts.join("."), TokenError::Signature),
        (format!("{genuine}x"), TokenError::Malformed),
        (format!("{genuine}."), TokenError::Malformed),
        ("x.y.z".to_owned(), TokenError::Malformed),
        (String::new(), TokenError::Malformed),
    ] {
        assert_eq!(user(&issuers, &token), Err(expected.clone()), "{token}");
        assert!(!expected.is_genuine());
    }
    let long = TokenError::NoKey { id: Some("x".repeat(500).into()) };
    assert_eq!(long.to_string(), format!("no key \"{}\"", "x".repeat(64)));
    assert_eq!(TokenError::NoKey { id: None }.to_string(), "no key for the algorithm");
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..Header::new(Algorithm::RS256) };
    assert_eq!(user(&issuers, &RSA.sign_with(&critical, &good)), Err(TokenError::Critical));
}

#[test]
fn keys_and_places_of_keys_in_a_token_are_ignored() {
    let place = || Some("https://attacker.example/keys.json".to_owned());
    let header = |key: &TestKey, kid: Option<&str>| Header {
        kid: kid.map(str::to_owned),
        jku: place(),
        x5u: place(),
        x5c: Some(vec!["AAAA".to_owned()]),
        jwk: Some(serde_json::from_value(key.jwk("rsa")).unwrap()),
        ..Header::new(Algorithm::RS256)
    };
    for kid in [None, Some("rsa")] {
        let forged = OTHER_RSA.sign_with(&header(&OTHER_RSA, kid), &claims(json!({})));
        assert_eq!(user(&issuers(), &forged), Err(TokenError::Signature), "{kid:?}");
        let good = RSA.sign_with(&header(&OTHER_RSA, kid), &claims(json!({})));
        assert_eq!(user(&issuers(), &good).as_deref(), Ok("ann"), "{kid:?}");
    }
}

#[test]
fn the_issuer_decides_which_keys_and_rules_count() {
    let other = "https://other.example";
    let issuers = issuers()
        .with(Issuer::new(other, keys(&[OTHER_RSA.jwk("rsa")])).user_claim(path("name")))
        .with(Issuer::new("secret", KeySet::from_secret(SECRET).unwrap()))
        .otherwise(BearerToken::hs256(SECRET));
    let of_other = claims(json!({"iss": other, "name": "bob"}));
    let header = json!({"alg": "HS256"});
    for (token, expected) in [
        (RSA.sign(Some("rsa"), &claims(json!({}))), Ok("ann")),
        (OTHER_RSA.sign(Some("rsa"), &of_other), Ok("bob")),
        (RSA.sign(Some("rsa"), &of_other), Err(TokenError::Signature)),
        (OTHER_RSA.sign(Some("rsa"), &claims(json!({}))), Err(TokenError::Signature)),
        (hmac(&header, &claims(json!({"iss": "secret"})), SECRET), Ok("ann")),
        // Every other issuer is up to the secret, and so is a token that names none.
        (hmac(&header, &claims(json!({"iss": "any"})), SECRET), Ok("ann")),
        (hmac(&header, &claims(json!({"iss": null})), SECRET), Ok("ann")),
        (hmac(&header, &claims(json!({"iss": "any"})), b"another secret"), Err(TokenError::Signature)),
        (RSA.sign(Some("rsa"), &claims(json!({"iss": "any"}))), Err(TokenError::UnknownIssuer)),
        // The secret does not sign for an issuer that has keys.
        (hmac(&header, &claims(json!({})), SECRET), Err(TokenError::Algorithm)),
    ] {
        assert_eq!(user(&issuers, &token).as_deref(), expected.as_deref(), "{token}");
    }
    let alone = Issuers::new().otherwise(BearerToken::hs256(SECRET));
    assert_eq!(user(&alone, &RSA.sign(None, &claims(json!({})))), Err(TokenError::Algorithm));
    assert_eq!(user(&Issuers::new(), &RSA.sign(None, &claims(json!({})))), Err(TokenError::UnknownIssuer));
}

#[test]
fn claims_come_from_other_places_and_roles_add_to_them() {
    let by_role = BTreeMap::from([
        ("dispatcher".to_owned(), vec![json!({"e": "a"}), json!({"e": "b"})]),
        ("viewer".to_owned(), vec![json!({"e": "c"})]),
        ("guest".to_owned(), vec![]),
    ]);
    let is_list: fn(&Value) -> bool = Value::is_array;
    let issuers = Issuers::new().with(
        issuer()
            .claim_from("grants", path("'https://acme.example/grants'"))
            .claim_by_role("grants", path("realm_access.roles"), by_role)
            .claim("grants", "a list of grants", is_list),
    );
    let own = "https://acme.example/grants";
    for (changes, expected) in [
        (json!({}), Ok(None)),
        (json!({"realm_access": {"roles": ["other"]}}), Ok(None)),
        (json!({"realm_access": {"roles": ["guest"]}}), Ok(Some(json!([])))),
        (
            json!({"realm_access": {"roles": ["viewer", "dispatcher"]}}),
            Ok(Some(json!([{"e": "c"}, {"e": "a"}, {"e": "b"}]))),
        ),
        (json!({"realm_access": {"roles": "viewer guest"}}), Ok(Some(json!([{"e": "c"}])))),
        (json!({own: [{"e": "z"}]}), Ok(Some(json!([{"e": "z"}])))),
        (json!({own: [{"e": "z"}], "realm_access": {"roles": ["viewer"]}}), Ok(Some(json!([{"e": "z"}, {"e": "c"}])))),
        // A claim of this name in another place means nothing.
        (json!({"grants": [{"e": "*"}]}), Ok(None)),
        (json!({"grants": "*"}), Ok(None)),
        (json!({own: "*"}), Err("grants")),
        (json!({own: "*", "realm_access": {"roles": ["viewer"]}}), Err("grants")),
        (json!({"realm_access": {"roles": [5]}}), Err("realm_access.roles")),
        (json!({"realm_access": {"roles": {"viewer": true}}}), Err("realm_access.roles")),
    ] {
        let found = issuers.verify(&RSA.sign(Some("rsa"), &claims(changes.clone())));
        let found =
            found.map(|identity| identity.claims.get::<Value>("grants").unwrap()).map_err(|error| match error {
                TokenError::Claim { name, .. } => name.to_string(),
                other => panic!("{other}"),
            });
        assert_eq!(found, expected.map_err(str::to_owned), "{changes}");
    }
}

#[test]
fn a_verified_token_is_verified_again_when_the_keys_of_its_issuer_change() {
    let issuers = issuers();
    let token = RSA.sign(Some("rsa"), &claims(json!({})));
    let hash = TokenHash::of(&token);
    let is_kept = |issuers: &Issuers| issuers.verified.get(hash, Instant::now(), SystemTime::now()).is_some();
    assert!(!is_kept(&issuers));
    let first = issuers.verify(&token).unwrap();
    assert!(is_kept(&issuers));
    assert_eq!(issuers.verify(&token).unwrap(), first);
    assert!(!issuers.replace_keys("https://other.example", keys(&[P256.jwk("p256")])));
    assert!(issuers.replace_keys(ISSUER, keys(&[P256.jwk("p256")])));
    assert!(!is_kept(&issuers));
    assert_eq!(user(&issuers, &token), Err(TokenError::NoKey { id: Some("rsa".into()) }));
    assert_eq!(user(&issuers, &P256.sign(Some("p256"), &claims(json!({})))).as_deref(), Ok("ann"));
}

#[test]
fn only_tokens_that_are_valid_and_have_public_keys_are_kept() {
    let issuers = issuers().with(Issuer::new("secret", KeySet::from_secret(SECRET).unwrap()));
    let header = json!({"alg": "HS256"});
    for (token, is_kept) in [
        (RSA.sign(Some("rsa"), &claims(json!({}))), true),
        (P256.sign(None, &claims(json!({}))), true),
        (RSA.sign(Some("rsa"), &claims(json!({"aud": "other"}))), false),
        (OTHER_RSA.sign(Some("rsa"), &claims(json!({}))), false),
        (hmac(&header, &claims(json!({"iss": "secret"})), SECRET), false),
        // It is accepted within the leeway, but verified each time.
        (RSA.sign(Some("rsa"), &claims(json!({"exp": at(-5)}))), false),
    ] {
        let verdict = issuers.verify(&token).is_ok();
        let found = issuers.verified.get(TokenHash::of(&token), Instant::now(), SystemTime::now());
        assert_eq!(found.is_some(), is_kept, "{token} {verdict}");
    }
}

#[test]
fn a_request_is_authenticated_and_unverified_tokens_count_as_guesses() {
    let issuers = issuers();
    let authenticate = |token: Option<&str>| {
        let request = Request::builder().uri("/hub");
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        issuers.authenticate(&request.body(()).unwrap().into_parts().0)
    };
    assert!(matches!(authenticate(None), Authentication::Missing));
    let good = RSA.sign(None, &claims(json!({})));
    assert!(matches!(authenticate(Some(&good)), Authentication::Identified(_)));
    let expired = RSA.sign(None, &claims(json!({"exp": at(-60)})));
    assert!(matches!(authenticate(Some(&expired)), Authentication::Expired));
    let other = RSA.sign(None, &claims(json!({"aud": "other"})));
    assert!(matches!(authenticate(Some(&other)), Authentication::Unacceptable(_)));
    for (token, reason) in [
        (RSA.sign(None, &claims(json!({"iss": "x"}))), "unknown issuer"),
        (RSA.sign(Some("x"), &claims(json!({}))), "no key \"x\""),
    ] {
        let outcome = authenticate(Some(&token));
        assert!(matches!(&outcome, Authentication::Invalid(text) if text == reason), "{outcome:?}");
    }
    assert_eq!(issuers.challenge().unwrap(), "Bearer");
}

/// Replaces the keys when it is asked for them, and counts how often that was.
#[derive(Default)]
struct Source {
    issuers: OnceLock<Weak<Issuers>>,
    asked: AtomicUsize,
}

impl KeySource for Source {
    fn fetch(&self) -> Option<BoxFuture<'static, ()>> {
        let issuers = self.issuers.get()?.upgrade()?;
        self.asked.fetch_add(1, Ordering::Relaxed);
        Some(Box::pin(async move {
            issuers.replace_keys(ISSUER, keys(&[RSA.jwk("rsa"), P256.jwk("p256")]));
        }))
    }
}

#[tokio::test]
async fn keys_are_fetched_for_a_token_whose_key_is_not_there_and_for_no_other() {
    let source = Arc::new(Source::default());
    let fetched = Issuer::fetched(ISSUER, Arc::clone(&source) as _).audiences(["hub"]);
    let issuers = Issuers::new().with(fetched).with(Issuer::new("b", keys(&[RSA.jwk("rsa")])));
    let issuers = Arc::new(issuers.otherwise(BearerToken::hs256(SECRET)));
    source.issuers.set(Arc::downgrade(&issuers)).unwrap();
    let good = |changes| RSA.sign(Some("rsa"), &claims(changes));
    let none = TokenError::NoKey { id: Some("x".into()) };
    assert_eq!(issuers.verify(&good(json!({}))), Err(TokenError::KeysNotLoaded));
    assert!(!TokenError::KeysNotLoaded.is_guess() && !TokenError::KeysNotLoaded.is_genuine());
    assert_eq!(issuers.key_count(ISSUER), 0);
    for (token, asked, expected) in [
        (good(json!({})), 1, Ok(())),
        (good(json!({"nbf": at(60)})), 0, Err(TokenError::TooEarly)),
        (good(json!({"iss": "c"})), 0, Err(TokenError::UnknownIssuer)),
        (good(json!({"iss": "b", "aud": null})), 0, Ok(())),
        (RSA.sign(Some("x"), &claims(json!({"iss": "b"}))), 0, Err(none.clone())),
        (good(json!({"aud": "x"})), 0, Err(TokenError::WrongIssuerOrAudience)),
        ("x.y.z".to_owned(), 0, Err(TokenError::Malformed)),
        (OTHER_RSA.sign(Some("rsa"), &claims(json!({}))), 0, Err(TokenError::Signature)),
        (ED25519.sign(Some("x"), &claims(json!({}))), 0, Err(TokenError::Algorithm)),
        (RSA.sign(Some("x"), &claims(json!({}))), 1, Err(none)),
        // The id is known, but that key is of another type.
        (P256.sign(Some("rsa"), &claims(json!({}))), 1, Err(TokenError::NoKey { id: Some("rsa".into()) })),
        // A token that names no key may have been signed with one that is not known.
        (OTHER_RSA.sign(None, &claims(json!({}))), 1, Err(TokenError::Signature)),
        (P256.sign(None, &claims(json!({}))), 0, Ok(())),
        (P256.sign(Some("p256"), &claims(json!({}))), 0, Ok(())),
    ] {
        let verified = issuers.verify_when_ready(&token).await.map(drop);
        assert_eq!(verified, expected, "{token}");
        assert_eq!(source.asked.swap(0, Ordering::Relaxed), asked, "{token}");
    }
    assert_eq!((issuers.key_count(ISSUER), issuers.key_count("c")), (2, 0));
    issuers.replace_keys(ISSUER, KeySet::empty());
    assert_eq!(issuers.verify(&good(json!({}))), Err(TokenError::KeysNotLoaded));
    let request = Request::builder().header("authorization", format!("Bearer {}", good(json!({}))));
    let request = request.body(()).unwrap().into_parts().0;
    let refused = issuers.authenticate(&request);
    assert!(matches!(&refused, Authentication::Unacceptable(text) if text == "key set not loaded"), "{refused:?}");
    issuers.ready(&request).unwrap().await;
    assert!(matches!(issuers.authenticate(&request), Authentication::Identified(_)));
    assert!(issuers.ready(&request).is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_text_and_no_parts_of_a_token_are_accepted_or_cause_a_panic(
        text in any::<String>(),
        header in r#"\{"alg":"(RS256|none|HS256|x)"(,"kid":("rsa"|5|null))?(,"crit":null)?\}?"#,
        claims in r#"\{"iss":("https://login.acme.example"|5|\[\])(,"exp":(4000000000|-1|1e400|"x"))?\}?"#,
        signature in "[A-Za-z0-9_=-]{0,400}",
    ) {
        let issuers = issuers().otherwise(BearerToken::hs256(SECRET));
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        prop_assert!(issuers.verify(&text).is_err());
        let token = [header, claims, signature].join(".");
        prop_assert!(issuers.verify(&token).is_err());
    }
}
