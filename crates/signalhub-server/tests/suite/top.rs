//! `signalhub top` in a terminal.

#![cfg(target_os = "linux")]

use std::sync::{Arc, Mutex};

use crate::common::process::{PROGRAM, Server, program};
use crate::common::terminal::PseudoTerminal;
use crate::common::{SECRET, sign_claims};
use serde_json::{Value, json};
use signalhub_client::Client;
use signalhub_server::HUB_PATH;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::task::JoinHandle;

/// A server whose answers the test chooses.
struct Answering {
    url: String,
    /// The paths that were asked for.
    asked: Arc<Mutex<Vec<String>>>,
    /// The status and the connections of its answers.
    answer: Arc<Mutex<(u16, Vec<Value>)>>,
    serving: JoinHandle<()>,
}

impl Answering {
    async fn start(connections: Vec<Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new((200, connections))));
        let (seen, current) = (Arc::clone(&asked), Arc::clone(&answer));
        let serving = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let mut socket = BufReader::new(socket);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") && socket.read_line(&mut head).await.unwrap() > 0 {}
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let (status, connections) = current.lock().unwrap().clone();
                let body = if status != 200 {
                    json!({"code": "a_code", "detail": "a detail"})
                } else if path.contains("/overview") {
                    json!({"node": "hub-1", "version": "1.2.3", "phase": "serving", "connections": {"active": 10_000}})
                } else {
                    json!({"value": connections, "next": "100"})
                };
                seen.lock().unwrap().push(path);
                let body = body.to_string();
                let head =
                    format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = socket.write_all((head + &body).as_bytes()).await;
            }
        });
        Self { url, asked, answer, serving }
    }

    /// Tells whether the connections were asked for with this query.
    fn was_asked(&self, query: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|path| path == &format!("/admin/api/v1/connections?{query}"))
    }
}

fn connection(id: &str, user: &str, subscriptions: u64, queued: u64) -> Value {
    json!({"id": id, "user": user, "transport": "web_sockets", "subscriptions": subscriptions, "queued_bytes": queued})
}

fn top(terminal: &PseudoTerminal, url: &str, variables: &[(&str, &str)]) -> Child {
    terminal.start(PROGRAM, &["top", "--url", url, "--interval", "100ms"], variables)
}

/// Tells whether these texts are on the screen, one below the other.
fn has(texts: &'static [&'static str]) -> impl Fn(&str) -> bool {
    |screen| {
        let mut rest = screen;
        texts.iter().all(|text| {
            let Some((_, below)) = rest.split_once(text) else { return false };
            rest = below;
            true
        })
    }
}

#[tokio::test]
async fn the_connections_of_a_node_are_shown_sorted_and_filtered_until_it_stops() {
    let server = Server::start(&[("SIGNALHUB_AUTH__SECRET", SECRET)]).await;
    let mut clients = Vec::new();
    for (user, organisation) in [("ann", "acme"), ("bob\u{1b}[2J", "globex")] {
        let token = sign_claims(&json!({"sub": user, "org": organisation, "exp": 4_000_000_000_u64}));
        let client = Client::connect(&format!("{}{HUB_PATH}", server.url), Some(&token)).await.unwrap();
        client.invoke::<()>("Subscribe", (json!({"e": "portos.licence.activated"}),)).await.unwrap();
        clients.push(client);
    }
    let mut terminal = PseudoTerminal::open(24, 160);
    let mut child = top(&terminal, &server.internal, &[]);
    terminal
        .shows(has(&["serving", "connections 2", "USER", "ann", "acme", "ws", "json", "127.0.0.1", "1–2 of 2"]))
        .await;
    terminal.shows(has(&["bob\\u{1b}[2J", "globex"])).await;
    // From the queue past the other columns to the user.
    terminal.press(&"\x1b[D".repeat(7));
    terminal.shows(has(&["USER▲", "ann", "bob"])).await;
    terminal.press("r");
    terminal.shows(has(&["USER▼", "bob", "ann"])).await;
    terminal.press("/organisation=acme event=portos.licence.activated\r");
    terminal.shows(|screen| has(&["ann", "1–1 of 1"])(screen) && !screen.contains("globex")).await;
    terminal.press("/\u{7f}x\r");
    terminal.shows(has(&["no connection"])).await;
    server.terminate().await;
    terminal.shows(has(&["no answer from http://127.0.0.1:", "refused", "trying again"])).await;
    terminal.press("q");
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn the_table_is_sorted_filtered_and_scrolled_by_keys_and_the_terminal_is_given_back() {
    let mut connections: Vec<Value> =
        (0..40).map(|number| connection(&format!("id{number:02}"), "dan", 0, 0)).collect();
    connections.push(connection("idA", "ann", 1, 2000));
    connections.push(connection("idB", "bob", 2, 1000));
    let server = Answering::start(connections).await;
    let mut terminal = PseudoTerminal::open(24, 80);
    let before = terminal.modes();
    let mut child = top(&terminal, &server.url, &[]);

    terminal
        .shows(has(&[
            "hub-1",
            "1.2.3",
            "connections 10000",
            "QUEUED▼",
            "ann",
            "bob",
            "id00",
            "1–19 of the first 42 by queued",
        ]))
        .await;
    assert!(server.was_asked("sort=queued&limit=100"), "{:?}", server.asked);
    assert!(terminal.screen().alternate_screen() && terminal.screen().hide_cursor());
    assert_ne!(terminal.modes(), before);

    // One to the left are the subscriptions, which the server sorts by.
    terminal.press("\x1b[D");
    terminal.shows(has(&["SUBS▼", "bob", "ann", "dan", "the first 42 by subscriptions"])).await;
    terminal.press("r");
    terminal.shows(has(&["SUBS▲", "id00"])).await;
    terminal.shows(|screen| !screen.contains("ann")).await;
    terminal.press("\x1b[F");
    terminal.shows(has(&["dan", "ann", "bob", "42 of the first 42"])).await;

    terminal.press("/");
    terminal.shows(has(&["filter: _"])).await;
    terminal.press("org=a&b slow\r");
    terminal.shows(has(&["filter: org=a&b slow"])).await;
    while !server.was_asked("sort=subscriptions&limit=100&organisation=a%26b&slow=true") {
        tokio::task::yield_now().await;
    }

    terminal.press("t");
    terminal.shows(has(&["SENT/S", "0"])).await;
    terminal.press("?");
    terminal.shows(has(&["sort by the next column", "Any key goes back."])).await;
    terminal.press(" ");
    terminal.shows(has(&["SUBS▲"])).await;

    terminal.press("q");
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    terminal.shows(|screen| screen.trim().is_empty()).await;
    assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor());
    assert_eq!(terminal.modes(), before);
}

#[tokio::test]
async fn a_terminal_that_becomes_narrow_shows_fewer_columns() {
    let server = Answering::start(vec![connection("idA", "ann", 1, 0)]).await;
    let mut terminal = PseudoTerminal::open(24, 80);
    let _child = top(&terminal, &server.url, &[]);
    terminal.shows(has(&["QUEUED▼", "AGE", "ann"])).await;
    terminal.resize(12, 60);
    terminal.shows(|screen| has(&["QUEUED▼", "ann"])(screen) && !screen.contains("AGE")).await;
    // No key follows: one that comes together with a new size may be read with the next one.
}

#[tokio::test]
async fn every_way_to_end_gives_the_terminal_back() {
    let server = Answering::start(vec![connection("idA", "ann", 1, 0)]).await;
    for end in ["q", "\x1b", "\x03", "terminate", "refuse"] {
        let mut terminal = PseudoTerminal::open(24, 80);
        let before = terminal.modes();
        let mut child = top(&terminal, &server.url, &[]);
        terminal.shows(has(&["ann"])).await;
        let code = match end {
            "terminate" => {
                let id = rustix::process::Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
                rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
                0
            }
            "refuse" => {
                server.answer.lock().unwrap().0 = 401;
                1
            }
            keys => {
                terminal.press(keys);
                0
            }
        };
        assert_eq!(child.wait().await.unwrap().code(), Some(code), "{end:?}");
        let message = if code == 0 { "" } else { "401" };
        terminal.shows(|screen| !screen.contains("QUEUED") && screen.contains(message)).await;
        assert!(!terminal.screen().alternate_screen() && !terminal.screen().hide_cursor(), "{end:?}");
        assert_eq!(terminal.modes(), before, "{end:?}");
    }
}

#[tokio::test]
async fn a_server_that_goes_is_named_with_the_reason_and_its_last_answer_stays() {
    let server = Answering::start(vec![connection("idA", "ann", 1, 0)]).await;
    let mut terminal = PseudoTerminal::open(24, 100);
    let mut child = top(&terminal, &server.url, &[("NO_COLOR", "1")]);
    terminal.shows(has(&["ann"])).await;
    server.answer.lock().unwrap().0 = 429;
    terminal.shows(has(&["no answer from http://127.0.0.1:", "429", "ann"])).await;
    server.answer.lock().unwrap().0 = 200;
    terminal.shows(|screen| !screen.contains("no answer")).await;
    server.serving.abort();
    terminal.shows(has(&["no answer from http://127.0.0.1:", "refused", "trying again", "ann"])).await;
    let cell = terminal.screen().cell(0, 0).unwrap();
    assert!(cell.bold() && cell.fgcolor() == vt100::Color::Default, "NO_COLOR is set");
    terminal.press("q");
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn names_of_others_do_nothing_to_the_terminal() {
    let evil = connection("id\u{9b}A", "\u{1b}[2J\u{1b}]0;title\u{7}<b>eve", 1, 0);
    let server = Answering::start(vec![evil]).await;
    let mut terminal = PseudoTerminal::open(24, 200);
    let mut child = top(&terminal, &server.url, &[]);
    terminal.shows(has(&["hub-1", "USER", "\\u{1b}[2J\\u{1b}]0;title\\u{7}<b>eve"])).await;
    terminal.press("q");
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_script_gets_the_table_once() {
    let server = Answering::start(vec![connection("idA", "ann", 1, 2048), connection("idB", "bob", 1, 4096)]).await;
    for more in [&[][..], &["--once"], &["--sort", "user", "--limit", "7", "--filter", "ann"]] {
        let output = program(&[&["top", "--url", &server.url], more].concat()).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{text}");
        let names: Vec<&str> = text.lines().skip(2).map(|line| line.split(' ').next().unwrap()).collect();
        let expected = if more.len() > 1 { ["USER▲", "ann", "bob"] } else { ["USER", "bob", "ann"] };
        assert_eq!(names[names.len() - 3..], expected, "{text}");
    }
    assert!(server.was_asked("sort=queued&limit=7&user=ann"), "{:?}", server.asked);
    server.answer.lock().unwrap().0 = 503;
    let output = program(&["top", "--url", &server.url]).output().await.unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(String::from_utf8(output.stderr).unwrap().contains("503"));
    let wrong = program(&["top", "--interval", "1ms"]).output().await.unwrap();
    assert_eq!(wrong.status.code(), Some(2));
}
