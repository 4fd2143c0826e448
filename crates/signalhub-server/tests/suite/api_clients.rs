//! The clients of the publish API: what each may publish, how often, until when, and under which name it is logged.

use crate::common::{Answer, Running, configuration, send};
use http::Request;
use http_body_util::Full;

const OLD: &str = "shk_old-key-of-billing-with-enough-characters";
const NEW: &str = "shk_new-key-of-billing-with-enough-characters";
const TICKETS: &str = "shk_key-of-tickets-with-enough-characters";
const EXPIRED: &str = "shk_expired-key-with-enough-characters";

const EVENT: &str = r#"{"e":"portos.licence.activated","p":{}"#;

fn digest(key: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, key.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A table for a client whose key is configured by its digest.
fn client(name: &str, key: &str, more: &str) -> String {
    format!("[[publish.clients]]\nname = \"{name}\"\nkey_sha256 = \"{}\"\n{more}\n", digest(key))
}

async fn publish(node: &Running, key: &str, content_type: &str, body: &str) -> Answer {
    let request = Request::post(format!("{}/api/v1/publish", node.url)).header("X-API-Key", key);
    send(request.header("Content-Type", content_type).body(Full::from(body.to_owned())).unwrap()).await
}

async fn json(node: &Running, key: &str, body: &str) -> Answer {
    publish(node, key, "application/json", body).await
}

#[tokio::test]
async fn a_client_publishes_its_events_for_its_organisations_and_no_others() {
    let settings =
        client("tickets", TICKETS, "events = [\"portos.*\", \"orders.paid\"]\norganisations = [\"acme\", \"b\"]")
            + &client("billing", NEW, "")
            + "[events]\nwithout_resources = [\"orders.paid\", \"orders.secret\"]";
    let node = Running::start(configuration(&settings)).await;
    for (key, rest, expected) in [
        (TICKETS, r#","org":"acme"}"#, "202 -"),
        (TICKETS, r#","org":"b"}"#, "202 -"),
        (TICKETS, r#","org":"other"}"#, "403 forbidden"),
        (TICKETS, r#","org":"acm"}"#, "403 forbidden"),
        (TICKETS, r#","org":"ACME"}"#, "403 forbidden"),
        (TICKETS, "}", "403 forbidden"),
        (NEW, r#","org":"other"}"#, "202 -"),
        (NEW, "}", "202 -"),
    ] {
        assert_eq!(json(&node, key, &format!("{EVENT}{rest}")).await.verdict(), expected, "{rest}");
    }
    let of = |event: &str| format!(r#"{{"e":"{event}","p":{{}},"org":"acme"}}"#);
    assert_eq!(json(&node, TICKETS, &of("orders.paid")).await.verdict(), "202 -");
    let refused = json(&node, TICKETS, &of("orders.secret")).await;
    assert_eq!(refused.verdict(), "403 forbidden");
    // What it may not publish looks the same, whether it exists or not.
    let unknown = json(&node, TICKETS, &of("orders.nothing")).await;
    assert_eq!(unknown.text, refused.text.replace("orders.secret", "orders.nothing"));
    // The names in an error are those that it may publish.
    let error = json(&node, TICKETS, &of("portos.nothing")).await;
    assert_eq!(error.verdict(), "400 unknown_event");
    assert!(error.text.contains("orders.paid") && !error.text.contains("orders.secret"), "{}", error.text);

    let batch = format!("[{},{},{EVENT}}},{}]", of("orders.paid"), of("orders.secret"), of("portos.licence.activated"));
    let answer = json(&node, TICKETS, &batch).await;
    assert_eq!((answer.status.as_u16(), answer.codes()), (200, vec!["-", "forbidden", "forbidden", "-"]));
    let cloud_event = |event: &str, org: &str| {
        format!(r#"{{"specversion":"1.0","id":"1","source":"/a","type":"{event}","data":{{}},"org":"{org}"}}"#)
    };
    for (event, org, expected) in [
        ("orders.paid", "acme", "202 -"),
        ("orders.paid", "other", "403 forbidden"),
        ("orders.secret", "acme", "403 forbidden"),
    ] {
        let answer = publish(&node, TICKETS, "application/cloudevents+json", &cloud_event(event, org)).await;
        assert_eq!(answer.verdict(), expected, "{event} {org}: {}", answer.text);
    }
    node.stop().await;
}

#[tokio::test]
async fn the_keys_of_a_name_share_its_allowance_and_others_have_their_own() {
    let settings = client("billing", OLD, "rate = \"3/h\"")
        + &client("billing", NEW, "rate = \"3/h\"")
        + &client("tickets", TICKETS, "");
    let node = Running::start(configuration(&settings)).await;
    let body = format!("{EVENT}}}");
    assert_eq!(json(&node, OLD, &body).await.status, 202);
    let batch = json(&node, NEW, &format!("[{body},{body},{body}]")).await;
    assert_eq!(batch.verdict(), "429 rate_limited", "one was taken, and two of three are left");
    assert!(batch.text.contains("3/h (rate of the API client)"), "{}", batch.text);
    assert_eq!(json(&node, NEW, &body).await.status, 202);
    for key in [OLD, NEW] {
        assert_eq!(json(&node, key, &body).await.verdict(), "429 rate_limited");
    }
    assert_eq!(json(&node, TICKETS, &format!("[{body},{body},{body},{body}]")).await.status, 200);
    assert_eq!(node.publish(&body).await.status, 202, "keys of publish.keys have the common rate");
    node.stop().await;
}

#[tokio::test]
async fn two_keys_in_one_request_are_refused_whichever_comes_first() {
    let node = Running::start(configuration(&client("billing", NEW, ""))).await;
    for keys in [[NEW, "a-wrong-key-of-enough-characters"], ["a-wrong-key-of-enough-characters", NEW], [NEW, NEW]] {
        let request = Request::post(format!("{}/api/v1/publish", node.url)).header("Content-Type", "application/json");
        let request = keys.iter().fold(request, |request, key| request.header("X-API-Key", *key));
        let answer = send(request.body(Full::from(format!("{EVENT}}}"))).unwrap()).await;
        assert_eq!(answer.verdict(), "401 unauthenticated", "{keys:?}");
    }
    node.stop().await;
}

#[tokio::test]
async fn an_expired_key_is_refused_and_is_no_guess() {
    let settings = client("old", EXPIRED, "expires = 2020-01-01")
        + &client("billing", NEW, "expires = \"2999-01-01T00:00:00Z\"")
        + "[limits]\nfailed_authentications = \"2/h\"";
    let node = Running::start(configuration(&settings)).await;
    let body = format!("{EVENT}}}");
    for _ in 0..5 {
        let answer = json(&node, EXPIRED, &body).await;
        assert_eq!(answer.verdict(), "401 unauthenticated");
        assert!(answer.text.contains("the API key has expired"), "{}", answer.text);
    }
    assert_eq!(json(&node, NEW, &body).await.status, 202);
    for expected in ["401 unauthenticated", "401 unauthenticated", "429 too_many_failures"] {
        assert_eq!(json(&node, "shk_a-wrong-key-with-enough-characters", &body).await.verdict(), expected);
    }
    assert_eq!(json(&node, NEW, &body).await.status, 202, "a key that cannot be guessed is accepted all the same");
    node.stop().await;
}

#[tokio::test]
async fn metrics_count_what_each_name_published() {
    let settings = client("billing", OLD, "") + &client("billing", NEW, "") + &client("tickets", TICKETS, "");
    let node = Running::start(configuration(&settings)).await;
    let body = format!("{EVENT}}}");
    for key in [OLD, NEW] {
        assert_eq!(json(&node, key, &body).await.status, 202);
    }
    assert_eq!(json(&node, TICKETS, &format!("[{body},{{}},{body},{body}]")).await.status, 200);
    node.publish(&body).await;
    let page = send(Request::get(format!("{}/metrics", node.internal)).body(Full::default()).unwrap()).await.text;
    for (name, count) in [("billing", 2), ("tickets", 3)] {
        let line = format!("signalhub_api_client_publishes_total{{publisher=\"{name}\"}} {count}\n");
        assert!(page.contains(&line), "{line} is missing: {page}");
    }
    node.stop().await;
}
