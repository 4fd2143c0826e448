//! Names say what a thing is; some words only say that it is a thing.

use super::{Finding, Tree};

/// Words that may stand in no name of ours.
const EMPTY_WORDS: [&str; 5] = ["manager", "helper", "util", "context", "service"];

/// Words that say nothing in the name of a type or module. A function may be named for the data of a frame or for the
/// level of a log that it is about.
const EMPTY_WORDS_OF_TYPES: [&str; 2] = ["data", "info"];

/// Names that a document of the wire gives, which are kept so that both can be read side by side.
const NAMES_OF_THE_WIRE: [(&str, &str); 3] =
    [("DataFrame", "RFC 6455"), ("ResourceInfo", "Portos"), ("subscription_manager", "Portos")];

/// Conversions are called after the other side, whose name may be a dependency's.
const CONVERSIONS: [&str; 4] = ["as_", "from_", "into_", "to_"];

/// What may stand before the word that says what is defined.
const QUALIFIERS: [&str; 5] = ["async", "const", "default", "extern", "unsafe"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.sources() {
        for (index, line) in file.text.lines().enumerate() {
            let named = definition(line).filter(|(kind, _)| !is_associated_type(kind, line));
            if let Some(word) = named.and_then(|(kind, name)| empty_word(kind, name)) {
                let what = format!("\"{}\" has the word \"{word}\", which says nothing", line.trim());
                findings.push(Finding::at(&file.path, index, what));
            }
        }
    }
    findings
}

/// The name of an associated type is its trait's.
fn is_associated_type(kind: &str, line: &str) -> bool {
    kind == "type" && line.starts_with(' ')
}

/// The kind and the name of what a line defines.
pub(super) fn definition(line: &str) -> Option<(&str, &str)> {
    let mut rest = line.trim_start();
    if let Some(public) = rest.strip_prefix("pub") {
        rest = match public.strip_prefix('(') {
            Some(scope) => scope.split_once(')')?.1,
            None => public,
        };
        rest = rest.strip_prefix(' ')?;
    }
    loop {
        let (word, after) = rest.split_once(' ')?;
        match word {
            "enum" | "fn" | "mod" | "struct" | "trait" | "type" => {
                let end = after.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
                return Some((word, &after[..end.unwrap_or(after.len())]));
            }
            // The string is an ABI, as in `extern "C" fn`.
            _ if QUALIFIERS.contains(&word) || word.starts_with('"') => rest = after,
            _ => return None,
        }
    }
}

fn empty_word(kind: &str, name: &str) -> Option<&'static str> {
    let converts = kind == "fn" && CONVERSIONS.iter().any(|beginning| name.starts_with(beginning));
    if converts || NAMES_OF_THE_WIRE.iter().any(|(known, _)| *known == name) {
        return None;
    }
    let words = words(name);
    let is_empty = |empty: &&str| words.iter().any(|word| word.strip_suffix('s').unwrap_or(word) == *empty);
    let of_types = EMPTY_WORDS_OF_TYPES.into_iter().filter(|_| kind != "fn");
    EMPTY_WORDS.into_iter().chain(of_types).find(|empty| is_empty(empty))
}

/// The words of a name in camel or snake case, in lower case.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in name.chars() {
        if letter == '_' || letter.is_uppercase() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter != '_') {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

#[cfg(test)]
mod tests;
