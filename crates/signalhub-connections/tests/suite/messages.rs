//! Whole messages and close codes, for handlers of plain WebSocket dialects, over real sockets.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use signalhub_connections::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame as TheirFrame, Frame as RawFrame, coding};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const MAX: usize = 20_000;

/// Reports every message and the end. `close CODE REASON` makes it close, `drown` close behind more than the socket holds,
/// `ping` ping, and `wait` leave the message unconsumed until the test allows it to go on.
struct Dialect {
    reports: mpsc::Sender<String>,
    go_on: Arc<tokio::sync::Notify>,
}

impl Dialect {
    fn report(&self, text: String) {
        self.reports.try_send(text).unwrap();
    }

    /// Leaves the message unconsumed: nothing may replace it, and nothing more may be read.
    async fn hold(&self, connection: &mut Connection) {
        let receive = async {
            loop {
                match connection.receive(Intake::Open).await {
                    Received::Tick => {}
                    received => self.report(format!("{received:?}")),
                }
            }
        };
        tokio::select! {
            () = self.go_on.notified() => {}
            () = receive => {}
        }
    }
}

impl ConnectionHandler for Dialect {
    fn handle(self: Arc<Self>, mut connection: Connection) -> BoxFuture<()> {
        Box::pin(async move {
            if let Err(error) = connection.read_messages(MAX) {
                self.report(error.to_string());
                return connection.close(CloseReason::Refused).await;
            }
            loop {
                match connection.receive(Intake::Open).await {
                    Received::Message { kind } => {
                        let message = connection.input().to_vec();
                        let text = String::from_utf8_lossy(&message);
                        self.report(match message.len() {
                            0..=200 => format!("{kind:?} {text}"),
                            len => format!("{kind:?} of {len}"),
                        });
                        if text == "wait" {
                            self.hold(&mut connection).await;
                        }
                        connection.consume(message.len());
                        if text == "ping" {
                            connection.send_ping();
                        }
                        if text == "drown" {
                            let frame = Frame::new(MessageKind::Binary, &[0; 8 << 20]);
                            connection.outbound().send(&frame).unwrap();
                            let close = CloseFrame::new(CloseCode::new(4000).unwrap(), "");
                            return connection.close_with(CloseReason::Aborted, close).await;
                        }
                        if let Some(close) = text.strip_prefix("close ") {
                            let (code, reason) = close.split_once(' ').unwrap();
                            let code = CloseCode::new(code.parse().unwrap()).unwrap();
                            return connection.close_with(CloseReason::Aborted, CloseFrame::new(code, reason)).await;
                        }
                    }
                    Received::Pong => self.report("pong".to_owned()),
                    Received::Ended(reason) => {
                        let close = connection.client_close();
                        let close =
                            close.map_or_else(String::new, |close| format!(" {:?} {}", close.code(), close.reason()));
                        self.report(format!("{}{close}", reason.label()));
                        return connection.close(reason).await;
                    }
                    _ => {}
                }
            }
        })
    }
}

struct Stage {
    running: crate::support::Running,
    reports: mpsc::Receiver<String>,
    go_on: Arc<tokio::sync::Notify>,
}

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

impl Stage {
    async fn new() -> Self {
        Self::with(|endpoint| endpoint, |server| server).await
    }

    async fn with(endpoint: impl FnOnce(Endpoint) -> Endpoint, configure: impl FnOnce(Server) -> Server) -> Self {
        let (sender, reports) = mpsc::channel(8192);
        let go_on = Arc::<tokio::sync::Notify>::default();
        let dialect = Dialect { reports: sender, go_on: Arc::clone(&go_on) };
        let endpoint = endpoint(Endpoint::new(dialect).transports(Transports::ALL).allow_stateful_reconnects());
        let running =
            crate::support::start_with(|echo| echo, |server| configure(server).endpoint("/dialect", endpoint)).await;
        Self { running, reports, go_on }
    }

    async fn connect(&self) -> Client {
        connect_async(format!("ws://{}/dialect", self.running.address)).await.unwrap().0
    }

    async fn reports(&mut self, expected: &str) {
        let report = tokio::time::timeout(Duration::from_secs(10), self.reports.recv()).await;
        assert_eq!(report.expect("it is reported in time").unwrap(), expected);
    }

    async fn post(&self, token: &str, text: &str) {
        let head = format!("POST /dialect?id={token} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", text.len());
        assert_eq!(crate::support::answer(&mut self.running.open(head + text).await).await.status, 200);
    }

    async fn negotiate(&self) -> String {
        let line = "POST /dialect/negotiate?negotiateVersion=1&useStatefulReconnect=true";
        let body: serde_json::Value = serde_json::from_str(&self.running.ask(line, &[]).await.body).unwrap();
        body["connectionToken"].as_str().unwrap().to_owned()
    }
}

fn fragment(payload: &str, opcode: OpCode, last: bool) -> Message {
    Message::Frame(RawFrame::message(payload.to_owned(), opcode, last))
}

/// The code and the reason of the server's close frame, which comes next.
async fn closed(client: &mut Client) -> (u16, String) {
    match client.next().await.unwrap().unwrap() {
        Message::Close(Some(frame)) => (frame.code.into(), frame.reason.to_string()),
        other => panic!("{other:?} in place of a close frame"),
    }
}

#[tokio::test]
async fn messages_arrive_whole_in_order_and_with_their_kind() {
    let mut stage = Stage::new().await;
    let mut client = stage.connect().await;
    // All of it in one write: messages, fragments with a ping between them, and messages without content.
    client.feed(Message::text("one")).await.unwrap();
    client.feed(Message::binary("two")).await.unwrap();
    client.feed(fragment("thr", OpCode::Data(Data::Text), false)).await.unwrap();
    client.feed(Message::Ping("p".into())).await.unwrap();
    client.feed(fragment("", OpCode::Data(Data::Continue), false)).await.unwrap();
    client.feed(fragment("ee", OpCode::Data(Data::Continue), true)).await.unwrap();
    client.feed(Message::text("")).await.unwrap();
    client.feed(Message::binary("")).await.unwrap();
    client.feed(Message::text("x".repeat(MAX))).await.unwrap();
    client.feed(Message::text("last")).await.unwrap();
    client.flush().await.unwrap();
    for expected in ["Text one", "Binary two", "Text three", "Text ", "Binary ", "Text of 20000", "Text last"] {
        stage.reports(expected).await;
    }
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("p".into()));
}

#[tokio::test]
async fn thousands_of_messages_in_one_read_are_given_one_by_one() {
    let mut stage = Stage::new().await;
    let mut client = stage.connect().await;
    for number in 0..5000 {
        client.feed(Message::text(number.to_string())).await.unwrap();
    }
    client.flush().await.unwrap();
    for number in 0..5000 {
        stage.reports(&format!("Text {number}")).await;
    }
}

#[tokio::test]
async fn a_message_of_one_byte_too_many_is_closed_with_1009() {
    for fragments in [1, 7] {
        let mut stage = Stage::new().await;
        let mut client = stage.connect().await;
        client.send(Message::text("before")).await.unwrap();
        let piece = "x".repeat((MAX + 1).div_ceil(fragments));
        for number in 0..fragments {
            let opcode = OpCode::Data(if number == 0 { Data::Text } else { Data::Continue });
            client.send(fragment(&piece, opcode, number == fragments - 1)).await.unwrap();
        }
        stage.reports("Text before").await;
        stage.reports("message_too_long").await;
        assert_eq!(closed(&mut client).await, (1009, String::new()));
        stage.running.counts.emptied().await;
        assert_eq!(stage.running.counts.ended(CloseReason::MessageTooLong), 1);
    }
}

#[tokio::test]
async fn a_message_without_end_is_refused_before_it_fills_the_memory() {
    let mut stage = Stage::new().await;
    let mut client = stage.connect().await;
    let piece = "x".repeat(4096);
    client.send(fragment(&piece, OpCode::Data(Data::Text), false)).await.unwrap();
    for _ in 0..4 {
        client.send(fragment(&piece, OpCode::Data(Data::Continue), false)).await.unwrap();
    }
    stage.reports("message_too_long").await;
    assert_eq!(closed(&mut client).await.0, 1009);
}

#[tokio::test]
async fn a_client_that_sends_more_than_is_consumed_gets_back_pressure() {
    let mut stage = Stage::new().await;
    let mut client = stage.connect().await;
    client.send(Message::text("wait")).await.unwrap();
    stage.reports("Text wait").await;
    let message = Message::text("x".repeat(MAX));
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(200), client.send(message.clone())).await.is_ok() {
        sent += 1;
        assert!(sent < 10_000, "the server takes {sent} messages that its handler does not consume");
    }
    assert!(stage.reports.try_recv().is_err(), "the next message came before the first was consumed");
    stage.go_on.notify_one();
    for _ in 0..sent {
        stage.reports("Text of 20000").await;
    }
}

/// A frame of a client with at most 125 bytes, whose mask is zero.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | len, 0, 0, 0, 0], payload].concat()
}

#[tokio::test]
async fn a_message_may_have_any_number_of_fragments_and_control_frames_between_them() {
    let mut stage = Stage::new().await;
    let mut frames = raw(0x01, b"");
    for _ in 0..MAX {
        frames.extend(raw(0x00, b"x"));
    }
    for number in 0..100_000 {
        frames.extend(raw(0x00, b""));
        if number % 1000 == 0 {
            frames.extend(raw(0x89, b"p"));
            frames.extend(raw(0x8a, b""));
        }
    }
    frames.extend(raw(0x80, b""));
    frames.extend(raw(0x81, b"next"));
    let (status, mut socket) = stage.running.upgrade("/dialect", "").await;
    assert_eq!(status, 101);
    socket.write_all(&frames).await.unwrap();
    for _ in 0..100 {
        stage.reports("pong").await;
    }
    stage.reports("Text of 20000").await;
    stage.reports("Text next").await;
    let mut pongs = [0; 300];
    socket.read_exact(&mut pongs).await.unwrap();
    assert_eq!(pongs.to_vec(), [0x8a, 1, b'p'].repeat(100));
}

#[tokio::test]
async fn frames_that_violate_the_protocol_end_the_connection_with_the_code_for_it() {
    let fragments = |pieces: &[&[u8]]| {
        let last = pieces.len() - 1;
        let frame = |(number, piece): (usize, &&[u8])| {
            raw(if number == last { 0x80 } else { 0x00 } | u8::from(number == 0), piece)
        };
        pieces.iter().enumerate().flat_map(frame).collect::<Vec<u8>>()
    };
    for (frames, code, report) in [
        (fragments(&[b"\xc3", b"", b"\x28"]), 1007, "invalid_text"),
        (fragments(&[b"\xe2", b"\x82", b""]), 1007, "invalid_text"),
        (fragments(&[b"\xed", b"\xa0\x80"]), 1007, "invalid_text"),
        ([raw(0x01, b"a"), raw(0x81, b"b")].concat(), 1002, "protocol_violation"),
        (raw(0x80, b"a"), 1002, "protocol_violation"),
        (raw(0x09, b"a"), 1002, "protocol_violation"),
        (raw(0x88, b"\x03"), 1002, "protocol_violation"),
        (raw(0x88, &1005_u16.to_be_bytes()), 1002, "protocol_violation"),
        (raw(0x88, &999_u16.to_be_bytes()), 1002, "protocol_violation"),
        (raw(0x88, &5000_u16.to_be_bytes()), 1002, "protocol_violation"),
        (raw(0x88, b"\x03\xe8\xff"), 1007, "invalid_text"),
        (
            raw(0x88, &[b"\x03\xe8", &[b'r'; 123][..]].concat()),
            1000,
            &format!("client_closed Some(1000) {}", "r".repeat(123)),
        ),
    ] {
        let mut stage = Stage::new().await;
        let (_, mut socket) = stage.running.upgrade("/dialect", "").await;
        // What follows a violation is not read.
        socket.write_all(&[raw(0x81, b"before"), frames.clone(), raw(0x81, b"behind")].concat()).await.unwrap();
        stage.reports("Text before").await;
        stage.reports(report).await;
        let mut close = [0; 4];
        socket.read_exact(&mut close).await.unwrap();
        assert_eq!(
            (close[..2].to_vec(), u16::from_be_bytes([close[2], close[3]])),
            (vec![0x88, 2], code),
            "{frames:x?}"
        );
        drop(socket);
        stage.running.counts.emptied().await;
        assert!(stage.reports.try_recv().is_err(), "{frames:x?}");
    }
}

#[tokio::test]
async fn a_close_frame_behind_output_that_the_client_does_not_read_ends_the_connection_in_time() {
    for sends in [false, true] {
        let mut stage = Stage::new().await;
        let upgrade = format!("{}\r\n", crate::support::UPGRADE).replace("/echo", "/dialect").into_bytes();
        let mut socket = stage.running.deaf([upgrade, raw(0x81, b"drown")].concat()).await;
        stage.reports("Text drown").await;
        if sends {
            socket.write_all(&raw(0x82, &[0; 125]).repeat(1000)).await.unwrap();
        }
        assert_eq!(stage.running.counts.active(), 1);
        crate::support::pass(Duration::from_secs(4)).await;
        assert_eq!(stage.running.counts.active(), 1, "the client has five seconds");
        crate::support::pass(Duration::from_secs(1)).await;
        tokio::time::timeout(Duration::from_secs(10), stage.running.counts.emptied()).await.unwrap();
        assert_eq!(stage.running.counts.ended(CloseReason::Aborted), 1);
        let received = crate::support::closed(&mut socket).await;
        assert!(received.len() < 8 << 20, "the socket is reset");
    }
}

#[tokio::test]
async fn a_client_that_pings_and_reads_no_pong_is_a_slow_consumer() {
    let mut stage =
        Stage::with(|endpoint| endpoint.queue_limit(64 * 1024), |server| server.send_buffer_size(4096).unwrap()).await;
    let upgrade = format!("{}\r\n", crate::support::UPGRADE).replace("/echo", "/dialect");
    let mut socket = stage.running.deaf(upgrade).await;
    let pings = raw(0x89, &[b'p'; 125]).repeat(100);
    while socket.write_all(&pings).await.is_ok() {}
    stage.reports("slow_consumer").await;
    stage.running.counts.emptied().await;
}

#[tokio::test]
async fn text_that_is_not_utf_8_is_closed_with_1007() {
    let mut stage = Stage::new().await;
    let mut client = stage.connect().await;
    client.send(Message::Frame(RawFrame::message(vec![0xff], OpCode::Data(Data::Text), true))).await.unwrap();
    stage.reports("invalid_text").await;
    assert_eq!(closed(&mut client).await.0, 1007);
}

#[tokio::test]
async fn the_handlers_close_code_and_reason_reach_the_client() {
    let mut stage = Stage::new().await;
    for (code, reason) in [(1000, ""), (1008, "the key was cancelled"), (4409, "replaced by a newer connection")] {
        let mut client = stage.connect().await;
        client.send(Message::text(format!("close {code} {reason}"))).await.unwrap();
        assert_eq!(closed(&mut client).await, (code, reason.to_owned()));
        stage.reports(&format!("Text close {code} {reason}")).await;
        assert!(client.next().await.is_none());
    }
    stage.running.counts.emptied().await;
    assert_eq!(stage.running.counts.ended(CloseReason::Aborted), 3);
}

#[tokio::test]
async fn a_close_frame_behind_messages_that_the_handler_did_not_read_ends_the_wait_for_it() {
    let stage = Stage::new().await;
    let mut client = stage.connect().await;
    client.feed(Message::text("close 1000 done")).await.unwrap();
    client.feed(Message::text("too late")).await.unwrap();
    client.feed(Message::Close(None)).await.unwrap();
    client.flush().await.unwrap();
    let start = tokio::time::Instant::now();
    stage.running.counts.emptied().await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_clients_close_code_and_reason_reach_the_handler() {
    let mut stage = Stage::new().await;
    let code = |code: u16| coding::CloseCode::from(code);
    for (frame, expected) in [
        (None, "client_closed None "),
        (Some((1000, "done")), "client_closed Some(1000) done"),
        (Some((4001, "änderung")), "client_closed Some(4001) änderung"),
    ] {
        let mut client = stage.connect().await;
        let frame = frame.map(|(number, reason)| TheirFrame { code: code(number), reason: Utf8Bytes::from(reason) });
        client.feed(Message::text("last words")).await.unwrap();
        client.send(Message::Close(frame)).await.unwrap();
        stage.reports("Text last words").await;
        stage.reports(expected).await;
        // The answer is the original's, whatever the client's code.
        assert_eq!(closed(&mut client).await, (1000, String::new()));
    }
}

#[tokio::test]
async fn a_client_that_leaves_within_a_message_has_sent_no_message() {
    let mut stage = Stage::new().await;
    let mut client = stage.connect().await;
    client.send(fragment("begun", OpCode::Data(Data::Text), false)).await.unwrap();
    drop(client);
    stage.reports("client_gone").await;
}

#[tokio::test]
async fn pongs_are_reported_to_a_handler_that_pings() {
    let mut stage = Stage::new().await;
    let mut client = stage.connect().await;
    client.send(Message::text("ping")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Ping("".into()));
    client.flush().await.unwrap();
    stage.reports("Text ping").await;
    stage.reports("pong").await;
}

#[tokio::test]
async fn what_comes_with_the_upgrade_is_a_message_too() {
    let mut stage = Stage::new().await;
    let upgrade = crate::support::UPGRADE.replace("/echo", "/dialect");
    let mut bytes = format!("{upgrade}\r\n").into_bytes();
    bytes.extend([0x81, 0x82, 0, 0, 0, 0, b'h', b'i', 0x88, 0x80, 0, 0, 0, 0]);
    let mut socket = stage.running.open(bytes).await;
    assert_eq!(crate::support::answer(&mut socket).await.status, 101);
    stage.reports("Text hi").await;
    stage.reports("client_closed None ").await;
}

#[tokio::test]
async fn posts_are_no_messages() {
    let mut stage = Stage::new().await;
    for accept in ["text/event-stream", "*/*"] {
        let token = stage.negotiate().await;
        let head = format!("GET /dialect?id={token} HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n");
        let _transport = stage.running.open(head).await;
        stage.reports("the transport has no message boundaries").await;
    }
    let token = stage.negotiate().await;
    stage.post(&token, "early").await;
    let mut client = connect_async(format!("ws://{}/dialect?id={token}", stage.running.address)).await.unwrap().0;
    stage.reports("bytes were received that are not a whole message").await;
    assert_eq!(closed(&mut client).await.0, 1000);
}

#[tokio::test]
async fn a_connection_that_reads_messages_is_not_resumed() {
    let mut stage = Stage::new().await;
    let token = stage.negotiate().await;
    let client = connect_async(format!("ws://{}/dialect?id={token}", stage.running.address)).await.unwrap().0;
    drop(client);
    stage.reports("client_gone").await;
    stage.running.counts.emptied().await;
}
