//! The commands as processes: `listen` and `publish` against a server in this one, and what each exits with.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::common::{KEY, Running, SECRET, configuration, sign_claims};
use signalhub_server::configuration::Address;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

const EVENT: &str = "portos.licence.activated";

/// The program with nothing from outside.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalhub"));
    command.args(arguments).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn texts(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
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

/// Closes the first connection without an answer, answers on the second one, and returns both requests.
async fn lose_an_answer(listener: TcpListener, receipt: &str) -> [String; 2] {
    let mut requests = [String::new(), String::new()];
    for (request, is_lost) in requests.iter_mut().zip([true, false]) {
        let (mut socket, _) = listener.accept().await.unwrap();
        while !request.ends_with('}') {
            let mut buffer = [0; 1024];
            let count = socket.read(&mut buffer).await.unwrap();
            assert_ne!(count, 0, "the command left after {request:?}");
            request.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        if !is_lost {
            let answer = format!("HTTP/1.1 202 Accepted\r\ncontent-length: {}\r\n\r\n{receipt}", receipt.len());
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    }
    requests
}

#[tokio::test]
async fn publish_repeats_what_was_not_answered_with_the_same_key() {
    let receipt = r#"{"id":"e-1","position":"e:1","matched":0,"duplicate":true,"durable":true}"#;
    let given = ["--idempotency-key", "order-17", "--wait", "durable"];
    for (arguments, path, key) in [
        (&given[..], "/api/v1/publish?wait=durable", Some("order-17")),
        (&["--wait", "delivered"], "/api/v1/publish?wait=delivered", None),
        (&[], "/api/v1/publish", None),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut command = program(&["publish", EVENT, "--payload", "{}", "--url", &url, "--key", KEY]);
        let (output, requests) = tokio::join!(command.args(arguments).output(), lose_an_answer(listener, receipt));
        let (code, printed, error) = texts(&output.unwrap());
        assert_eq!((code, printed.trim()), (Some(0), receipt), "{error}");
        let key_of = |request: &str| {
            let (_, rest) = request.split_once("idempotency-key: ").unwrap();
            rest.split("\r\n").next().unwrap().to_owned()
        };
        let [first, second] = requests;
        assert!(first.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{first}");
        assert_eq!((key_of(&first), key_of(&first).len()), (key_of(&second), key.map_or(32, str::len)));
        assert!(key.is_none_or(|key| key == key_of(&first)), "{first}");
    }
}

#[tokio::test]
async fn commands_exit_with_what_came_of_them() {
    let secret = [("SIGNALHUB_AUTH__SECRET", SECRET)];
    let none: [(&str, &str); 0] = [];
    let nowhere = "http://127.0.0.1:1";
    let nowhere_over_tls = "https://127.0.0.1:1";
    let no_certificate = file("no-certificate", "nothing").display().to_string();
    let wrong = |claim: &str| {
        let mut claims = serde_json::json!({"sub": "ann", "exp": 4_000_000_000_u64});
        claims[claim] = serde_json::Value::Null;
        sign_claims(&claims)
    };
    let [org, grants, publish] = ["org", "grants", "publish"].map(wrong);
    let missing = r#"[{"issuer":"a","jwks":"/no/keys.json","audience":"hub"}]"#;
    let garbage = r#"[{"issuer":"a","pem":"/proc/version","audience":"hub"}]"#;
    let shared = r#"[{"issuer":"a","secret":"a secret of at least thirty-two bytes"}]"#;
    let short = r#"[{"name":"billing","key":"nineteen-characters"}]"#;
    let expired = r#"[{"name":"billing","key":"a-key-of-twenty-char","expires":"2020-01-31"}]"#;
    type Row<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], i32, &'a str);
    let rows: &[Row<'_>] = &[
        (&["--help"], &none, 0, "Usage"),
        (&["--version"], &none, 0, "signalhub "),
        (&["config", "check", "--set", "history.store=disk"], &none, 1, "expected \"history.directory\""),
        (&["config", "check", "--set", "listen.public=0.0.0.0:0"], &none, 1, "0.0.0.0:0 (listen.public) without"),
        (&["config", "check", "--set", "listen.internal=0.0.0.0:0"], &none, 1, "0.0.0.0:0 (listen.internal) without"),
        (&["config", "check", "--set", "publish.listen=0.0.0.0:0"], &none, 1, "0.0.0.0:0 (publish.listen) without"),
        (&["config"], &none, 2, "Usage"),
        (&["sing"], &none, 2, "unrecognized subcommand"),
        (&["--set", "listen.public=0.0.0.0:0"], &none, 1, "will not listen on 0.0.0.0:0 (listen.public) without a key"),
        (&["serve"], &[("SIGNALHUB_AUTH__SECRET", "short")], 1, "SIGNALHUB_AUTH__SECRET"),
        (&["serve"], &[("SIGNALHUB_AUTH__SECRETS", "x")], 1, "unknown key \"auth.secrets\""),
        (&["serve", "--set", "publish.keys=nineteen-characters"], &secret, 1, "at least 20 characters"),
        (&["config", "check", "--set", "publish.keys=a-key-of-twenty-char,abc"], &secret, 1, "at least 20 characters"),
        (&["config", "check", "--set", "publish.keys=a-key-of-twenty-char"], &secret, 0, "the configuration "),
        (&["config", "check", "--set", "publish.keys=abc"], &none, 0, "the configuration "),
        (
            &["serve"],
            &[secret[0], ("SIGNALHUB_PUBLISH__CLIENTS", short)],
            1,
            "\"publish.clients[0].key\": expected a key of at",
        ),
        (&["config", "check"], &[("SIGNALHUB_PUBLISH__CLIENTS", short)], 0, "the configuration "),
        (&["config", "check"], &[("SIGNALHUB_PUBLISH__CLIENTS", expired)], 0, "the access of billing has expired"),
        (
            &["config", "check"],
            &[("SIGNALHUB_PUBLISH__CLIENTS", "[{}]")],
            1,
            "\"publish.clients[0].name\": expected the",
        ),
        (&["key", "create"], &none, 2, "--name"),
        (&["key", "create", "--name", "a b"], &none, 2, "expected a name of 1 to 64 letters"),
        (&["config", "check", "--set", "hub.minimum_protocol_version=2"], &none, 1, "expected 0 or 1"),
        (
            &["config", "check"],
            &[("SIGNALHUB_AUTH__ISSUERS", missing)],
            1,
            "\"auth.issuers[0].jwks\": /no/keys.json: it cannot be",
        ),
        (
            &["config", "check"],
            &[("SIGNALHUB_AUTH__ISSUERS", garbage)],
            1,
            "\"auth.issuers[0].pem\": /proc/version: it is not",
        ),
        (&["serve"], &[("SIGNALHUB_AUTH__ISSUERS", garbage)], 1, "\"auth.issuers[0].pem\": /proc/version: it is not"),
        (&["config", "check"], &[("SIGNALHUB_AUTH__ISSUERS", shared)], 0, "the configuration "),
        (
            &["config", "check", "--set", "listen.public=0.0.0.0:0"],
            &[("SIGNALHUB_AUTH__ISSUERS", shared)],
            0,
            "the configuration ",
        ),
        (&["token", "check", "x.y.z"], &[("SIGNALHUB_AUTH__ISSUERS", shared)], 1, "malformed"),
        (&["--config", "missing.toml"], &none, 1, "missing.toml"),
        (&["--set", "nothing"], &none, 2, "expected KEY=VALUE"),
        (&["token", "create", "--user", "ann"], &none, 1, "auth.secret is not configured"),
        (&["token", "create", "--user", "ann", "--ttl", "1"], &secret, 2, "expected a time"),
        (&["token", "create", "--user", ""], &secret, 2, "must not be empty"),
        (&["token", "create", "--user", "ann", "--grant", "a*b"], &secret, 2, "a * may only stand at the end"),
        (&["token", "create"], &secret, 2, "--user"),
        (&["token", "check", "x.y.z"], &secret, 1, "malformed"),
        (&["token", "check", &org], &secret, 1, "the claim \"org\" of the token must be a text that is not empty"),
        (&["token", "check", &grants], &secret, 1, "the claim \"grants\" of the token must be a list of grants"),
        (&["token", "check", &publish], &secret, 1, "the claim \"publish\" of the token must be a list of event names"),
        (&["publish", "e", "--payload", "{"], &none, 2, "--payload is no JSON"),
        (&["publish", "e", "--url", nowhere_over_tls, "--tries", "1"], &none, 1, "could not be reached"),
        (&["publish", "e", "--tries", "0"], &none, 2, "--tries"),
        (&["publish", "e", "--idempotency-key", "a b"], &none, 2, "1 to 255 visible ASCII characters"),
        (&["publish", "e", "--wait", "accepted"], &none, 2, "[possible values: durable, matched, delivered]"),
        (&["publish", "e", "--ca", "missing.pem"], &none, 1, "--ca: missing.pem: it cannot be read: "),
        (&["publish", "e", "--ca", &no_certificate], &none, 1, "it has no certificate in PEM"),
        (&["listen", "e", "--url", nowhere_over_tls], &none, 1, "could not be reached"),
        (&["listen", "e", "--ca", "missing.pem"], &none, 1, "--ca: missing.pem: it cannot be read: "),
        (&["listen", "e", "--ca", &no_certificate], &none, 1, "it has no certificate in PEM"),
        (&["publish", "e", "--url", nowhere, "--tries", "2"], &none, 1, "(tried 2 times)"),
        (&["publish", "e", "--key", "a", "--token", "b"], &none, 2, "cannot be used with"),
        (&["publish", "e", "--expires", "soon"], &none, 2, "expected a time"),
        (&["listen", "e", "--url", nowhere], &none, 1, "could not be reached"),
        (&["listen", "e", "--url", "nowhere"], &none, 2, "is no URL"),
        (&["listen", "e", "--action", "created"], &none, 2, "--resource"),
    ];
    for (arguments, variables, code, text) in rows {
        let output = program(arguments).envs(variables.iter().copied()).output().await.unwrap();
        let (exit, printed, error) = texts(&output);
        assert_eq!(exit, Some(*code), "{arguments:?}: {error}");
        assert!(printed.contains(text) || error.contains(text), "{arguments:?}: {printed}{error}");
    }
}

#[tokio::test]
async fn a_created_token_is_checked_with_its_claims() {
    let run = async |arguments: &[&str]| {
        let output = program(arguments).env("SIGNALHUB_AUTH__SECRET", SECRET).output().await.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let token = run(&["token", "create", "--user", "ann", "--org", "shop", "--grant", "portos.*:tickets"]).await;
    let claims: serde_json::Value = serde_json::from_str(&run(&["token", "check", &token]).await).unwrap();
    assert_eq!((&claims["sub"], &claims["org"]), (&"ann".into(), &"shop".into()));
    assert_eq!(claims["grants"], serde_json::json!([{ "e": "portos.*", "r": "tickets" }]));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3600);
}

#[tokio::test]
async fn a_created_key_publishes_with_the_table_that_is_printed_beside_it() {
    let create = async || {
        let output = program(&["key", "create", "--name", "billing"]).output().await.unwrap();
        let (code, printed, _) = texts(&output);
        assert_eq!(code, Some(0), "{printed}");
        let (key, table) = printed.split_once("\n\n").unwrap();
        (key.to_owned(), table.to_owned())
    };
    let ((key, table), (other, _)) = (create().await, create().await);
    let random = key.strip_prefix("shk_").unwrap();
    assert!(
        random.len() == 43 && random.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)),
        "{key}"
    );
    assert!(table.contains("[[publish.clients]]\nname = \"billing\"\n") && !table.contains(random), "{table}");
    assert_ne!(key, other);
    let node = Running::start(configuration(&table)).await;
    for (key, expected) in [(key, Some(0)), (other, Some(1))] {
        let arguments = ["publish", EVENT, "--payload", "{}", "--url", &node.url];
        let output = program(&arguments).env("SIGNALHUB_KEY", key).output().await.unwrap();
        assert_eq!(output.status.code(), expected, "{output:?}");
    }
    node.stop().await;
}
