//! A connection whose other end is the test.

use redis::cmd;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;

fn pair() -> (OwnConnection, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    (OwnConnection::new(Box::new(near), Box::pin(std::future::pending())), far)
}

/// Asks while the other end answers with these pieces.
async fn answered(pieces: &[&[u8]]) -> (OwnConnection, Result<Vec<u8>, RedisError>) {
    let (mut own, mut far) = pair();
    let ping = cmd("PING");
    let asked = own.ask(&ping, |answer| answer.to_vec());
    let answering = async {
        let mut command = [0; 14];
        far.read_exact(&mut command).await.unwrap();
        assert_eq!(&command, b"*1\r\n$4\r\nPING\r\n");
        for piece in pieces {
            far.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (answer, ()) = tokio::join!(asked, answering);
    (own, answer)
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_read_from_its_pieces_and_the_next_one_can_be_asked_for() {
    let (mut own, answer) = answered(&[b"*2\r\n$3\r", b"\nab", b"c\r\n:1", b"\r\n"]).await;
    assert_eq!(answer.unwrap(), b"*2\r\n$3\r\nabc\r\n:1\r\n");
    assert!(own.ask(&cmd("PING"), |_| ()).await.unwrap_err().is_io_error(), "the other end is gone");
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_answer_end_the_connection() {
    for wrong in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"+PONG\r\n+PONG\r\n", b"$-7\r\n"] {
        let (mut own, answer) = answered(&[wrong]).await;
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Parse, "{wrong:?}");
        assert!(own.ask(&cmd("PING"), |_| ()).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_in_time_is_never_taken_for_that_of_the_next_command() {
    let (mut own, mut far) = pair();
    assert!(own.ask(&cmd("PING"), |_| ()).await.unwrap_err().is_timeout());
    far.write_all(b"+LATE\r\n").await.unwrap();
    assert!(own.ask(&cmd("PING"), |_| ()).await.unwrap_err().is_io_error());
}

#[tokio::test(start_paused = true)]
async fn the_memory_of_a_long_answer_is_given_back() {
    let long = [b"$1000000\r\n".as_slice(), &[b'x'; 1_000_000], b"\r\n"].concat();
    let (own, answer) = answered(&[&long]).await;
    assert_eq!(answer.unwrap().len(), long.len());
    assert!(own.received.capacity() <= KEPT);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_a_server_that_is_the_primary_no_longer_is_not_waited_for() {
    let (near, _far) = duplex(1 << 20);
    let moved = tokio::time::sleep(RESPONSE_TIMEOUT / 2);
    let mut own = OwnConnection::new(Box::new(near), Box::pin(moved));
    let begun = tokio::time::Instant::now();
    assert!(own.ask(&cmd("PING"), |_| ()).await.unwrap_err().is_io_error());
    assert_eq!(begun.elapsed(), RESPONSE_TIMEOUT / 2);
    assert!(own.ask(&cmd("PING"), |_| ()).await.is_err());
}
