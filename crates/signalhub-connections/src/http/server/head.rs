//! Writes the heads of responses that hyper does not write, in the same form.

use std::time::SystemTime;

use http::header::{CONNECTION, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Response, StatusCode, Version};

/// How a body without a known length ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// With its last chunk. Another request may follow.
    Chunked,
    /// With its last chunk, after which the socket is closed.
    LastChunked,
    /// With the end of the socket, because HTTP/1.0 has no chunks.
    UntilClose,
}

impl Framing {
    /// The framing that the version and the `Connection` header of a request need.
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        match request.version() {
            Version::HTTP_11 if wants_close(request.headers()) => Self::LastChunked,
            Version::HTTP_11 => Self::Chunked,
            _ => Self::UntilClose,
        }
    }

    /// Writes a piece of the body.
    pub(super) fn append(self, piece: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::UntilClose => out.extend_from_slice(piece),
            Self::Chunked | Self::LastChunked => {
                out.extend_from_slice(format!("{:X}\r\n", piece.len()).as_bytes());
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\r\n");
            }
        }
    }

    /// What follows the last piece.
    pub(super) fn end(self) -> &'static [u8] {
        match self {
            Self::UntilClose => b"",
            Self::Chunked | Self::LastChunked => b"0\r\n\r\n",
        }
    }
}

fn wants_close(headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    options.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

/// The head of a response whose body is a stream.
pub(super) fn stream(response: &Response<()>, framing: Framing) -> Vec<u8> {
    let mut headers = response.headers().clone();
    if framing != Framing::UntilClose {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if framing != Framing::Chunked {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let version = if framing == Framing::UntilClose { "HTTP/1.0" } else { "HTTP/1.1" };
    write(version, response.status(), &headers)
}

/// The head of an upgrade.
pub(super) fn upgrade(response: &Response<()>) -> Vec<u8> {
    write("HTTP/1.1", response.status(), response.headers())
}

/// The head of a response that has its `Content-Length` already.
pub(super) fn whole(response: &Response<()>) -> Vec<u8> {
    write("HTTP/1.1", response.status(), response.headers())
}

fn write(version: &str, status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("{version} {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in headers {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    let date = httpdate::fmt_http_date(SystemTime::now());
    head.extend_from_slice(format!("date: {date}\r\n\r\n").as_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_tell_how_the_body_ends() {
        let mut response = Response::new(());
        response.headers_mut().insert("content-type", HeaderValue::from_static("text/event-stream"));
        for (version, connection, framing, lines) in [
            (Version::HTTP_11, "keep-alive", Framing::Chunked, "HTTP/1.1 200 OK|transfer-encoding: chunked"),
            (
                Version::HTTP_11,
                "TE, Close",
                Framing::LastChunked,
                "HTTP/1.1 200 OK|transfer-encoding: chunked|connection: close",
            ),
            (Version::HTTP_10, "keep-alive", Framing::UntilClose, "HTTP/1.0 200 OK|connection: close"),
        ] {
            let request = Request::get("/").version(version).header("Connection", connection).body(()).unwrap();
            assert_eq!(Framing::of(&request), framing);
            let head = String::from_utf8(stream(&response, framing)).unwrap();
            for line in lines.split('|') {
                assert!(head.contains(&format!("{line}\r\n")), "{head}");
            }
            assert!(head.contains("content-type: text/event-stream\r\n") && head.contains("\r\ndate: "), "{head}");
            assert_eq!(head.contains("transfer-encoding"), framing != Framing::UntilClose);
            assert!(head.ends_with(" GMT\r\n\r\n"), "{head}");
        }
    }

    #[test]
    fn pieces_become_chunks() {
        let mut out = Vec::new();
        Framing::Chunked.append(&[b'x'; 26], &mut out);
        assert_eq!(out, [b"1A\r\n", &[b'x'; 26][..], b"\r\n"].concat());
        let mut out = Vec::new();
        Framing::UntilClose.append(b"x", &mut out);
        assert_eq!(out, b"x");
    }
}
