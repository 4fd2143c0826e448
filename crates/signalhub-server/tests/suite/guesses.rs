//! How many wrong keys and tokens may come from one address.

use crate::common::{Answer, KEY, Running, configuration, send, sign_claims};
use http::Request;
use http_body_util::Full;
use serde_json::json;
use signalhub_server::configuration::ApiKey;

/// A key that could be guessed, as development mode allows one.
const SHORT_KEY: &str = "abc";

/// Who asks, at which door, with which credentials.
struct Guess<'a> {
    node: &'a Running,
    address: &'a str,
}

impl Guess<'_> {
    async fn publish(&self, name: &str, value: &str) -> Answer {
        let request = Request::post(format!("{}/api/v1/publish", self.node.url)).header(name, value);
        let request = request.header("x-forwarded-for", self.address);
        send(request.body(Full::from(r#"{"e":"portos.licence.activated","p":{}}"#)).unwrap()).await
    }

    async fn negotiate(&self, token: &str) -> Answer {
        let request = Request::post(format!("{}/negotiate?negotiateVersion=1", self.node.hub()));
        let request = request.header("authorization", format!("Bearer {token}"));
        send(request.header("x-forwarded-for", self.address).body(Full::default()).unwrap()).await
    }
}

#[tokio::test]
async fn wrong_keys_and_tokens_of_an_address_share_an_allowance() {
    let mut settings = configuration("[limits]\nfailed_authentications = \"4/h\"");
    settings.publish.keys.push(ApiKey::new(SHORT_KEY).unwrap());
    settings.read_toml("test", "[listen]\ntrusted_proxies = [\"127.0.0.1\"]").unwrap();
    let node = Running::start(settings).await;
    let good = node.token(|token| token.publish = vec!["*".parse().unwrap()]);
    let forged = format!("{good}x");
    let expired = sign_claims(&json!({"sub": "ann", "exp": 1, "publish": ["*"]}));
    let late = sign_claims(&json!({"sub": "ann", "exp": "tomorrow", "publish": ["*"]}));
    let unreadable = sign_claims(&json!({"sub": "ann", "exp": 4_000_000_000_u64, "publish": ["*"], "org": 5}));
    let bearer = |token: &str| format!("Bearer {token}");
    let guess = Guess { node: &node, address: "2001:db8::1" };
    for _ in 0..10 {
        // None of these is a guess.
        assert_eq!(guess.publish("x-api-key", KEY).await.status, 202);
        assert_eq!(guess.publish("x-nothing", "").await.status, 401);
        assert_eq!(guess.publish("authorization", &bearer(&expired)).await.status, 401);
        assert_eq!(guess.negotiate(&expired).await.status, 401);
        assert_eq!(guess.publish("authorization", &bearer(&unreadable)).await.status, 401);
        assert_eq!(guess.negotiate(&unreadable).await.status, 401);
        assert_eq!(guess.negotiate(&late).await.status, 401);
    }
    assert_eq!(guess.publish("x-api-key", "a-key-that-is-not-known").await.verdict(), "401 unauthenticated");
    assert_eq!(guess.publish("authorization", &bearer(&forged)).await.verdict(), "401 unauthenticated");
    assert_eq!(guess.negotiate(&forged).await.status, 401);
    assert_eq!(guess.negotiate("no.token.atall").await.status, 401);

    let neighbour = Guess { address: "2001:db8::ffff:2", ..guess };
    let refused = [
        neighbour.publish("x-api-key", "a-key-that-is-not-known").await,
        neighbour.publish("authorization", &bearer(&forged)).await,
        neighbour.negotiate(&forged).await,
        // Keys that could be guessed are not looked at any more, right or wrong.
        neighbour.publish("x-api-key", SHORT_KEY).await,
    ];
    for answer in &refused {
        assert_eq!(answer.status, 429, "{answer:?}");
        let after: u64 = answer.header("retry-after").parse().unwrap();
        assert!((800..=900).contains(&after), "{after}");
    }
    assert_eq!(refused[0].verdict(), "429 too_many_failures");
    assert_eq!(neighbour.publish("x-api-key", KEY).await.status, 202, "a key of this length cannot be guessed");
    // A signature cannot be guessed: a valid token is accepted, and an expired one is answered as such.
    assert_eq!(neighbour.publish("authorization", &bearer(&good)).await.status, 202);
    assert_eq!(neighbour.negotiate(&good).await.status, 200);
    assert_eq!(neighbour.negotiate(&expired).await.status, 401);
    let elsewhere = Guess { address: "2001:db8:0:1::1", ..guess };
    assert_eq!(elsewhere.publish("x-api-key", KEY).await.status, 202);
    assert_eq!(elsewhere.negotiate(&forged).await.status, 401);
    let counted = node.counts.refusals();
    assert_eq!((counted.connections.failed_authentications, counted.publishes.failed_authentications), (1, 3));
    node.stop().await;
}

#[tokio::test]
async fn guesses_are_limited_by_default_and_not_where_that_is_configured() {
    for (setting, expected) in [("", 60), ("[limits]\nfailed_authentications = \"unlimited\"", 100)] {
        let node = Running::start(configuration(setting)).await;
        let guess = Guess { node: &node, address: "" };
        let mut looked_at = 0;
        for number in 0..100 {
            looked_at += usize::from(guess.publish("x-api-key", &format!("guess-{number}")).await.status == 401);
        }
        // Some time passes meanwhile.
        assert!((expected..expected + 10).contains(&looked_at), "{looked_at} of 100 with '{setting}'");
        node.stop().await;
    }
}
