//! A server that runs the script of a test.

use std::future::Future;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::address::Address;

/// The head of a response that accepts a WebSocket; the client does not check its key.
pub(crate) const UPGRADE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

/// What a scripted server does on a connection.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Waits until what arrived contains this.
    Hear(&'static [u8]),
    /// Sends bytes.
    Say(Vec<u8>),
    /// Waits for the peer to end, and takes note whether it did so by a reset.
    HearEnd,
    /// Ends with a reset.
    Reset,
}

pub(crate) fn say(bytes: impl AsRef<[u8]>) -> Act {
    Act::Say(bytes.as_ref().to_vec())
}

/// Runs one script per connection, in order; the handle returns all received bytes, and `<reset>` for a reset.
pub(crate) async fn server(scripts: Vec<Vec<Act>>) -> (Address, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let served = tokio::spawn(async move {
        let mut connections = vec![];
        for script in scripts {
            let (stream, _) = listener.accept().await.unwrap();
            connections.push(tokio::spawn(play(stream, script)));
        }
        let mut received = vec![];
        for connection in connections {
            received.push(connection.await.unwrap());
        }
        received
    });
    (address, served)
}

async fn play(mut stream: TcpStream, script: Vec<Act>) -> String {
    let mut received = vec![];
    for act in script {
        match act {
            Act::Hear(mark) => {
                while !received.windows(mark.len()).any(|window| window == mark) {
                    assert_ne!(stream.read_buf(&mut received).await.unwrap(), 0, "the peer ended");
                }
            }
            Act::Say(bytes) => stream.write_all(&bytes).await.unwrap(),
            Act::HearEnd => loop {
                match stream.read_buf(&mut received).await {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(_) => {
                        received.extend(b"<reset>");
                        break;
                    }
                }
            },
            Act::Reset => {
                stream.set_zero_linger().unwrap();
                return show(&received);
            }
        }
    }
    show(&received)
}

fn show(received: &[u8]) -> String {
    String::from_utf8_lossy(received).into_owned()
}

/// Plays one script against what `talk` does with the address.
pub(crate) async fn against<T, F: Future<Output = T>>(script: Vec<Act>, talk: impl FnOnce(Address) -> F) -> T {
    let (address, _served) = server(vec![script]).await;
    talk(address).await
}
