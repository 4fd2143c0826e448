//! Where a claim stands in a token.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

/// The path of a claim in a token: its name, or the names that lead to it through objects.
///
/// The path `realm_access.roles` is the member `roles` of the claim `realm_access`. A name that contains dots or slashes
/// is in single quotes.
///
/// ```
/// # use signalhub_connections::ClaimPath;
/// let path: ClaimPath = "realm_access.roles".parse()?;
/// let quoted: ClaimPath = "'https://acme.example/roles'".parse()?;
/// assert_eq!(quoted, ClaimPath::name("https://acme.example/roles"));
/// assert!("https://acme.example/roles".parse::<ClaimPath>().is_err());
/// # Ok::<(), signalhub_connections::ClaimPathError>(())
/// ```
// There is at least one name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClaimPath(Box<[Box<str>]>);

/// The text is not a claim path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected names separated by dots, each in single quotes if it contains dots, slashes or white space")]
pub struct ClaimPathError;

impl ClaimPath {
    /// The path of a claim of the token itself, whatever characters its name has.
    pub fn name(name: &str) -> Self {
        Self(Box::new([name.into()]))
    }

    /// Finds the claim. `None` if there is none, or if a name of the path does not lead to an object.
    pub(crate) fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        let (first, inner) = self.0.split_first()?;
        inner.iter().try_fold(claims.get(&**first)?, |value, name| value.as_object()?.get(&**name))
    }
}

impl FromStr for ClaimPath {
    type Err = ClaimPathError;

    fn from_str(text: &str) -> Result<Self, ClaimPathError> {
        let mut names = Vec::new();
        let mut rest = text;
        loop {
            let (name, after) = match rest.strip_prefix('\'') {
                Some(quoted) => quoted.split_once('\'').ok_or(ClaimPathError)?,
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            let is_quoted = rest.starts_with('\'');
            if name.is_empty() || !is_quoted && !is_plain(name) {
                return Err(ClaimPathError);
            }
            names.push(name.into());
            match after.strip_prefix('.') {
                Some(more) => rest = more,
                None if after.is_empty() => return Ok(Self(names.into())),
                None => return Err(ClaimPathError),
            }
        }
    }
}

/// Tells whether a name needs no quotes. An unquoted URL would be taken apart at its dots and never be found.
fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.contains(|letter: char| "./'\"".contains(letter) || letter.is_whitespace())
}

/// Writes the path as it is read.
impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, name) in self.0.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "." })?;
            if is_plain(name) { f.write_str(name)? } else { write!(f, "'{name}'")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
