//! `signalhub health` against servers of this process.

#![cfg(unix)]

use std::process::Output;

use crate::common::certificate::Files;
use crate::common::process::program;
use crate::common::{Running, configuration};
use tokio::net::TcpListener;

fn texts(output: &Output) -> (Option<i32>, String) {
    assert_eq!(output.stdout, b"");
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

async fn health(arguments: &[&str]) -> (Option<i32>, String) {
    texts(&program(&[&["health"], arguments].concat()).output().await.unwrap())
}

#[tokio::test]
async fn health_exits_with_0_while_the_server_is_ready_and_with_1_when_it_is_not() {
    let node = Running::start(configuration("shutdown_delay = \"1h\"")).await;
    let address = node.internal.trim_start_matches("http://").to_owned();
    let configured = ["--set", &format!("listen.internal={address}")];
    let public = node.url.trim_start_matches("http://");
    let without = ["--set", "listen.internal=", "--set", &format!("listen.public={public}")];
    let ready = (Some(0), String::new());
    assert_eq!(health(&configured).await, ready);
    assert_eq!(health(&["--url", &node.internal]).await, ready);
    assert_eq!(health(&without).await, ready);
    let (internal, ended) = (node.internal.clone(), node.begin_to_stop());
    // The server takes note of its end at once, but in another task.
    let (code, error) = loop {
        match health(&configured).await {
            (Some(0), _) => tokio::task::yield_now().await,
            other => break other,
        }
    };
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains(&format!("{internal}/health/ready answered 503: ")), "{error}");
    assert!(error.contains("the server is stopping"), "{error}");
    ended.abort();
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_not_ready() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (code, error) = health(&["--url", &url, "--timeout", "50ms"]).await;
    assert!(code == Some(1) && error.contains("did not answer within 0.05 s"), "{error}");
    drop(silent);
    let (code, error) = health(&["--url", &url]).await;
    assert!(code == Some(1) && error.contains("could not be reached: "), "{error}");
    let (code, error) = health(&["--url", "ftp://example.com"]).await;
    assert!(code == Some(2) && error.contains("is no URL"), "{error}");
}

#[tokio::test]
async fn health_trusts_the_configured_certificate_of_its_own_server() {
    let files = Files::new();
    files.renew();
    let node = Running::start(configuration(&files.settings("internal = true"))).await;
    let address = node.internal.rsplit('/').next().unwrap().to_owned();
    let certificate = files.path("chain.pem");
    let settings = [
        format!("listen.internal={address}"),
        "tls.internal=true".to_owned(),
        format!("tls.certificate={certificate}"),
        format!("tls.key={}", files.path("key.pem")),
    ];
    let flags: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting.as_str()]).collect();
    assert_eq!(health(&flags).await, (Some(0), String::new()));
    let url = format!("https://{address}");
    assert_eq!(health(&["--url", &url, "--ca", &certificate]).await.0, Some(0));
    assert_eq!(health(&["--url", &url]).await.0, Some(1));
    node.stop().await;
}
