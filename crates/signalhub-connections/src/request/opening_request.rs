//! The request that opened a connection, kept for handlers that read it later.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use crate::request::query;

/// The HTTP request that opened a connection: its path, query and headers.
///
/// It is the `GET` that attached the first transport: the upgrade of a WebSocket, the request of an event stream, or the
/// first poll of long polling. The negotiate request that may come before it is not kept, nor are later requests, such as
/// polls, POSTs or a reconnect: [`Connection::identity`](crate::Connection::identity) and
/// [`Connection::remote_address`](crate::Connection::remote_address) follow those.
///
/// A connection keeps it only if its handler needs it, see
/// [`ConnectionHandler::keeps_opening_request`](crate::ConnectionHandler::keeps_opening_request), because it takes memory
/// for as long as the connection lives: the length of the request's head and 16 bytes. Clones share this memory. Otherwise,
/// the request is [empty](Self::default).
///
/// The query has the secret token of the connection (`id`), and often the credentials (`access_token`); headers may have
/// credentials as well. So `Debug` prints names, and no values.
///
/// ```
/// # use signalhub_connections::OpeningRequest;
/// let head = http::Request::get("/chat?room=a%20b").header("Cookie", "theme=dark; lang=en").body(())?.into_parts().0;
/// let request = OpeningRequest::new(&head);
/// assert_eq!((request.path(), request.query()), ("/chat", Some("room=a%20b")));
/// assert_eq!(request.query_value("room").as_deref(), Some("a b"));
/// assert_eq!(request.cookie("lang"), Some("en"));
/// assert_eq!(request.header("Accept"), None);
/// # Ok::<(), http::Error>(())
/// ```
// One allocation with lines of text: the path, the query with its question mark or nothing, and each header as
// `name:value`. None of them can contain a line feed. The request's own parts would keep hyper's read buffer alive.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct OpeningRequest(Option<Arc<[u8]>>);

impl OpeningRequest {
    /// Copies the path, the query and the headers of a request.
    pub fn new(head: &Parts) -> Self {
        let (path, query) = (head.uri.path(), head.uri.query());
        let headers: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 2).sum();
        let mut lines = Vec::with_capacity(path.len() + query.map_or(0, str::len) + 3 + headers);
        lines.extend_from_slice(path.as_bytes());
        lines.push(b'\n');
        if let Some(query) = query {
            lines.push(b'?');
            lines.extend_from_slice(query.as_bytes());
        }
        lines.push(b'\n');
        for (name, value) in &head.headers {
            lines.extend_from_slice(name.as_str().as_bytes());
            lines.push(b':');
            lines.extend_from_slice(value.as_bytes());
            lines.push(b'\n');
        }
        Self(Some(lines.into()))
    }

    /// The path. Behind [`Server`](crate::Server) it is the whole path, with unreserved characters decoded and dot segments
    /// removed; as a tower service it is without the prefix under which the service is nested.
    pub fn path(&self) -> &str {
        text(self.line(0))
    }

    /// The query as the client wrote it, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.line(1).strip_prefix(b"?").map(text)
    }

    /// The decoded value of a key of the query. Keys are compared regardless of case; the values of a key that is given
    /// several times are joined by commas, as in the original.
    pub fn query_value(&self, key: &str) -> Option<String> {
        query::value(self.query(), key)
    }

    /// The first value of a header, regardless of the name's case; `None` if it is not UTF-8. [`Self::headers`] has its
    /// bytes.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// All headers, with their names in lower case. A header that the client sent several times is given several times.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines().skip(2).filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((text(&line[..colon]), &line[colon + 1..]))
        })
    }

    /// The value of a cookie, as the client sent it: nothing is decoded. Names are compared with their case.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        let headers = self.headers().filter(|(header, _)| *header == "cookie");
        let cookies =
            headers.filter_map(|(_, value)| std::str::from_utf8(value).ok()).flat_map(|value| value.split(';'));
        cookies
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(other, _)| *other == name)
            .map(|(_, value)| value)
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.as_deref().unwrap_or_default().split(|byte| *byte == b'\n')
    }

    fn line(&self, number: usize) -> &[u8] {
        self.lines().nth(number).unwrap_or_default()
    }
}

/// Reads bytes that were a `str` before.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Prints the path, and the names of the query's keys and of the headers.
impl fmt::Debug for OpeningRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let keys: Vec<_> = pairs.map(|pair| pair.split('=').next().unwrap_or_default()).collect();
        let headers: Vec<_> = self.headers().map(|(name, _)| name).collect();
        f.debug_struct("OpeningRequest")
            .field("path", &self.path())
            .field("query", &keys)
            .field("headers", &headers)
            .finish()
    }
}

#[cfg(test)]
mod tests;
