//! What differs between a recording and an answer.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use crate::pattern::Pattern;

/// A wanted text that begins with this describes the text that is wanted.
const REGEX: &str = "<regex>";

/// How much of a value is shown.
const SHOWN: usize = 600;

/// One place where an answer is not what was wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The way to the place, such as `.frames[0].message`.
    pub path: String,
    /// What was wanted there; `None` if nothing was.
    pub wanted: Option<Value>,
    /// What was there; `None` if nothing was.
    pub got: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "(all)" } else { &self.path };
        writeln!(f, "{path}")?;
        writeln!(f, "      wanted {}", shown(self.wanted.as_ref()))?;
        write!(f, "      got    {}", shown(self.got.as_ref()))
    }
}

/// Compares by value and type: 1 is not 1.0, and the order of properties is free.
pub fn differences(wanted: &Value, got: &Value) -> Vec<Difference> {
    let mut found = vec![];
    compare("", Some(wanted), Some(got), &mut found);
    found
}

fn compare(path: &str, wanted: Option<&Value>, got: Option<&Value>, found: &mut Vec<Difference>) {
    let equal = match (wanted, got) {
        (Some(Value::String(text)), got) if text.starts_with(REGEX) => describes(&text[REGEX.len()..], got),
        (Some(Value::Object(wanted)), Some(Value::Object(got))) => {
            let keys: BTreeSet<&String> = wanted.keys().chain(got.keys()).collect();
            for key in keys {
                compare(&format!("{path}.{key}"), wanted.get(key), got.get(key), found);
            }
            return;
        }
        (Some(Value::Array(wanted)), Some(Value::Array(got))) if wanted.len() == got.len() => {
            for (i, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                compare(&format!("{path}[{i}]"), Some(wanted), Some(got), found);
            }
            return;
        }
        (wanted, got) => wanted == got,
    };
    if !equal {
        found.push(Difference { path: path.to_owned(), wanted: wanted.cloned(), got: got.cloned() });
    }
}

fn describes(pattern: &str, got: Option<&Value>) -> bool {
    let text = got.and_then(Value::as_str);
    text.is_some_and(|text| Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_whole(text)))
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "nothing".to_owned();
    };
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests;
