//! Normalises paths, so that all spellings of a path are equal (RFC 3986, sections 6.2.2.2 and 6.2.2.3).

use http::Uri;
use http::uri::PathAndQuery;

/// A path has an encoded NUL. The original refuses such a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the path has an encoded NUL")]
pub(crate) struct NulInPath;

/// Normalises the path: decodes unreserved characters, and removes `.` and `..` segments.
///
/// All other characters stay as they are, so an encoded slash does not separate segments, and empty segments remain.
pub(crate) fn normalise(uri: &mut Uri) -> Result<(), NulInPath> {
    let path = uri.path();
    if !path.contains('%') && !path.contains("/.") {
        return Ok(());
    }
    if path.contains("%00") {
        return Err(NulInPath);
    }
    let normal = normal(path);
    if normal == path {
        return Ok(());
    }
    let whole = match uri.query() {
        Some(query) => format!("{normal}?{query}"),
        None => normal,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(whole).ok();
    // Parts of a URI that was parsed are always accepted; if not, the path would match no endpoint.
    if let Ok(normal) = Uri::from_parts(parts) {
        *uri = normal;
    }
    Ok(())
}

/// Tells whether no `..` of the path leads above its root.
#[cfg(feature = "tower")]
pub(crate) fn is_within_root(path: &str) -> bool {
    let mut depth = 0_usize;
    let decoded = decode_unreserved(path.strip_prefix('/').unwrap_or(path));
    decoded.split('/').all(|segment| {
        match segment {
            "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
        true
    })
}

/// Normalises a path alone, such as the one of an endpoint.
pub(crate) fn normal(path: &str) -> String {
    without_dot_segments(&decode_unreserved(path))
}

/// Decodes unreserved characters: letters, digits and `-._~`.
fn decode_unreserved(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (before, encoded) = rest.split_at(at);
        decoded.push_str(before);
        let byte = encoded.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.map(char::from).filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~')) {
            // `from_str_radix` accepts a sign, but no sign and digit make an unreserved character.
            Some(character) => {
                decoded.push(character);
                rest = &encoded[3..];
            }
            None => {
                decoded.push('%');
                rest = &encoded[1..];
            }
        }
    }
    decoded + rest
}

/// Removes `.` and `..` segments; nothing is above the root.
fn without_dot_segments(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut rest = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = rest.next() {
        let last = rest.peek().is_none();
        match segment {
            "." => {}
            ".." => drop(segments.pop()),
            other => {
                segments.push(other);
                continue;
            }
        }
        // A dot segment at the end leaves a slash at the end.
        if last {
            segments.push("");
        }
    }
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests;
