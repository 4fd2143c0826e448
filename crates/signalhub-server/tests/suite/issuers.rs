//! Tokens of a configured issuer, from its key file to a subscription and a publish.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::common::{Running, configuration, send, sign_claims};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use http::Request;
use http_body_util::Full;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use signalhub::connections::Revocation;
use signalhub_client::Client;

const ISSUER: &str = "https://login.acme.example";

/// An identity provider: its private key, and the file with its public one.
struct Provider {
    key: EncodingKey,
    file: PathBuf,
}

impl Provider {
    fn new(name: &str) -> Self {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let key = EncodingKey::from_ec_der(key.as_ref());
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap()).unwrap();
        jwk["kid"] = "1".into();
        let file = std::env::temp_dir().join(format!("signalhub-{}-{name}.json", std::process::id()));
        std::fs::write(&file, json!({ "keys": [jwk] }).to_string()).unwrap();
        Self { key, file }
    }

    fn sign(&self, kid: &str, changes: Value) -> String {
        let Value::Object(changes) = changes else { panic!("{changes}") };
        let mut claims = json!({"iss": ISSUER, "aud": "hub", "sub": "ann", "org": "acme", "exp": 4_000_000_000_u64});
        claims.as_object_mut().unwrap().extend(changes);
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    fn settings(&self) -> String {
        let (issuer, file) = (ISSUER, self.file.display());
        format!(
            "[auth]\ndefault_grants = \"none\"\n[[auth.issuers]]\nissuer = \"{issuer}\"\njwks = \"{file}\"\naudience = \"hub\"\n\
             roles_claim = \"roles\"\npublish_claim = \"hub.publish\"\n\
             grants_by_role = {{ dispatcher = [\"portos.licence.activated\"] }}"
        )
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

#[tokio::test]
async fn roles_of_a_token_permit_subscriptions_and_its_claim_publishes() {
    let provider = Provider::new("roles");
    let node = Running::start(configuration(&provider.settings())).await;
    let dispatcher = provider.sign("1", json!({"roles": ["dispatcher"], "hub": {"publish": ["portos.*"]}}));
    let client = Client::connect(&node.hub(), Some(&dispatcher)).await.unwrap();
    client.invoke::<()>("Subscribe", (json!({"e": "portos.licence.activated"}),)).await.unwrap();
    let refused = client.invoke::<()>("Subscribe", (json!({"e": "portos.resources.changed"}),)).await;
    assert!(refused.unwrap_err().to_string().contains("grant"));
    let guest = provider.sign("1", json!({"roles": ["guest"], "publish": ["portos.*"]}));
    let other = Client::connect(&node.hub(), Some(&guest)).await.unwrap();
    assert!(other.invoke::<()>("Subscribe", (json!({"e": "portos.licence.activated"}),)).await.is_err());
    for (token, verdict) in [(&dispatcher, "202 -"), (&guest, "403 forbidden")] {
        let request = Request::post(format!("{}/api/v1/publish", node.url));
        let request = request.header("authorization", format!("Bearer {token}"));
        let body = r#"{"e":"portos.licence.activated","p":{},"org":"acme"}"#;
        assert_eq!(send(request.body(Full::from(body)).unwrap()).await.verdict(), verdict);
    }
    assert_eq!(client.next_invocation().await.unwrap().target, "OnEvent");
    node.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_token_of_an_issuer_is_not_told() {
    let (provider, stranger) = (Provider::new("silence"), Provider::new("stranger"));
    let node = Running::start(configuration(&provider.settings())).await;
    let mut answers = Vec::new();
    for token in [
        provider.sign("1", json!({"iss": "https://other.example"})),
        provider.sign("2", json!({})),
        stranger.sign("1", json!({})),
        sign_claims(&json!({"iss": ISSUER, "aud": "hub", "sub": "ann", "exp": 4_000_000_000_u64})),
    ] {
        let bearer = format!("Bearer {token}");
        let negotiate = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()));
        let hub = send(negotiate.header("authorization", &bearer).body(Full::default()).unwrap()).await;
        let publish = Request::post(format!("{}/api/v1/publish", node.url));
        let publish = send(publish.header("authorization", &bearer).body(Full::from("{}")).unwrap()).await;
        assert_eq!((hub.status.as_u16(), publish.verdict()), (401, "401 unauthenticated".to_owned()), "{token}");
        answers.push((hub.text, publish.text));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    // A token without an issuer that the secret signed is accepted as before.
    let own = sign_claims(&json!({"sub": "ann", "exp": 4_000_000_000_u64}));
    assert!(Client::connect(&node.hub(), Some(&own)).await.is_ok());
    node.stop().await;
}

#[tokio::test]
async fn changed_keys_of_an_issuer_are_used_and_garbage_is_not() {
    let (provider, next) = (Provider::new("before"), Provider::new("after"));
    let node =
        Running::start(configuration(&format!("[tls]\nreload_interval = \"100ms\"\n{}", provider.settings()))).await;
    let (old, new) = (provider.sign("1", json!({})), next.sign("1", json!({})));
    let is_accepted = async |token: &str| {
        let negotiate = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()));
        let negotiate = negotiate.header("authorization", format!("Bearer {token}"));
        send(negotiate.body(Full::default()).unwrap()).await.status == 200
    };
    assert!(is_accepted(&old).await && !is_accepted(&new).await);
    std::fs::write(&provider.file, "garbage").unwrap();
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(is_accepted(&old).await, "the old keys are kept");
    std::fs::copy(&next.file, &provider.file).unwrap();
    let replaced = async {
        while !is_accepted(&new).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), replaced).await.unwrap();
    assert!(!is_accepted(&old).await);
    node.stop().await;
}

#[tokio::test]
async fn a_revoked_token_is_refused_although_its_signature_was_verified_a_moment_ago() {
    let provider = Provider::new("revoked");
    let node = Running::start(configuration(&provider.settings())).await;
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let publish = json!({"publish": ["*"]});
    let by_id = provider.sign("1", json!({"jti": "7", "iat": now, "hub": publish}));
    let by_user = provider.sign("1", json!({"sub": "eve", "iat": now - 10, "hub": publish}));
    let other = provider.sign("1", json!({"jti": "8", "iat": now, "hub": publish}));
    let verdicts = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let negotiate = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()));
        let negotiate = negotiate.header("authorization", &bearer).body(Full::default()).unwrap();
        let publish = Request::post(format!("{}/api/v1/publish", node.url)).header("authorization", &bearer);
        let body = Full::from(r#"{"e":"portos.licence.activated","p":{},"org":"acme"}"#);
        (send(negotiate).await.status.as_u16(), send(publish.body(body).unwrap()).await.status.as_u16())
    };
    // From the second request on, the identity of a token is one that was kept.
    for token in [&by_id, &by_id, &by_user, &by_user, &other] {
        assert_eq!(verdicts(token).await, (200, 202));
    }
    let user = Revocation::User { user: "eve".to_owned(), organisation: None, before: SystemTime::now() };
    for revocation in [Revocation::Token { id: "7".to_owned() }, user] {
        node.revocations.revoke(&revocation, Duration::from_secs(600)).unwrap();
    }
    for (token, expected) in [(&by_id, (401, 401)), (&by_user, (401, 401)), (&other, (200, 202))] {
        assert_eq!(verdicts(token).await, expected);
    }
    node.stop().await;
}

#[tokio::test]
async fn a_server_with_issuers_needs_no_secret() {
    let provider = Provider::new("alone");
    let mut settings = configuration(&provider.settings());
    settings.auth.secret = None;
    let node = Running::start(settings).await;
    assert!(Client::connect(&node.hub(), Some(&provider.sign("1", json!({})))).await.is_ok());
    let own = sign_claims(&json!({"sub": "ann", "exp": 4_000_000_000_u64}));
    assert!(Client::connect(&node.hub(), Some(&own)).await.is_err());
    node.stop().await;
}
