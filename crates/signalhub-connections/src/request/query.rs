//! Reads the query of a request. Keys are compared regardless of case, and values are percent-decoded.

/// Finds the value of a key. If a key is given several times, its values that are not empty are joined by commas, as in
/// the original.
pub(crate) fn value(query: Option<&str>, key: &str) -> Option<String> {
    let mut found: Option<String> = None;
    for pair in query?.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !decode(name).eq_ignore_ascii_case(key) {
            continue;
        }
        let value = decode(value);
        match &mut found {
            Some(values) if !values.is_empty() => {
                if !value.is_empty() {
                    values.push(',');
                    values.push_str(&value);
                }
            }
            Some(_) | None => found = Some(value),
        }
    }
    found
}

/// Returns the parameters of a query in their order, with names and values decoded. One without `=` has an empty value.
pub fn query_pairs(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Removes the pairs of these keys, and keeps the others as they were written.
pub(crate) fn without(query: Option<&str>, keys: &[&str]) -> String {
    let is_kept = |pair: &&str| {
        let name = decode(pair.split('=').next().unwrap_or_default());
        !keys.iter().any(|key| name.eq_ignore_ascii_case(key))
    };
    let kept: Vec<_> = query.unwrap_or_default().split('&').filter(is_kept).collect();
    kept.join("&")
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push(high << 4 | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::{query_pairs, value, without};

    #[test]
    fn values_are_found_and_decoded() {
        for (query, key, expected) in [
            ("id=a", "id", Some("a")),
            ("x=1&ID=a%20b+c", "id", Some("a b c")),
            ("id=", "id", Some("")),
            ("id", "id", Some("")),
            ("id=1&id=2", "id", Some("1,2")),
            ("id=1&id=", "id", Some("1")),
            ("id&id=1&id=&id=2", "id", Some("1,2")),
            ("id=&id", "id", Some("")),
            ("id=%2B1%", "id", Some("+1%")),
            ("id=%zz", "id", Some("%zz")),
            ("ids=1", "id", None),
            ("", "id", None),
        ] {
            assert_eq!(value(Some(query), key).as_deref(), expected, "{key} in {query}");
        }
        assert_eq!(value(None, "id"), None);
    }

    #[test]
    fn parameters_are_decoded_in_their_order() {
        for (query, expected) in [
            ("", &[][..]),
            ("&&", &[]),
            ("a=1&b", &[("a", "1"), ("b", "")]),
            ("b=1&a=2&b=%203=4", &[("b", "1"), ("a", "2"), ("b", " 3=4")]),
            ("%77ait=a%2Bb+c", &[("wait", "a+b c")]),
        ] {
            let pairs: Vec<_> = query_pairs(Some(query)).collect();
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(pairs, expected, "{query}");
        }
        assert_eq!(query_pairs(None).count(), 0);
    }

    #[test]
    fn keys_are_removed_however_they_are_spelled() {
        for (query, rest) in [
            ("a=1&id=2&b=%20", "a=1&b=%20"),
            ("ID=2&%69d=3&id", ""),
            ("access%5Ftoken=x&a", "a"),
            ("", ""),
            ("ids=1&&x", "ids=1&&x"),
        ] {
            assert_eq!(without(Some(query), &["id", "access_token"]), rest, "{query}");
        }
        assert_eq!(without(None, &["id"]), "");
    }
}
