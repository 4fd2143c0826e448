//! Names for parts of the server's answers, such as ids.

use serde_json::Value;

use crate::recording::Payload;
use crate::wire::WireError;

/// Values saved by name, put in where a step says `${name}` and taken out again of what is seen.
#[derive(Debug, Default)]
pub(crate) struct Names {
    saved: Vec<(String, String)>,
}

impl Names {
    pub(crate) fn save(&mut self, name: &str, value: String) {
        match self.saved.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.saved.push((name.to_owned(), value)),
        }
    }

    /// Puts saved values in; an unknown name stays as it stands.
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            let name = rest[2..].split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
            let end = 2 + name.len();
            let value = self.saved.iter().find(|(known, _)| known == name).map(|(_, value)| value);
            match value {
                Some(value) if rest[end..].starts_with('}') => {
                    out.push_str(value);
                    rest = &rest[end + 1..];
                }
                _ => {
                    out.push_str("${");
                    rest = &rest[2..];
                }
            }
        }
        out + rest
    }

    /// Puts `${name}` back where a saved value stands, so that two runs compare.
    pub(crate) fn collapse(&self, text: &str) -> String {
        let mut longest_first: Vec<_> = self.saved.iter().filter(|(_, value)| !value.is_empty()).collect();
        longest_first.sort_by_key(|(_, value)| std::cmp::Reverse(value.chars().count()));
        let mut text = text.to_owned();
        for (name, value) in longest_first {
            text = text.replace(value, &format!("${{{name}}}"));
        }
        text
    }

    /// Returns the bytes of a payload with saved values put in.
    pub(crate) fn bytes(&self, payload: &Payload) -> Result<Vec<u8>, WireError> {
        match payload {
            Payload::Text(text) => Ok(self.expand(text).into_bytes()),
            Payload::Hex(digits) => from_hex(&self.expand(digits)),
        }
    }

    /// Shows a message: as JSON if it is JSON, as text otherwise.
    pub(crate) fn message(&self, text: &str) -> Value {
        let text = self.collapse(text);
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    }
}

/// Writes bytes as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('?');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(digits: &str) -> Result<Vec<u8>, WireError> {
    let halves: Option<Vec<u8>> = digits
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .map(|c| c.to_digit(16).and_then(|half| u8::try_from(half).ok()))
        .collect();
    match halves {
        Some(halves) if halves.len() % 2 == 0 => {
            Ok(halves.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
        }
        _ => Err(WireError::Malformed("hexadecimal digits")),
    }
}

#[cfg(test)]
mod tests;
