//! Who may connect, and how often.

use std::time::Duration;

use futures_util::StreamExt;
use signalhub_connections::{CloseReason, GuessLimit};
use signalhub_dialects::printfactory::{JOB_CHANGED, KeyChange, Notifications, SecondConnection};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{start, start_with, until};

const MESSAGE: &str = "{\"JobGUID\":\"dd6bddf6-74ba-4bd0-ac48-94a251a8eca6\"}";

#[tokio::test]
async fn connections_without_a_valid_key_are_refused_with_json() {
    let dialect = start().await;
    let cancelled = dialect.key("acme", "bob");
    dialect.keys.change("acme", "bob", KeyChange::Cancel).await.unwrap();
    let off = dialect.key("acme", "eve");
    dialect.keys.change("acme", "eve", KeyChange::Notifications(Notifications::Off)).await.unwrap();
    let invalid = "{\"Message\":\"Invalid MisKey\"}";
    for (key, status, body) in [
        (None, 401, "{\"Message\":\"\\\"MisKey\\\" header is required\"}"),
        (Some(""), 401, invalid),
        (Some("x"), 401, invalid),
        (Some("dd6bddf6-74ba-4bd0-ac48-94a251a8eca6"), 401, invalid),
        (Some(cancelled.reveal()), 401, invalid),
        (Some(off.reveal()), 403, "{\"Message\":\"Notifications are disabled\"}"),
    ] {
        assert_eq!(dialect.refusal(key).await, (status, body.to_owned()), "{key:?}");
    }
    let head = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
    let mut socket = tokio::net::TcpStream::connect(dialect.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut socket, head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 1024];
    let length = tokio::io::AsyncReadExt::read(&mut socket, &mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
    assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
    assert_eq!(dialect.counts.active(), 0);
}

#[tokio::test]
async fn the_header_and_the_key_are_read_regardless_of_case() {
    let dialect = start().await;
    let key = dialect.key("acme", "ann").reveal().to_uppercase();
    dialect.try_connect(Some(&key)).await.unwrap();
}

#[tokio::test]
async fn guessing_of_keys_is_slowed_down() {
    let dialect = start_with(|dialect| dialect.guess_limit(GuessLimit::new(3, Duration::from_secs(3600))), |e| e).await;
    let key = dialect.key("acme", "ann");
    let wrong = Some("dd6bddf6-74ba-4bd0-ac48-94a251a8eca6");
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(dialect.refusal(wrong).await.0);
        statuses.push(dialect.post("/api/v2/job/status", wrong, "{}").await.0);
    }
    assert_eq!(statuses, [401, 401, 401, 429]);
    assert_eq!(dialect.refusal(wrong).await.0, 429);
    // A key that is known was not guessed.
    dialect.try_connect(Some(key.reveal())).await.unwrap();
}

#[tokio::test]
async fn a_second_connection_of_an_organisation_replaces_the_first() {
    let dialect = start().await;
    let (ann, bob, other) = (dialect.key("acme", "ann"), dialect.key("acme", "bob"), dialect.key("other", "ann"));
    let mut first = dialect.connect(&ann).await;
    let mut apart = dialect.connect(&other).await;
    let mut second = dialect.connect(&bob).await;
    assert_eq!(first.closed().await, (4409, "replaced by a newer connection".to_owned()));
    drop(first);
    until(|| dialect.counts.active() == 2).await;
    assert_eq!(dialect.publish(JOB_CHANGED, MESSAGE, "acme").await.matched, 1);
    assert_eq!(second.text().await, MESSAGE);
    assert_eq!(dialect.publish(JOB_CHANGED, MESSAGE, "other").await.matched, 1);
    assert_eq!(apart.text().await, MESSAGE);
    assert_eq!(dialect.counts.ended(CloseReason::Aborted), 1);
}

#[tokio::test]
async fn a_second_connection_is_refused_where_that_is_configured() {
    let dialect = start_with(|dialect| dialect.second_connection(SecondConnection::Refuse), |e| e).await;
    let (ann, bob) = (dialect.key("acme", "ann"), dialect.key("acme", "bob"));
    let mut first = dialect.connect(&ann).await;
    let refused = (409, "{\"Message\":\"Only one connection per organisation is possible\"}".to_owned());
    assert_eq!(dialect.refusal(Some(bob.reveal())).await, refused);
    dialect.publish(JOB_CHANGED, MESSAGE, "acme").await;
    assert_eq!(first.text().await, MESSAGE);
    drop(first);
    until(|| dialect.counts.active() == 0).await;
    dialect.try_connect(Some(bob.reveal())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_connections_in_a_race_one_stays() {
    for second in [SecondConnection::Replace, SecondConnection::Refuse] {
        let dialect = start_with(|dialect| dialect.second_connection(second), |e| e).await;
        let keys: Vec<_> = (0..4).map(|user| dialect.key("acme", &user.to_string())).collect();
        let racing = keys.iter().cycle().take(32).map(|key| dialect.try_connect(Some(key.reveal())));
        let clients: Vec<_> = futures_util::future::join_all(racing).await.into_iter().flatten().collect();
        if second == SecondConnection::Refuse {
            assert_eq!(clients.len(), 1);
        }
        let (arrived, mut arrival) = tokio::sync::mpsc::channel(32);
        let mut reading = Vec::new();
        for mut client in clients {
            let arrived = arrived.clone();
            reading.push(tokio::spawn(async move {
                let mut texts = 0_usize;
                while let Some(Ok(message)) = client.0.next().await {
                    match message {
                        Message::Close(Some(frame)) => {
                            return (texts, frame.code.into());
                        }
                        message if message.is_text() => {
                            texts += 1;
                            arrived.send(()).await.unwrap();
                        }
                        _ => {}
                    }
                }
                (texts, 0)
            }));
        }
        until(|| dialect.counts.active() == 1 && dialect.broker.subscriber_count() == 1).await;
        assert_eq!(dialect.publish(JOB_CHANGED, MESSAGE, "acme").await.matched, 1);
        arrival.recv().await.unwrap();
        dialect.stop.send(()).unwrap();
        let mut codes = Vec::new();
        for reading in reading {
            codes.push(reading.await.unwrap());
        }
        codes.sort_unstable();
        assert_eq!(codes.iter().filter(|(texts, code)| (*texts, *code) == (1, 1001)).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|(texts, code)| matches!((*texts, *code), (1, 1001) | (0, 4409))), "{codes:?}");
    }
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_gets_no_connection() {
    let dialect = start().await;
    let key = dialect.key("acme", "ann");
    for (line, status) in [("GET /", "404"), ("POST /negotiate", "404"), ("GET /api/v2/job/status", "405")] {
        let request = format!(
            "{line} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nMisKey: {}\r\nContent-Length: 0\r\n\r\n",
            key.reveal()
        );
        let answer = dialect.ask(&request).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{line}: {answer}");
    }
}
