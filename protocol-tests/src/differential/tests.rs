use std::time::Duration;

use serde_json::json;

use super::generate::conversation;
use super::{Comparison, Differential, Differing, plain};
use crate::compare::differences;

#[test]
fn a_seed_decides_the_conversations() {
    for number in 0..500 {
        let first = conversation(7, number, 50).unwrap();
        assert_eq!(first, conversation(7, number, 50).unwrap(), "{number}");
        assert!(!first.steps.is_empty());
    }
    assert_ne!(conversation(7, 1, 50).unwrap().steps, conversation(8, 1, 50).unwrap().steps);
}

#[test]
fn texts_of_json_readers_do_not_count() {
    let error = |text: &str| plain(json!([{"error": format!("It failed. JsonException: {text}")}]));
    assert_eq!(error("one text"), error("another"));
    assert_ne!(plain(json!("JsonException: a")), plain(json!("HubException: a")));
}

#[test]
fn the_last_line_counts_what_differs() {
    let differing = Differing {
        id: "random/1-2".to_owned(),
        said: vec!["/conformance".to_owned()],
        differences: differences(&json!(1), &json!(2)),
    };
    let comparison = Comparison { held: 5, differing: vec![differing], unsteady: 0 };
    let text = comparison.to_string();
    assert!(text.contains("random/1-2") && text.contains("wanted 1") && text.ends_with("4 passed, 1 failed"), "{text}");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = format!("http://{free}").parse().unwrap();
    let differential = Differential { seed: 1, count: 1, jobs: 1, idle: Duration::from_millis(1) };
    let error = differential.run(&address, &address).await.unwrap_err();
    assert!(error.to_string().starts_with("no server answers at"), "{error}");
}
