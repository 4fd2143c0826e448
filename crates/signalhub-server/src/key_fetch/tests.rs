//! The fetches of one issuer, with a clock that tests pause and a provider that is a function.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use http::StatusCode;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use signalhub::connections::{Issuer, TokenError};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::*;
use crate::Configuration;
use crate::configuration::KeyUrl;

const ISSUER: &str = "https://login.acme.example";

/// The keys of a provider, and what came of the fetches from it.
struct Provider {
    key: EncodingKey,
    /// The ids under which the provider publishes its key; none if it does not answer.
    ids: Mutex<Vec<&'static str>>,
    /// How long an answer takes.
    delay: Mutex<Duration>,
    fetches: AtomicUsize,
    log: Log,
    _guard: tracing::subscriber::DefaultGuard,
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Provider {
    fn new(ids: &[&'static str]) -> Arc<Self> {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().without_time().with_ansi(false).with_target(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        Arc::new(Self {
            key: EncodingKey::from_ec_der(key.as_ref()),
            ids: Mutex::new(ids.to_vec()),
            delay: Mutex::default(),
            fetches: AtomicUsize::new(0),
            log,
            _guard: tracing::subscriber::set_default(subscriber),
        })
    }

    fn publish(&self, ids: &[&'static str]) {
        *self.ids.lock().unwrap() = ids.to_vec();
    }

    fn sign(&self, kid: &str) -> String {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(Algorithm::ES256) };
        let claims = json!({"iss": ISSUER, "sub": "ann", "exp": 4_000_000_000_u64});
        jsonwebtoken::encode(&header, &claims, &self.key).unwrap()
    }

    fn answer(&self) -> Result<Fetched, FetchError> {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let ids = self.ids.lock().unwrap();
        if ids.is_empty() {
            let url = KeyUrl::parse(ISSUER).unwrap();
            return Err(FetchError::Status { url, status: StatusCode::SERVICE_UNAVAILABLE });
        }
        let jwk = serde_json::to_value(Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap()).unwrap();
        let named = |id: &&str| {
            let mut jwk = jwk.clone();
            jwk["kid"] = (*id).into();
            jwk
        };
        let keys: Vec<Value> = ids.iter().map(named).collect();
        Ok(Fetched { text: json!({ "keys": keys }).to_string().into(), max_age: None })
    }

    fn fetch_count(&self) -> usize {
        self.fetches.swap(0, Ordering::Relaxed)
    }
}

struct Running {
    tokens: Arc<Issuers>,
    fetches: KeyFetches,
    task: JoinHandle<Infallible>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn start(provider: &Arc<Provider>) -> Running {
    let mut configuration = Configuration::default();
    configuration.read_toml("test", &format!("[[auth.issuers]]\nissuer = \"{ISSUER}\"\ndiscovery = true")).unwrap();
    let auth = configuration.auth;
    let fetch = KeyFetch::new(0, &auth, &auth.issuers[0]).unwrap().unwrap();
    let tokens = Arc::new(Issuers::new().with(Issuer::fetched(ISSUER, Arc::clone(&fetch) as _)));
    let fetches = KeyFetches::new(Arc::clone(&tokens), vec![Arc::clone(&fetch)]);
    let task = {
        let (provider, tokens) = (Arc::clone(provider), Arc::clone(&tokens));
        let send = move || -> BoxFuture<_> {
            let provider = Arc::clone(&provider);
            Box::pin(async move {
                let delay = *provider.delay.lock().unwrap();
                sleep(delay).await;
                provider.answer()
            })
        };
        tokio::spawn(async move { fetch.run(&tokens, send).await })
    };
    Running { tokens, fetches, task }
}

impl Running {
    async fn user(&self, token: &str) -> Result<String, TokenError> {
        self.tokens.verify_when_ready(token).await.map(|identity| identity.user.unwrap().to_string())
    }
}

fn unknown(kid: &str) -> Result<String, TokenError> {
    Err(TokenError::NoKey { id: Some(kid.into()) })
}

#[tokio::test(start_paused = true)]
async fn a_hundred_first_requests_share_one_fetch() {
    let provider = Provider::new(&["1"]);
    *provider.delay.lock().unwrap() = Duration::from_millis(1900);
    let running = Arc::new(start(&provider));
    let token = provider.sign("1");
    let requests = (0..100).map(|_| {
        let (running, token) = (Arc::clone(&running), token.clone());
        tokio::spawn(async move { running.user(&token).await })
    });
    let requests: Vec<_> = requests.collect();
    for request in requests {
        assert_eq!(request.await.unwrap().as_deref(), Ok("ann"));
    }
    assert_eq!(provider.fetch_count(), 1);
    assert_eq!(running.user(&token).await.as_deref(), Ok("ann"));
    assert_eq!(provider.fetch_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_two_seconds_for_its_key_and_is_then_refused() {
    let provider = Provider::new(&["1"]);
    *provider.delay.lock().unwrap() = Duration::from_secs(4);
    let running = start(&provider);
    let begun = Instant::now();
    assert_eq!(running.user(&provider.sign("1")).await, Err(TokenError::KeysNotLoaded));
    assert_eq!(begun.elapsed().as_secs(), 2);
    // The fetch goes on, and the next request has its keys.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(running.user(&provider.sign("1")).await.as_deref(), Ok("ann"));
    assert_eq!(begun.elapsed().as_secs(), 4);
    assert_eq!(provider.fetch_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_changed_key_is_fetched_for_its_first_token_and_the_old_one_is_gone() {
    let provider = Provider::new(&["1"]);
    let running = start(&provider);
    assert_eq!(running.user(&provider.sign("1")).await.as_deref(), Ok("ann"));
    sleep(Duration::from_secs(31)).await;
    assert_eq!(provider.fetch_count(), 1);
    provider.publish(&["2"]);
    assert_eq!(running.user(&provider.sign("2")).await.as_deref(), Ok("ann"));
    assert_eq!(provider.fetch_count(), 1);
    // It was verified before, and is refused all the same.
    assert_eq!(running.user(&provider.sign("1")).await, unknown("1"));
    // Without such a token, keys are fetched every quarter of an hour.
    provider.publish(&["3"]);
    sleep(Duration::from_secs(15 * 60 + 1)).await;
    assert_eq!(provider.fetch_count(), 1);
    assert_eq!(running.user(&provider.sign("3")).await.as_deref(), Ok("ann"));
    assert_eq!(provider.fetch_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn forged_key_ids_cost_one_fetch_in_thirty_seconds() {
    let provider = Provider::new(&["1"]);
    let running = start(&provider);
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    for second in 0..600 {
        for number in 0..20 {
            let kid = format!("forged-{second}-{number}");
            let asked = Instant::now();
            assert_eq!(running.user(&provider.sign(&kid)).await, unknown(&kid));
            longest = longest.max(asked.elapsed());
        }
        assert_eq!(running.user(&provider.sign("1")).await.as_deref(), Ok("ann"), "the good key is used meanwhile");
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(begun.elapsed().as_secs(), 600);
    assert_eq!(provider.fetch_count(), 20);
    assert!(longest < Duration::from_millis(10), "only requests during a fetch wait: {longest:?}");
}

#[tokio::test(start_paused = true)]
async fn old_keys_are_used_until_they_are_too_old_and_readiness_and_log_say_so() {
    let provider = Provider::new(&[]);
    let running = start(&provider);
    sleep(Duration::from_secs(60)).await;
    assert!((6..=8).contains(&provider.fetch_count()));
    assert_eq!(running.fetches.missing_keys().unwrap(), format!("no keys of {ISSUER} yet"));
    let log = provider.log.take();
    let reason = format!("error={ISSUER}/: the answer was 503 Service Unavailable");
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(
        log.starts_with(" WARN") && log.contains(&reason) && log.contains("none of its tokens are accepted"),
        "{log}"
    );

    provider.publish(&["1"]);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(running.fetches.missing_keys(), None);
    let log = provider.log.take();
    assert!(log.lines().count() == 1 && log.contains("were fetched"), "{log}");

    provider.publish(&[]);
    sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(running.user(&provider.sign("1")).await.as_deref(), Ok("ann"), "the old key is used for a day");
    assert_eq!(running.fetches.missing_keys(), None);
    let log = provider.log.take();
    assert!(log.lines().count() == 1 && log.contains(" WARN") && log.contains("the old ones are kept"), "{log}");
    sleep(Duration::from_secs(15 * 60)).await;
    assert_eq!(running.user(&provider.sign("1")).await, Err(TokenError::KeysNotLoaded));
    let missing = running.fetches.missing_keys().unwrap();
    assert_eq!(missing, format!("the keys of {ISSUER} could not be fetched for 86400s"));
    let log = provider.log.take();
    assert!(log.lines().count() == 1 && log.contains("none of its tokens are accepted any more"), "{log}");

    provider.publish(&["1"]);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(running.user(&provider.sign("1")).await.as_deref(), Ok("ann"));
    assert_eq!(running.fetches.missing_keys(), None);
    let log = provider.log.take();
    assert!(log.lines().count() == 1 && log.contains("can be fetched again"), "{log}");
    let [ok, .., refused, invalid] = running.fetches.outcomes().unwrap();
    assert!(ok.1 > 0 && refused.1 > 1000, "{ok:?} {refused:?}");
    assert_eq!([ok.0, refused.0, invalid.0], ["ok", "refused", "invalid"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_keys_again_leave_verified_tokens_alone() {
    let provider = Provider::new(&["1"]);
    let running = start(&provider);
    assert_eq!(running.user(&provider.sign("1")).await.as_deref(), Ok("ann"));
    let fetch = &running.fetches.fetches[0];
    let text = fetch.used.lock().unwrap().text.clone().unwrap();
    // Another set in place of the one that was fetched is not replaced by the same text.
    running.tokens.replace_keys(ISSUER, KeySet::empty());
    assert_eq!(fetch.used_keys(&running.tokens, &text).unwrap(), 0);
}
