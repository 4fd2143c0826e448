//! The claims of a client's credentials.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// All claims of a client's credentials: what their issuer wrote about the client.
///
/// They are split into single claims once, when they are made. [`Claims::get`] finds a claim by its name and deserializes
/// its value alone, so a hub can read a claim in each call. Claims that are never read take no more memory than their text.
///
/// ```
/// # use signalhub_connections::Claims;
/// let claims = Claims::new(serde_json::from_str(r#"{"role":"admin","teams":[1,2]}"#)?);
/// assert_eq!(claims.get::<String>("role").unwrap().as_deref(), Some("admin"));
/// assert_eq!(claims.get::<Vec<u32>>("teams").unwrap(), Some(vec![1, 2]));
/// assert_eq!(claims.get::<bool>("other").unwrap(), None);
/// assert!(claims.get::<u32>("role").is_err());
/// assert_eq!(claims.to_string(), r#"{"role":"admin","teams":[1,2]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
// A line of text per claim, `"name":value`, as serde_json writes them: no line feed can stand in one. Equal names have
// equal lines up to the colon, and a closing quote ends the name.
#[derive(Clone, Default)]
pub struct Claims(Option<Box<str>>);

/// A claim has another type than it was read as.
#[derive(Debug, thiserror::Error)]
#[error("the claim \"{name}\" cannot be read: {source}")]
pub struct ClaimError {
    name: Box<str>,
    source: serde_json::Error,
}

impl Claims {
    /// Keeps claims.
    pub fn new(claims: Map<String, Value>) -> Self {
        let lines: Vec<_> = claims.into_iter().map(|(name, value)| line(&name, &value)).collect();
        Self::of_lines(&lines)
    }

    /// Reads a claim as any type that serde can deserialize, `serde_json::Value` among them. `None` if there is none. Each
    /// call deserializes the value of this claim, and no other.
    ///
    /// # Errors
    /// If the claim is no such value. `null` is a value; read a claim that may be `null` as an `Option`.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ClaimError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        serde_json::from_str(value).map(Some).map_err(|source| ClaimError { name: name.into(), source })
    }

    /// All claims, sorted by name. The value of a claim is deserialized when the iterator reaches it.
    pub fn iter(&self) -> impl Iterator<Item = (String, Value)> {
        let mut claims: Vec<_> = self.lines().filter_map(split).collect();
        claims.sort_unstable();
        claims.into_iter().filter_map(|(name, value)| Some((name, serde_json::from_str(value).ok()?)))
    }

    /// Adds a claim, or replaces the one of this name.
    pub(crate) fn set(&mut self, name: &str, value: &Value) {
        let key = key(name);
        let others = self.lines().filter(|line| !line.starts_with(&key)).map(str::to_owned);
        let lines: Vec<_> = others.chain([line(name, value)]).collect();
        *self = Self::of_lines(&lines);
    }

    /// How many bytes their text has.
    pub(crate) fn text_len(&self) -> usize {
        self.0.as_ref().map_or(0, |lines| lines.len())
    }

    fn of_lines(lines: &[String]) -> Self {
        Self((!lines.is_empty()).then(|| lines.join("\n").into()))
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|lines| lines.split('\n'))
    }

    /// The JSON text of a claim.
    fn value(&self, name: &str) -> Option<&str> {
        let key = key(name);
        self.lines().find_map(|line| line.strip_prefix(&key))
    }
}

/// The start of the line of a claim.
fn key(name: &str) -> String {
    format!("{}:", Value::from(name))
}

fn line(name: &str, value: &Value) -> String {
    format!("{}{value}", key(name))
}

/// Splits the line of a claim into its name and the JSON text of its value.
fn split(line: &str) -> Option<(String, &str)> {
    let mut names = serde_json::Deserializer::from_str(line).into_iter();
    let name = names.next()?.ok()?;
    Some((name, line.get(names.byte_offset()..)?.strip_prefix(':')?))
}

/// Claims are equal in any order, as the members of a JSON object are.
impl PartialEq for Claims {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |claims: &Self| {
            let mut lines: Vec<_> = claims.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        self.0 == other.0 || sorted(self) == sorted(other)
    }
}

impl Eq for Claims {}

/// Writes them as a JSON object.
impl fmt::Display for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (number, line) in self.lines().enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            f.write_str(line)?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
