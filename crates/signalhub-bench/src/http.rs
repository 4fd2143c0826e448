//! Single requests over connections of their own.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::address::Address;

/// Sends a POST and gives the body of the answer, which must be a success.
pub(crate) async fn post(address: &Address, path: &str, header: &str, body: &str) -> io::Result<String> {
    let length = body.len();
    let head = format!("{header}\r\nContent-Type: application/json\r\nContent-Length: {length}");
    ask(address, "POST", path, &head, body).await
}

/// Gets the body of a page, which must be there.
pub(crate) async fn get(address: &Address, path: &str) -> io::Result<String> {
    ask(address, "GET", path, "Accept: */*", "").await
}

async fn ask(address: &Address, method: &str, path: &str, head: &str, body: &str) -> io::Result<String> {
    let mut socket = address.connect().await?;
    let host = address.authority();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{head}\r\n\r\n{body}");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 2") => Ok(body.to_owned()),
        _ => Err(io::Error::other(format!("{path} was answered with: {answer}"))),
    }
}
