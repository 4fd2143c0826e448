//! Tokens of a provider whose keys are discovered and fetched, on the hub and in the publish API.

use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{Running, configuration, send};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Request;
use http_body_util::Full;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use signalhub_client::Client;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// An identity provider of this machine with one key, whose id changes.
struct Provider {
    url: String,
    key: EncodingKey,
    public: Vec<u8>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The key set; without one, the provider answers 503.
    key_set: Option<String>,
    /// The paths of the requests.
    paths: Vec<String>,
}

async fn answer(mut socket: TcpStream, url: &str, state: &Mutex<State>) {
    let mut lines = BufReader::new(&mut socket).lines();
    let first = lines.next_line().await.unwrap().unwrap_or_default();
    while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let key_set = {
        let mut state = state.lock().unwrap();
        state.paths.push(path.clone());
        state.key_set.clone()
    };
    let (status, body) = match (path.as_str(), key_set) {
        (_, None) => ("503 Service Unavailable", String::new()),
        ("/.well-known/openid-configuration", _) => {
            ("200 OK", json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string())
        }
        (_, Some(keys)) => ("200 OK", keys),
    };
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = socket.write_all((head + &body).as_bytes()).await;
}

impl Provider {
    async fn start() -> Self {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let key = EncodingKey::from_ec_der(pair.as_ref());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.as_ref()).unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let (own, shared) = (url.clone(), Arc::clone(&state));
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (own, shared) = (own.clone(), Arc::clone(&shared));
                tokio::spawn(async move { answer(socket, &own, &shared).await });
            }
        });
        Self { url, key, public: public.as_ref().to_vec(), state }
    }

    /// Publishes the key under this id.
    fn publish(&self, kid: &str) {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap()).unwrap();
        jwk["kid"] = kid.into();
        self.state.lock().unwrap().key_set = Some(json!({ "keys": [jwk] }).to_string());
    }

    /// The paths of the requests since the last call.
    fn paths(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap().paths)
    }

    fn claims(&self) -> Value {
        json!({"iss": self.url, "aud": "hub", "sub": "ann", "publish": ["*"], "exp": 4_000_000_000_u64})
    }

    fn sign_with(&self, header: &Header) -> String {
        jsonwebtoken::encode(header, &self.claims(), &self.key).unwrap()
    }

    fn sign(&self, kid: &str) -> String {
        self.sign_with(&Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) })
    }

    async fn node(&self, auth: &str) -> Running {
        let url = &self.url;
        let issuer =
            format!("[auth]\n{auth}\n[[auth.issuers]]\nissuer = \"{url}\"\naudience = \"hub\"\ndiscovery = true");
        Running::start(configuration(&issuer)).await
    }
}

async fn negotiate(node: &Running, token: &str) -> u16 {
    let request = Request::post(format!("{}/negotiate?negotiateVersion=1", node.hub()));
    let request = request.header("authorization", format!("Bearer {token}"));
    send(request.body(Full::default()).unwrap()).await.status.as_u16()
}

async fn publish(node: &Running, token: &str) -> String {
    let request =
        Request::post(format!("{}/api/v1/publish", node.url)).header("authorization", format!("Bearer {token}"));
    send(request.body(Full::from(r#"{"e":"portos.licence.activated","p":{}}"#)).unwrap()).await.verdict()
}

async fn ready(node: &Running) -> crate::common::Answer {
    send(Request::get(format!("{}/health/ready", node.internal)).body(Full::default()).unwrap()).await
}

async fn until_ready(node: &Running) {
    let waiting = async {
        while ready(node).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap();
}

const ONE_FETCH: [&str; 2] = ["/.well-known/openid-configuration", "/keys"];

#[tokio::test]
async fn without_keys_the_server_is_not_ready_and_tokens_are_refused_until_there_are_some() {
    let provider = Provider::start().await;
    let node = provider.node("").await;
    let (hub, api) = (negotiate(&node, &provider.sign("1")).await, publish(&node, &provider.sign("1")).await);
    assert_eq!((hub, api.as_str()), (401, "401 unauthenticated"));
    let answer = ready(&node).await;
    assert_eq!(answer.verdict(), "503 unavailable");
    assert_eq!(answer.body["detail"], format!("no keys of {} yet", provider.url));
    let live = send(Request::get(format!("{}/health/live", node.internal)).body(Full::default()).unwrap()).await;
    assert_eq!(live.status, 200);
    // It was no guess: its signature could not be checked.
    assert_eq!(node.counts.refusals().connections.failed_authentications, 0);
    provider.publish("1");
    until_ready(&node).await;
    assert_eq!(negotiate(&node, &provider.sign("1")).await, 200);
    let page = send(Request::get(format!("{}/metrics", node.internal)).body(Full::default()).unwrap()).await.text;
    for line in [
        "signalhub_auth_keys{issuer=\"0\"} 1",
        "signalhub_auth_key_fetches_total{outcome=\"ok\"} 1",
        "signalhub_auth_key_fetches_total{outcome=\"unreachable\"} 0",
        "signalhub_auth_key_fetches_total{outcome=\"timeout\"} 0",
        "signalhub_auth_key_fetches_total{outcome=\"invalid\"} 0",
    ] {
        assert!(page.contains(&format!("{line}\n")), "{line} is missing: {page}");
    }
    assert!(page.contains("signalhub_auth_key_fetches_total{outcome=\"refused\"} "), "{page}");
    assert!(!page.contains(&provider.url), "URLs are no labels");
    node.stop().await;
}

#[tokio::test]
async fn first_requests_and_those_after_a_rotation_share_one_fetch_and_all_get_in() {
    let provider = Provider::start().await;
    provider.publish("1");
    let node = provider.node("jwks_minimum_interval = \"1s\"").await;
    for kid in ["1", "2"] {
        provider.publish(kid);
        let token = provider.sign(kid);
        let (node, token) = (&node, token.as_str());
        let mut requests = Vec::new();
        for _ in 0..50 {
            requests.push(async move { (negotiate(node, token).await, publish(node, token).await) });
        }
        // They are polled together, so that all of them wait at the same time.
        for (hub, api) in join(requests).await {
            assert_eq!((hub, api.as_str()), (200, "202 -"), "{kid}");
        }
        assert_eq!(provider.paths(), ONE_FETCH);
        // The next key may be fetched a second after this one.
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
    assert_eq!(negotiate(&node, &provider.sign("1")).await, 401);
    assert_eq!(provider.paths(), ONE_FETCH);
    let client = Client::connect(&node.hub(), Some(&provider.sign("2"))).await;
    assert!(client.is_ok());
    drop(client);
    node.stop().await;
}

/// Awaits all futures at the same time.
async fn join<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, output) in &mut futures {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        match futures.iter().all(|(_, output)| output.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    futures.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn forged_tokens_are_refused_and_have_nothing_fetched_but_the_keys_once() {
    let provider = Provider::start().await;
    provider.publish("1");
    let node = provider.node("").await;
    assert_eq!(negotiate(&node, &provider.sign("1")).await, 200);
    assert_eq!(provider.paths(), ONE_FETCH);
    let stranger = Provider::start().await;
    let elsewhere = || Header {
        kid: Some("1".to_owned()),
        jku: Some(format!("{}/jku", stranger.url)),
        x5u: Some(format!("{}/x5u", stranger.url)),
        ..Header::new(Algorithm::ES256)
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", part(&json!({"alg": "none", "kid": "1"})), part(&provider.claims()));
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&provider.public));
    let header = Header { kid: Some("1".to_owned()), ..Header::default() };
    let hmac = EncodingKey::from_secret(pem.as_bytes());
    let hmac = jsonwebtoken::encode(&header, &provider.claims(), &hmac).unwrap();
    let mut tokens = vec![unsigned, hmac];
    // The stranger signs in the name of the provider.
    tokens.push(jsonwebtoken::encode(&elsewhere(), &provider.claims(), &stranger.key).unwrap());
    tokens.extend((0..20).map(|number| provider.sign(&format!("forged-{number}"))));
    for token in &tokens {
        assert_eq!(negotiate(&node, token).await, 401, "{token}");
        assert_eq!(publish(&node, token).await.split(' ').next(), Some("401"), "{token}");
    }
    // A fetch was less than 30 seconds ago.
    assert_eq!(provider.paths(), [""; 0]);
    assert_eq!(stranger.paths(), [""; 0]);
    // The places of keys are ignored, not refused.
    assert_eq!(negotiate(&node, &provider.sign_with(&elsewhere())).await, 200);
    assert_eq!(stranger.paths(), [""; 0]);
    node.stop().await;
}

/// Runs the program with this provider as its only issuer, and returns its exit code and what it prints.
async fn run(provider: &Provider, arguments: &[&str]) -> (Option<i32>, String) {
    let issuers = json!([{"issuer": provider.url, "audience": "hub"}]).to_string();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_signalhub"));
    command
        .args(arguments)
        .env_clear()
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env("SIGNALHUB_AUTH__ISSUERS", issuers);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn tokens_are_checked_with_fetched_keys_and_configurations_without() {
    let provider = Provider::start().await;
    let (code, text) = run(&provider, &["config", "check"]).await;
    assert!(code == Some(0) && text.contains("the configuration c"), "{text}");
    assert_eq!(provider.paths(), [""; 0]);
    let token = provider.sign("1");
    let (code, text) = run(&provider, &["token", "check", &token]).await;
    let reason = format!("the keys of {0}: {0}/.well-known/openid-configuration: the answer was 503", provider.url);
    assert!(code == Some(1) && text.contains(&reason), "{text}");
    assert_eq!(provider.paths(), ONE_FETCH[..1]);
    provider.publish("1");
    let (code, text) = run(&provider, &["token", "check", &token]).await;
    assert!(code == Some(0) && text.contains("\"sub\":\"ann\""), "{text}");
    assert_eq!(provider.paths(), ONE_FETCH);
    let (code, text) = run(&provider, &["token", "check", &provider.sign("2")]).await;
    assert!(code == Some(1) && text.contains("no key \"2\""), "{text}");
}
