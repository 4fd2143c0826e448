//! Answers heads of requests that hyper cannot read, with more details than hyper and with CORS headers.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Request, StatusCode, Uri};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use super::accepted_socket::AcceptedSocket;
use super::head;
use crate::counts::client_errors::ClientError;
use crate::http::answers;
use crate::limits::limit::Limit;
use crate::registry::Registry;
use crate::transport::client_socket::ClientSocket;

/// How many header fields a head may have; the original's limit as well as hyper's.
const HEADER_FIELDS: usize = 100;

/// How long the server reads and drops bytes of a client whose request was refused, so that the client gets the response.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// How many bytes are read and dropped.
const MOST_DISCARDED: usize = 1 << 20;

/// Answers an unreadable head with this status, counts the error, and closes the socket.
pub(super) async fn refuse(
    mut socket: ClientSocket,
    status: u16,
    read: &[u8],
    error: &hyper::Error,
    accepted: &AcceptedSocket,
) {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let text = explain(status, read, error, accepted.head_size);
    let reason = count_broken(error, &accepted.routes.registry);
    let address = accepted.address;
    tracing::debug!(reason, detail = text, status = status.as_u16(), %address, "the head of a request was refused");
    let mut response = answers::text(status, &text).map(|_| ());
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(mut head) = readable(read) {
        accepted.routes.proxies.resolve(&mut head, accepted.address, accepted.routes.scheme());
        accepted.routes.add_cors_headers(&head, &mut response);
    }
    let answering = async {
        let bytes = [head::whole(&response), text.into_bytes()].concat();
        if socket.write_all(&bytes).await.is_ok() && socket.shutdown().await.is_ok() {
            // If a socket is closed with unread input, the client may not get the response.
            discard(&mut socket).await;
        }
    };
    let _ = tokio::time::timeout(DISCARD_TIMEOUT, answering).await;
}

/// Counts the error of a client, and returns its name.
pub(super) fn count_broken(error: &hyper::Error, registry: &Registry) -> Option<&'static str> {
    let wrong = if error.is_parse_too_large() {
        registry.refusals().count(Limit::HeadSize);
        return Some(Limit::HeadSize.label());
    } else if error.is_parse() {
        ClientError::MalformedRequest
    } else if error.is_incomplete_message() {
        ClientError::IncompleteRequest
    } else {
        return None;
    };
    registry.client_errors().count(wrong, 1);
    Some(wrong.label())
}

/// Reads and drops what the client still sends, up to a limit.
pub(super) async fn discard(socket: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = vec![0; 4096];
    let mut discarded = 0;
    while let Ok(count @ 1..) = socket.read(&mut buffer).await
        && discarded < MOST_DISCARDED
    {
        discarded += count;
    }
}

fn explain(status: StatusCode, read: &[u8], error: &hyper::Error, head_size: usize) -> String {
    let is_long = || !read.windows(4).take(head_size.saturating_sub(3)).any(|end| end == b"\r\n\r\n");
    match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if is_long() => {
            format!("The head of the request is larger than {head_size} bytes.")
        }
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            format!("The head of the request has more than {HEADER_FIELDS} header fields.")
        }
        StatusCode::URI_TOO_LONG => "The target of the request is too long.".to_owned(),
        _ => format!("The head of the request is malformed: {error}."),
    }
}

/// Reads the readable lines of a head, as far as it has arrived.
fn readable(bytes: &[u8]) -> Option<Parts> {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n"));
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let (method, target) = (Method::from_bytes(words.next()?).ok()?, Uri::try_from(words.next()?).ok()?);
    let mut head = Request::builder().method(method).uri(target).body(()).ok()?.into_parts().0;
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() || !add(&mut head.headers, line) {
            break;
        }
    }
    Some(head)
}

/// Adds a field; `false` if there are too many.
fn add(headers: &mut HeaderMap, line: &[u8]) -> bool {
    let mut parts = line.splitn(2, |byte| *byte == b':');
    let name = parts.next().and_then(|name| HeaderName::from_bytes(name).ok());
    let value = parts.next().and_then(|value| HeaderValue::from_bytes(value.trim_ascii()).ok());
    match name.zip(value) {
        Some((name, value)) => headers.try_append(name, value).is_ok(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_head_is_read() {
        let bytes =
            b"GET /hub?a=b HTTP/1.1\r\nHost: h\r\nno field\r\nORIGIN:  https://a.example \r\nAuthorization: Bear";
        let head = readable(bytes).unwrap();
        assert_eq!((head.method, head.uri.path()), (Method::GET, "/hub"));
        let fields: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(fields, [("host", &b"h"[..]), ("origin", b"https://a.example")]);
        for bytes in [&b""[..], b"GET", b"GET /", b"GET / HTTP/1.1", b"\xff / HTTP/1.1\r\n", b"GET \xff HTTP/1.1\r\n"] {
            assert!(readable(bytes).is_none(), "{bytes:?}");
        }
    }
}
