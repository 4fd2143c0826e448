//! The dialect at several nodes of a cluster: an organisation has one connection at all of them together, and keys are shared.

use signalhub_redis::test_server::TestServer;

use super::*;
use crate::common::SECRET;

/// The token of the admin API.
const TOKEN: &str = "a token of the admin API with enough bytes";

const CONNECTED_ALREADY: &str = "Only one connection per organisation is possible";

/// A node of the cluster on this server, with these keys.
async fn node(server: &TestServer, keys: &Keys, name: &str, second: &str) -> Running {
    Running::start(configuration(&format!(
        "[admin]\ntoken = \"{TOKEN}\"\n[cluster]\nredis = [\"{}\"]\nsecret = [\"{SECRET}\"]\nlisten = \"127.0.0.1:0\"\nnode = \"{name}\"\n\
         [dialects.printfactory]\nlisten = \"127.0.0.1:0\"\nkeys = \"{}\"\nsecond_connection = \"{second}\"\n",
        server.url(),
        keys.0.join("keys.json").display()
    )))
    .await
}

impl Keys {
    /// Makes a key of the cluster on this server.
    fn shared(&self, server: &TestServer, organisation: &str, user: &str) -> String {
        let cluster = format!("cluster.redis={}", server.url());
        let arguments = ["--set", &cluster, "miskey", "generate", "--org", organisation, "--user", user];
        self.told(&arguments).trim().to_owned()
    }
}

/// The status and the body with which a connection is refused.
async fn refusal(node: &Running, key: &str) -> (u16, String) {
    match connect(node, key).await {
        Err(Error::Http(response)) => {
            (response.status().as_u16(), String::from_utf8(response.body().clone().unwrap_or_default()).unwrap())
        }
        other => panic!("it was not refused: {other:?}"),
    }
}

/// Connects as soon as the node accepts it.
async fn accepted(node: &Running, key: &str) -> WebSocketStream<TcpStream> {
    let trying = async {
        loop {
            match connect(node, key).await {
                Ok(socket) => return socket,
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(40), trying).await.expect("it is accepted in time")
}

/// Waits until a key in Redis has a value that begins like this.
async fn claimed(server: &TestServer, key: &str, start: &str) {
    let asking = async {
        while !redis(server, &["GET", key]).starts_with(start) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("it is claimed in time");
}

/// What Redis answers, without its mark and the end of the line.
fn redis(server: &TestServer, command: &[&str]) -> String {
    use std::io::{BufRead, BufReader, Write};
    let mut socket = std::net::TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let parts: String = command.iter().map(|part| format!("${}\r\n{part}\r\n", part.len())).collect();
    socket.write_all(format!("*{}\r\n{parts}", command.len()).as_bytes()).unwrap();
    let mut lines = BufReader::new(socket).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    match first.starts_with('$') && first != "$-1" {
        true => lines.next().unwrap(),
        false => first,
    }
}

#[tokio::test]
async fn a_second_connection_at_another_node_is_refused_until_the_first_ends() {
    let Some(server) = TestServer::start() else { return };
    let keys = Keys::new();
    let [ann, bob, other] = [("acme", "ann"), ("acme", "bob"), ("other", "ann")]
        .map(|(organisation, user)| keys.shared(&server, organisation, user));
    let (a, b) = (node(&server, &keys, "a", "refuse").await, node(&server, &keys, "b", "refuse").await);
    let mut first = connect(&a, &ann).await.unwrap();
    let refused = (409, format!("{{\"Message\":\"{CONNECTED_ALREADY}\"}}"));
    for node in [&a, &b] {
        assert_eq!(refusal(node, &bob).await, refused);
    }
    drop(connect(&b, &other).await.unwrap());
    assert_eq!(b.publish(&format!(r#"{{"e":"printfactory.job.changed","org":"acme","p":{JOB}}}"#)).await.status, 202);
    assert_eq!(next(&mut first).await, Some(Message::text(JOB)));
    drop(first);
    let mut second = accepted(&b, &bob).await;
    assert_eq!(refusal(&a, &ann).await, refused);
    // A node that stops frees its organisations.
    let stopping = b.begin_to_stop();
    assert_eq!(closed(&mut second).await.0, 1001);
    drop(second);
    stopping.await.unwrap();
    accepted(&a, &ann).await;
    a.stop().await;
}

#[tokio::test]
async fn a_connection_at_another_node_replaces_the_first() {
    let Some(server) = TestServer::start() else { return };
    let keys = Keys::new();
    let (ann, bob) = (keys.shared(&server, "acme", "ann"), keys.shared(&server, "acme", "bob"));
    let (a, b) = (node(&server, &keys, "a", "replace").await, node(&server, &keys, "b", "replace").await);
    let mut sockets = vec![connect(&a, &ann).await.unwrap()];
    for (node, name, key) in [(&b, "b", &bob), (&a, "a", &bob), (&b, "b", &ann)] {
        claimed(&server, "signalhub:pf:acme", if name == "b" { "a/" } else { "b/" }).await;
        sockets.push(connect(node, key).await.unwrap());
        let mut replaced = sockets.remove(0);
        assert_eq!(closed(&mut replaced).await, (4409, "replaced by a newer connection".to_owned()));
    }
    let body = format!(r#"{{"e":"printfactory.job.changed","org":"acme","p":{JOB}}}"#);
    assert_eq!(a.publish(&body).await.status, 202);
    assert_eq!(next(&mut sockets[0]).await, Some(Message::text(JOB)));
    drop(sockets);
    for node in [a, b] {
        node.stop().await;
    }
}

#[tokio::test]
async fn the_organisations_of_a_node_that_was_killed_are_free_again() {
    let Some(server) = TestServer::start() else { return };
    let keys = Keys::new();
    let ann = keys.shared(&server, "acme", "ann");
    let b = node(&server, &keys, "b", "refuse").await;
    // What a node leaves behind.
    redis(&server, &["SET", "signalhub:pf:acme", "a/0123456789abcdef/7/1700000000000", "PX", "3000"]);
    assert_eq!(refusal(&b, &ann).await.0, 409);
    accepted(&b, &ann).await;
    claimed(&server, "signalhub:pf:acme", "b/").await;
    let expiry: u64 = redis(&server, &["PTTL", "signalhub:pf:acme"]).trim_start_matches(':').parse().unwrap();
    assert!((1..=15_000).contains(&expiry), "{expiry} ms");
    b.stop().await;
}

#[tokio::test]
async fn of_two_connections_that_were_accepted_without_redis_one_stays() {
    let Some(mut server) = TestServer::start() else { return };
    let keys = Keys::new();
    let ann = keys.shared(&server, "acme", "ann");
    for (second, closing) in [("replace", "replaced by a newer connection"), ("refuse", CONNECTED_ALREADY)] {
        let (a, b) = (node(&server, &keys, "a", second).await, node(&server, &keys, "b", second).await);
        let mut old = connect(&a, &ann).await.unwrap();
        claimed(&server, "signalhub:pf:acme", "a/").await;
        // Connections that began within 100 ms of each other are not told apart by their ages.
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.kill();
        // The claim of the first connection is lost with the data of Redis.
        let mut new = accepted(&b, &ann).await;
        server.restart();
        let (is_old, code, reason) = tokio::select! {
            (code, reason) = closed_or_not(&mut old) => (true, code, reason),
            (code, reason) = closed_or_not(&mut new) => (false, code, reason),
        };
        assert_eq!((code, reason.as_str()), (4409, closing), "{second}");
        assert!(is_old || second == "refuse", "the newer one stays");
        let owner = if is_old { "b/" } else { "a/" };
        claimed(&server, "signalhub:pf:acme", owner).await;
        // The keys are written again, too.
        claimed(&server, "signalhub:miskeys", "1 1 ").await;
        drop((old, new));
        for node in [a, b] {
            node.stop().await;
        }
    }
}

/// The close of a connection, however long it stays open.
async fn closed_or_not(socket: &mut WebSocketStream<TcpStream>) -> (u16, String) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
            Some(Ok(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_key_that_is_changed_anywhere_is_changed_at_all_nodes() {
    let Some(server) = TestServer::start() else { return };
    let keys = Keys::new();
    let cluster = format!("cluster.redis={}", server.url());
    let run = |arguments: &[&str]| keys.told(&[&["--set", cluster.as_str(), "miskey"][..], arguments].concat());
    let (a, b) = (node(&server, &keys, "a", "replace").await, node(&server, &keys, "b", "replace").await);
    let ann = run(&["generate", "--org", "acme", "--user", "ann"]).trim().to_owned();
    let mut at_a = accepted(&a, &ann).await;
    claimed(&server, "signalhub:pf:acme", "a/").await;
    // The admin API of another node.
    let key = change(&b, "other", "bob", "generate").await.body["key"].as_str().unwrap().to_owned();
    let mut at_b = accepted(&b, &key).await;
    let listed = run(&["list"]);
    assert!(listed.contains("\"ann\"") && listed.contains("\"bob\""), "{listed}");
    assert_eq!(change(&b, "acme", "ann", "regenerate").await.status, 200);
    assert_eq!(closed(&mut at_a).await, (1008, "the MisKey is no longer valid".to_owned()));
    assert_eq!(refusal(&a, &ann).await.0, 401);
    run(&["notifications", "off", "--org", "other", "--user", "bob"]);
    assert_eq!(closed(&mut at_b).await, (1008, "Notifications are disabled".to_owned()));
    assert_eq!(change(&a, "acme", "ann", "generate").await.verdict(), "400 invalid_member");
    assert!(!keys.0.join("keys.json").exists(), "no file is made");
    drop((at_a, at_b));
    for node in [a, b] {
        node.stop().await;
    }
}

#[tokio::test]
async fn the_keys_of_a_file_are_imported_and_users_keep_theirs() {
    let Some(server) = TestServer::start() else { return };
    let keys = Keys::new();
    let (ann, bob) = (keys.generate("acme", "ann"), keys.generate("other", "bob"));
    let file = keys.0.join("keys.json").display().to_string();
    let cluster = format!("cluster.redis={}", server.url());
    let run = |arguments: &[&str]| keys.told(&[&["--set", cluster.as_str(), "miskey"][..], arguments].concat());
    let new = run(&["generate", "--org", "acme", "--user", "ann"]).trim().to_owned();
    assert_eq!(run(&["import", &file]), "added 1 of 2 keys\n");
    assert_eq!(run(&["import", &file]), "added 0 of 2 keys\n");
    let a = node(&server, &keys, "a", "replace").await;
    assert_eq!(refusal(&a, &ann).await.0, 401);
    for key in [&new, &bob] {
        connect(&a, key).await.unwrap();
    }
    a.stop().await;
    let check = keys.told(&[
        "--set",
        &cluster,
        "--set",
        "cluster.secret=a secret of the cluster with enough bytes",
        "--set",
        "cluster.listen=127.0.0.1:0",
        "--set",
        "auth.secret=a secret of the tests, of enough bytes for HS256",
        "--set",
        "dialects.printfactory.listen=127.0.0.1:0",
        "config",
        "check",
    ]);
    assert!(check.contains("warning: dialects.printfactory.keys is not used with cluster.redis"), "{check}");
}

#[tokio::test]
async fn without_redis_keys_stay_valid_and_cannot_be_changed() {
    let Some(mut server) = TestServer::start() else { return };
    let keys = Keys::new();
    let a = node(&server, &keys, "a", "replace").await;
    let key = change(&a, "acme", "ann", "generate").await.body["key"].as_str().unwrap().to_owned();
    server.kill();
    let answer = change(&a, "acme", "ann", "cancel").await;
    assert_eq!(answer.verdict(), "503 unavailable");
    let socket = accepted(&a, &key).await;
    server.restart();
    // It came back without its data: the keys are written again.
    claimed(&server, "signalhub:miskeys", "1 1 ").await;
    drop(socket);
    assert_eq!(change(&a, "acme", "ann", "cancel").await.status, 204);
    assert_eq!(refusal(&a, &key).await.0, 401);
    a.stop().await;
}

/// Changes a key over the admin API.
async fn change(node: &Running, organisation: &str, user: &str, change: &str) -> crate::common::Answer {
    let request = http::Request::post(format!("{}/admin/api/v1/miskeys", node.internal))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json");
    let body = json!({"organisation": organisation, "user": user, "change": change}).to_string();
    crate::common::send(request.body(body.into()).unwrap()).await
}
