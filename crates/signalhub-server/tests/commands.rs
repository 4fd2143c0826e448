//! `signalhub listen` and `signalhub publish` as processes, against a server in this one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::{KEY, Running, configuration};
use signalhub_server::configuration::Address;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};

const EVENT: &str = "portos.licence.activated";

/// The program with nothing from outside.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalhub"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// A file of this test that holds such a text.
fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// Reads up to a line with this text.
async fn says<R: AsyncRead + Unpin>(lines: &mut Lines<BufReader<R>>, text: &str) {
    loop {
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.expect("a line");
        let line = line.unwrap().unwrap_or_else(|| panic!("{text} was not said"));
        if line.contains(text) {
            return;
        }
    }
}

async fn exit(child: &mut Child) -> Option<i32> {
    tokio::time::timeout(Duration::from_secs(30), child.wait()).await.expect("an end").unwrap().code()
}

#[tokio::test]
async fn listening_goes_on_when_the_server_was_started_again() {
    let node = Running::start(configuration("")).await;
    let address = node.url.trim_start_matches("http://").to_owned();
    let token = file("listen-token", &format!("{}\n", node.token(|_| {})));
    let mut child = program(&["listen", EVENT, "--url", &node.url, "--token-file"]).arg(&token).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut events = BufReader::new(child.stdout.take().unwrap()).lines();
    says(&mut said, "listening for").await;
    let mut configuration = node.configuration.clone();
    configuration.listen.public = Address::new(&address);
    node.stop().await;
    says(&mut said, "connecting again").await;
    let again = Running::start(configuration).await;
    says(&mut said, "connected again").await;
    let receipt = again.publish(&format!("{{\"e\":\"{EVENT}\",\"p\":{{\"n\":7}}}}")).await;
    assert_eq!(receipt.body["matched"], 1, "{}", receipt.text);
    says(&mut events, "{\"n\":7}").await;
    std::fs::remove_file(token).unwrap();
}

#[tokio::test]
async fn listening_ends_with_its_token_and_says_so() {
    let node = Running::start(configuration("[auth]\nleeway = \"0s\"")).await;
    let token = node.token(|content| content.lifetime = Duration::from_secs(2));
    let mut child = program(&["listen", EVENT, "--url", &node.url]).env("SIGNALHUB_TOKEN", token).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    says(&mut said, "listening for").await;
    says(&mut said, "the token has expired").await;
    assert_eq!(exit(&mut child).await, Some(1));
    node.stop().await;
}

#[tokio::test]
async fn listening_ends_where_the_server_started_again_does_not_know_its_token() {
    let node = Running::start(configuration("")).await;
    let address = node.url.trim_start_matches("http://").to_owned();
    let (url, token) = (node.url.clone(), node.token(|_| {}));
    let mut child = program(&["listen", EVENT, "--url", &url, "--token", &token]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    says(&mut said, "listening for").await;
    node.stop().await;
    let mut other = configuration("");
    other.auth.secret = signalhub_server::configuration::SigningSecret::new("another secret that has enough bytes");
    other.listen.public = Address::new(&address);
    let again = Running::start(other).await;
    says(&mut said, "does not accept the credentials (401)").await;
    assert_eq!(exit(&mut child).await, Some(1));
    again.stop().await;
}

#[tokio::test]
async fn secrets_come_from_arguments_files_variables_or_the_configuration() {
    let node = Running::start(configuration("")).await;
    let token = node.token(|content| content.publish.push("portos.*".parse().unwrap()));
    let (key_file, token_file) = (file("key", &format!("{KEY}\n")), file("token", &token));
    let toml = file("publish.toml", &format!("[publish]\nkeys = [\"{KEY}\", \"second-key-of-the-tests\"]\n"));
    let (key_path, token_path) = (key_file.to_str().unwrap(), token_file.to_str().unwrap());
    let none: [(&str, &str); 0] = [];
    type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32, &'a str);
    let rows: &[Row<'_>] = &[
        (&["--key", KEY], &none, 0, "matched"),
        (&["--key-file", key_path], &none, 0, "matched"),
        (&["--token", &token], &none, 0, "matched"),
        (&["--token-file", token_path], &none, 0, "matched"),
        (&[], &[("SIGNALHUB_KEY", KEY)], 0, "matched"),
        (&[], &[("SIGNALHUB_TOKEN", &token)], 0, "matched"),
        (&[], &[("SIGNALHUB_PUBLISH__KEYS", KEY)], 0, "matched"),
        (&["--config", toml.to_str().unwrap()], &none, 0, "matched"),
        // What is said more clearly wins.
        (&["--key", KEY], &[("SIGNALHUB_KEY", "wrong-key-of-the-variable")], 0, "matched"),
        (&["--token", &token], &[("SIGNALHUB_KEY", "wrong-key-of-the-variable")], 0, "matched"),
        (&[], &[("SIGNALHUB_KEY", KEY), ("SIGNALHUB_PUBLISH__KEYS", "wrong-key-of-the-configuration")], 0, "matched"),
        (&[], &none, 1, "refused with 401"),
        (&["--key-file", "missing"], &none, 1, "missing cannot be read"),
        (&["--key-file", key_path, "--key", KEY], &none, 2, "cannot be used with"),
        (&["--token-file", token_path, "--token", "x"], &none, 2, "cannot be used with"),
    ];
    for (arguments, variables, code, text) in rows {
        let mut command = program(&["publish", EVENT, "--payload", "{}", "--url", &node.url]);
        let output = command.args(*arguments).envs(variables.iter().copied()).output().await.unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(output.status.code(), Some(*code), "{arguments:?} {printed}");
        assert!(printed.contains(text), "{arguments:?} {printed}");
    }
    let secret = node.configuration.auth.secret.as_ref().unwrap().reveal().to_owned();
    let check = |command: &mut Command| command.env("SIGNALHUB_AUTH__SECRET", &secret).output();
    for command in
        [program(&["token", "check", &token]), program(&["token", "check", "--token-file", token_path])].iter_mut()
    {
        assert_eq!(check(command).await.unwrap().status.code(), Some(0));
    }
    assert_eq!(
        check(program(&["token", "check"]).env("SIGNALHUB_TOKEN", &token)).await.unwrap().status.code(),
        Some(0)
    );
    assert_eq!(check(&mut program(&["token", "check"])).await.unwrap().status.code(), Some(2));
    for path in [key_file, token_file, toml] {
        std::fs::remove_file(path).unwrap();
    }
    node.stop().await;
}
