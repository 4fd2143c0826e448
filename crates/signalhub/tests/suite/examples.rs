//! The example programs run and answer, here by long polling, which needs no client library.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running example; it ends with the test.
struct Example {
    process: Child,
    authority: String,
}

impl Example {
    fn start(name: &str) -> Self {
        // Examples are built beside the tests: target/debug/deps/examples-… and target/debug/examples/NAME.
        let mut path = PathBuf::from(std::env::current_exe().unwrap().parent().unwrap().parent().unwrap());
        path.push("examples");
        path.push(name);
        assert!(path.exists(), "`cargo test` builds {}, `cargo test --test` does not", path.display());
        let mut process = Command::new(path).arg("127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect("an address");
        Self { process, authority: address.split('/').next().unwrap().to_owned() }
    }

    /// Sends a request and gives back the body of its answer.
    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut socket = TcpStream::connect(&self.authority).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.authority,
            body.len()
        );
        socket.write_all(format!("{head}{body}").as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {head}");
        body.to_owned()
    }

    /// Connects to a hub by long polling, and gives back the path of the connection. The query is that of the URL.
    fn connect(&self, hub: &str, query: &str) -> String {
        let negotiated = self.request("POST", &format!("{hub}/negotiate?negotiateVersion=0"), "");
        let id = negotiated.split("\"connectionId\":\"").nth(1).unwrap().split('"').next().unwrap();
        let path = format!("{hub}?{query}&id={id}");
        self.request("GET", &path, "");
        self.request("POST", &path, "{\"protocol\":\"json\",\"version\":1}\u{1e}");
        assert_eq!(self.request("GET", &path, ""), "{}\u{1e}");
        path
    }

    /// Connects to a hub and calls a method; gives back everything that the poll brings.
    fn call(&self, hub: &str, target: &str, arguments: &str) -> String {
        let path = self.connect(hub, "");
        let call =
            format!("{{\"type\":1,\"invocationId\":\"1\",\"target\":\"{target}\",\"arguments\":{arguments}}}\u{1e}");
        self.request("POST", &path, &call);
        self.request("GET", &path, "")
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_axum_example_serves_two_hubs_and_its_own_routes() {
    let example = Example::start("axum");
    let answer = example.call("/voting", "Vote", "[3]");
    assert!(answer.contains("\"target\":\"Voted\",\"arguments\":[3]"), "{answer}");
    assert_eq!(example.request("GET", "/votes", ""), "3");
    assert!(example.request("POST", "/announce", "").starts_with("told 1 client"));
    let answer = example.call("/control", "Reset", "[]");
    assert_eq!(answer, "{\"type\":3,\"invocationId\":\"1\",\"result\":3}\u{1e}");
    assert_eq!(example.request("GET", "/votes", ""), "0");
}

#[test]
fn the_chat_example_talks_and_streams_in_both_directions() {
    let example = Example::start("chat");
    let path = example.connect("/chat", "room=kitchen");
    let say = |message: &str| example.request("POST", &path, &format!("{message}\u{1e}"));
    let hear = || example.request("GET", &path, "");
    say(r#"{"type":1,"target":"Say","arguments":["kitchen","hello"]}"#);
    assert!(hear().contains(r#""target":"Said","arguments":["#), "the URL named a room");
    say(r#"{"type":1,"invocationId":"1","target":"Join","arguments":["lobby"]}"#);
    assert_eq!(hear(), "{\"type\":3,\"invocationId\":\"1\",\"result\":null}\u{1e}");
    say(r#"{"type":1,"target":"Say","arguments":["lobby","hello"]}"#);
    assert!(hear().contains(r#""target":"Said","arguments":["#));
    say(r#"{"type":4,"invocationId":"2","target":"Countdown","arguments":[2]}"#);
    // A poll returns what has arrived; the stream may continue after it.
    let mut items = hear();
    while !items.contains("\"type\":3") {
        items += &hear();
    }
    assert!(items.contains(r#""item":1}"#) && items.contains(r#""item":0}"#), "{items}");
    say(r#"{"type":1,"invocationId":"3","target":"Length","arguments":[],"streamIds":["s"]}"#);
    say(r#"{"type":2,"invocationId":"s","item":"héllo"}"#);
    say(r#"{"type":3,"invocationId":"s"}"#);
    assert_eq!(hear(), "{\"type\":3,\"invocationId\":\"3\",\"result\":5}\u{1e}");
}
