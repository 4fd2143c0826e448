//! A hangup (SIGHUP) makes the server read certificates and keys again, and never ends it.

#![cfg(unix)]
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use crate::common::SECRET;
use crate::common::certificate::Files;
use crate::common::process::{Server, program};
use signalhub_client::Client;
use signalhub_server::HUB_PATH;

const SECRET_SET: (&str, &str) = ("SIGNALHUB_AUTH__SECRET", SECRET);

/// The variables of a server with a certificate.
fn with_tls(files: &Files) -> [(&'static str, String); 3] {
    let (chain, key) = (files.path("chain.pem"), files.path("key.pem"));
    [(SECRET_SET.0, SECRET.to_owned()), ("SIGNALHUB_TLS__CERTIFICATE", chain), ("SIGNALHUB_TLS__KEY", key)]
}

#[tokio::test]
async fn a_hangup_during_the_start_ends_nothing_and_is_obeyed_later() {
    let files = Files::new();
    files.renew();
    let variables = with_tls(&files);
    // The server waits for the key, because nothing has been written into this pipe.
    let (path, later) = (files.path("key.pem"), files.path("later.pem"));
    let key = fs::read(&path).unwrap();
    fs::rename(&path, &later).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    // Opened for both directions, because opening it to write would wait for a reader.
    let mut pipe = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let mut server = Server::spawn(&variables.each_ref().map(|(name, value)| (*name, &**value)));
    server.logged(" starting").await;
    server.signal("-HUP").await;
    // What reads the key again finds a file.
    fs::rename(&later, &path).unwrap();
    pipe.write_all(&key).unwrap();
    drop(pipe);
    server.listening().await;
    if !server.log.contains("SIGHUP") {
        server.logged("SIGHUP").await;
    }
    assert_eq!(server.terminate().await.0, Some(0));
}

#[tokio::test]
async fn a_hangup_ends_nothing_in_development_mode_and_without_tls() {
    for variables in [&[][..], &[SECRET_SET][..]] {
        let mut server = Server::start(variables).await;
        server.signal("-HUP").await;
        server.logged("SIGHUP").await;
        assert_eq!(server.terminate().await.0, Some(0));
    }
}

#[tokio::test]
async fn a_hangup_does_not_disturb_a_server_that_stops() {
    let token = program(&["token", "create", "--user", "ann"]).env(SECRET_SET.0, SECRET_SET.1).output().await.unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    // Either it still accepts clients, or it closes those that it has.
    for (delay, drain) in [("500ms", "0s"), ("0s", "2s")] {
        let times = [("SIGNALHUB_LISTEN__SHUTDOWN_DELAY", delay), ("SIGNALHUB_LISTEN__DRAIN_TIME", drain)];
        let mut server = Server::start(&[SECRET_SET, times[0], times[1]]).await;
        let hub = format!("{}{HUB_PATH}", server.url);
        let connect = async || Client::connect(&hub, Some(token.trim())).await.unwrap();
        let (first, second) = (connect().await, connect().await);
        server.signal("-TERM").await;
        server.logged("stopping").await;
        if drain != "0s" {
            tokio::select! {
                _ = first.disconnected() => {}
                _ = second.disconnected() => {}
            }
        }
        server.signal("-HUP").await;
        server.logged("SIGHUP").await;
        let (code, _, log) = tokio::time::timeout(Duration::from_secs(20), server.end()).await.unwrap();
        assert!(code == Some(0) && log.trim_end().ends_with("stopped"), "{code:?} {log}");
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_logged_once_however_many_hangups_there_are() {
    let files = Files::new();
    files.renew();
    let variables = with_tls(&files);
    let [secret, chain, key] = variables.each_ref().map(|(name, value)| (*name, &**value));
    let mut server = Server::start(&[secret, chain, key, ("SIGNALHUB_TLS__RELOAD_INTERVAL", "1d")]).await;
    let refused = "the certificate has changed and cannot be used";
    // Two reasons: the same warning is written once a second.
    for garbage in ["garbage", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"] {
        // Renamed, so that it is never read when only a part of it is written.
        files.write("written.pem", garbage);
        fs::rename(files.path("written.pem"), files.path("chain.pem")).unwrap();
        server.signal("-HUP").await;
        server.logged(refused).await;
        for _ in 0..3 {
            server.signal("-HUP").await;
            server.logged("SIGHUP").await;
            // The next line is another one.
            server.log.push('\n');
        }
    }
    let (code, _, log) = server.terminate().await;
    assert_eq!((code, log.matches(refused).count()), (Some(0), 2), "{log}");
}

#[tokio::test]
async fn a_certificate_that_cannot_be_read_to_its_end_does_not_keep_a_server_that_stops() {
    let files = Files::new();
    files.renew();
    let variables = with_tls(&files);
    let mut server = Server::start(&variables.each_ref().map(|(name, value)| (*name, &**value))).await;
    // Nothing is ever written into this pipe.
    let path = files.path("chain.pem");
    fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    server.signal("-HUP").await;
    server.logged("SIGHUP").await;
    // Opening it to write waits until the server reads.
    let opened = tokio::task::spawn_blocking(move || OpenOptions::new().write(true).open(path));
    let _pipe = opened.await.unwrap().unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(20), server.terminate()).await;
    assert_eq!(ended.expect("the process ends").0, Some(0));
}
