//! Requests and responses of HTTP/1.1, one connection each.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::address::Address;
use crate::names::{Names, to_hex};
use crate::recording::Request;
use crate::wire::{Wire, WireError};

/// Response headers that a client can depend on; the others are not compared.
const COMPARED: [&str; 10] = [
    "content-type",
    "cache-control",
    "pragma",
    "expires",
    "content-encoding",
    "allow",
    "www-authenticate",
    "location",
    "sec-websocket-protocol",
    "x-accel-buffering",
];

/// Header lines in the order they are sent.
#[derive(Debug)]
pub(crate) struct Lines(Vec<(String, String)>);

impl Lines {
    pub(crate) fn new(address: &Address) -> Self {
        Self(vec![("Host".to_owned(), address.authority())])
    }

    /// Sets a header, in place if one of exactly this spelling is there.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    pub(crate) fn set_all(&mut self, headers: &BTreeMap<String, String>, names: &Names) {
        for (name, value) in headers {
            self.set(name, names.expand(value));
        }
    }

    /// Returns the bytes of a request's head.
    pub(crate) fn head(&self, method: &str, address: &Address, path: &str) -> Vec<u8> {
        let mut head = format!("{method} {} HTTP/1.1\r\n", address.target(path));
        for (name, value) in &self.0 {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        (head + "\r\n").into_bytes()
    }
}

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    headers: BTreeMap<String, String>,
}

impl Head {
    pub(crate) async fn read(wire: &mut Wire, wait: Duration) -> Result<Self, WireError> {
        let raw = wire.until(b"\r\n\r\n", wait).await?;
        let text: String = raw.into_iter().map(char::from).collect();
        let mut lines = text.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(':'));
        Ok(Self {
            status: status.ok_or(WireError::Malformed("status line"))?,
            headers: headers.map(|(name, value)| (name.trim().to_lowercase(), value.trim().to_owned())).collect(),
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    }

    /// Reads the body that this head announces.
    pub(crate) async fn body(&self, wire: &mut Wire, wait: Duration) -> Result<Vec<u8>, WireError> {
        if let Some(length) = self.header("content-length") {
            let length = length.parse().map_err(|_| WireError::Malformed("content length"))?;
            return wire.exactly(length, wait).await;
        }
        if self.is_chunked() {
            let mut body = vec![];
            while let Some(chunk) = chunk(wire, wait, wait).await? {
                body.extend(chunk);
            }
            return Ok(body);
        }
        if matches!(self.status, 101 | 204 | 304) {
            return Ok(vec![]);
        }
        while wire.fill(wait).await? {}
        Ok(wire.rest())
    }

    /// Shows the status and those headers that a client can depend on.
    pub(crate) fn show(&self, names: &Names) -> Map<String, Value> {
        let compared = COMPARED.iter().filter_map(|name| Some(((*name).to_owned(), self.header(name)?)));
        let headers: Map<String, Value> =
            compared.map(|(name, value)| (name, Value::String(names.collapse(value)))).collect();
        let mut seen = Map::new();
        seen.insert("status".to_owned(), self.status.into());
        seen.insert("headers".to_owned(), headers.into());
        seen
    }
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Response {
    head: Head,
    body: Vec<u8>,
}

impl Response {
    pub(crate) async fn read(mut wire: Wire, wait: Duration) -> Result<Self, WireError> {
        let head = Head::read(&mut wire, wait).await?;
        let body = head.body(&mut wire, wait).await?;
        Ok(Self { head, body })
    }

    /// Shows the response, after what it answered has got its names.
    pub(crate) fn show(&self, save: &BTreeMap<String, String>, names: &mut Names) -> Value {
        let answer: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        for (name, key) in save {
            let value = match &answer[key] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            names.save(name, value);
        }
        let mut seen = self.head.show(names);
        seen.insert("body".to_owned(), show_body(&self.body, names));
        seen.into()
    }
}

/// Sends a request on a connection of its own, with defaults for headers that it does not have.
pub(crate) async fn send(
    address: &Address,
    request: &Request,
    defaults: &[(&str, &str)],
    names: &Names,
) -> Result<Wire, WireError> {
    let body = request.body.as_ref().map(|body| names.bytes(body)).transpose()?.unwrap_or_default();
    let mut lines = Lines::new(address);
    lines.set("Connection", "close".to_owned());
    if !body.is_empty() || matches!(request.method.as_str(), "POST" | "PUT") {
        lines.set("Content-Length", body.len().to_string());
    }
    for (name, value) in defaults {
        lines.set(name, (*value).to_owned());
    }
    lines.set_all(&request.headers, names);
    let mut bytes = lines.head(&request.method, address, &names.expand(&request.path));
    bytes.extend(body);
    let mut wire = Wire::connect(address).await?;
    wire.send(&bytes).await?;
    Ok(wire)
}

/// Reads one chunk, whose first line may take `wait` and whose rest `rest`; `None` is the last one.
pub(crate) async fn chunk(wire: &mut Wire, wait: Duration, rest: Duration) -> Result<Option<Vec<u8>>, WireError> {
    let line = wire.until(b"\r\n", wait).await?;
    let digits = std::str::from_utf8(&line).ok().and_then(|line| line.split(';').next());
    let size = digits.and_then(|digits| usize::from_str_radix(digits.trim(), 16).ok());
    let size = size.ok_or(WireError::Malformed("chunk size"))?;
    let bytes = wire.exactly(size, rest).await?;
    wire.until(b"\r\n", rest).await?;
    Ok((size > 0).then_some(bytes))
}

/// Shows a body: as JSON or text if it is that, as hexadecimal digits otherwise.
pub(crate) fn show_body(body: &[u8], names: &Names) -> Value {
    let printable = |text: &&str| !text.chars().any(|c| c < ' ' && !matches!(c, '\r' | '\n' | '\t' | '\x1e'));
    let Some(text) = std::str::from_utf8(body).ok().filter(printable) else {
        return json!({ "hex": to_hex(body) });
    };
    let collapsed = names.collapse(text);
    if text.starts_with(['{', '['])
        && let Ok(value) = serde_json::from_str::<Value>(&collapsed)
    {
        return json!({ "json": value });
    }
    json!({ "text": collapsed })
}

#[cfg(test)]
mod tests;
