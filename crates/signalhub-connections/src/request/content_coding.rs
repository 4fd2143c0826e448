//! The `Content-Encoding` of a request. No encoded body is accepted.

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// Returns the coding of a request's body, such as `gzip`; `None` if the body is not encoded (RFC 9110, section 8.4).
///
/// Nothing decodes bodies, so a request with a coding must be refused: its body would be read as malformed text.
pub fn content_coding(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(CONTENT_ENCODING).iter().map(|line| String::from_utf8_lossy(line.as_bytes()));
    let codings: Vec<String> = lines
        .flat_map(|line| line.split(',').map(|coding| coding.trim().to_owned()).collect::<Vec<_>>())
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
        .collect();
    (!codings.is_empty()).then(|| codings.join(", "))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_identity_is_no_encoding() {
        for (lines, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["identity"], None),
            (&["Identity , ", "identity"], None),
            (&["gzip"], Some("gzip")),
            (&["identity, BR"], Some("BR")),
            (&["deflate", "gzip"], Some("deflate, gzip")),
            (&["g\u{fc}zip"], Some("g\u{fc}zip")),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CONTENT_ENCODING, HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            assert_eq!(content_coding(&headers).as_deref(), expected, "{lines:?}");
        }
    }
}
