//! A log that cannot be written, or that is not read, does not affect the server.

#![cfg(target_os = "linux")]
use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::Duration;

use crate::common::{SECRET, send};
use http::Request;
use http_body_util::Full;
use signalhub_server::HUB_PATH;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

/// A server whose streams are given, that logs at debug.
fn serve(stdout: Stdio, stderr: Stdio) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalhub"));
    for setting in ["listen.public=127.0.0.1:0", "listen.internal=127.0.0.1:0", "log.level=debug"] {
        command.args(["--set", setting]);
    }
    command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    command
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Reads up to a line with this text, and gives the URL in it.
async fn url(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut lines = BufReader::with_capacity(1, stream).lines();
    loop {
        let line = lines.next_line().await.unwrap().expect("the server has not ended");
        if let Some((_, address)) = line.split_once("127.0.0.1:").filter(|_| line.contains(text)) {
            let port: String = address.chars().take_while(char::is_ascii_digit).collect();
            return format!("http://127.0.0.1:{port}");
        }
    }
}

async fn get(url: &str) -> crate::common::Answer {
    let answer = send(Request::get(url).body(Full::default()).unwrap());
    tokio::time::timeout(Duration::from_secs(20), answer).await.expect("an answer")
}

/// Has something written to the log.
async fn be_refused(url: &str, count: usize) {
    for _ in 0..count {
        let long = "x".repeat(1000);
        let request = Request::post(format!("{url}{HUB_PATH}/negotiate")).header("X-Request-Id", &long[..100]);
        let request = request.header("Authorization", format!("Bearer {long}")).body(Full::default()).unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), send(request)).await.expect("an answer");
        assert_eq!(answer.status, 401);
    }
}

async fn terminate(mut server: Child) -> Option<i32> {
    let pid = server.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    tokio::time::timeout(Duration::from_secs(20), server.wait()).await.expect("an end").unwrap().code()
}

#[tokio::test]
async fn a_server_starts_and_serves_where_its_log_cannot_be_written() {
    let mut server = serve(Stdio::piped(), full()).spawn().unwrap();
    let url = url(server.stdout.as_mut().unwrap(), "Hub ").await;
    be_refused(&url, 3).await;
    assert_eq!(get(&format!("{url}/health")).await.status, 200);
    assert_eq!(terminate(server).await, Some(0));
}

#[tokio::test]
async fn a_server_starts_and_serves_where_its_greeting_cannot_be_written() {
    let mut server = serve(full(), Stdio::piped()).spawn().unwrap();
    let url = url(server.stderr.as_mut().unwrap(), "listening").await;
    assert_eq!(get(&format!("{url}/health")).await.status, 200);
    assert_eq!(terminate(server).await, Some(0));
}

#[tokio::test]
async fn a_server_goes_on_when_the_reader_of_its_log_has_gone() {
    let mut server = serve(Stdio::null(), Stdio::piped()).env("SIGNALHUB_AUTH__SECRET", SECRET).spawn().unwrap();
    let url = url(server.stderr.as_mut().unwrap(), "listening").await;
    drop(server.stderr.take());
    be_refused(&url, 3).await;
    assert_eq!(get(&format!("{url}/health")).await.status, 200);
    assert_eq!(terminate(server).await, Some(0));
}

#[tokio::test]
async fn nothing_waits_for_a_log_that_is_not_read_and_what_is_lost_is_counted() {
    let mut command = serve(Stdio::null(), Stdio::piped());
    // With all that HTTP has to say, so that the log is full soon.
    let mut server = command
        .env("SIGNALHUB_AUTH__SECRET", SECRET)
        .env("SIGNALHUB_LIMITS__FAILED_AUTHENTICATIONS", "unlimited")
        .env("RUST_LOG", "trace")
        .spawn()
        .unwrap();
    let stderr = server.stderr.as_mut().unwrap();
    let internal = url(stderr, "serving operators").await;
    let url = url(stderr, "listening").await;
    let dropped = async || {
        let page = get(&format!("{internal}/metrics")).await.text;
        let (_, count) = page.split_once("\nsignalhub_log_lines_dropped_total ").expect("the counter");
        count.lines().next().unwrap().parse::<u64>().unwrap()
    };
    // More than the pipe and the queue hold.
    while dropped().await == 0 {
        be_refused(&url, 100).await;
    }
    assert_eq!(get(&format!("{url}/health")).await.status, 200);
    assert_eq!(get(&format!("{internal}/health/live")).await.status, 200);
    assert_eq!(terminate(server).await, Some(0));
}
