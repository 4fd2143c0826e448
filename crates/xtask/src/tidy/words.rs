//! Comments, documents and texts say what happens, to what and why, in standard terms.
//!
//! The list is short: words whose every use has a plainer form. They are split so that this file does not hold them.

use super::tree::File;
use super::{Finding, Tree};

/// The words and phrases, and what to write instead.
const WORDS: [(&str, &str); 11] = [
    (concat!("no", "body"), "no client, no caller, no one"),
    (concat!("who", "ever"), "the client that, the caller that"),
    (concat!("so", " many"), "this number of"),
    (concat!("fare", "well"), "close message"),
    (concat!("good", "bye"), "close message"),
    (concat!("says", " who may"), "decides which clients may, lists who is allowed to"),
    (concat!("hear", " of"), "receive, be notified of"),
    (concat!("hears", " of"), "receives, is notified of"),
    (concat!("heard", " of"), "received, was notified of"),
    (concat!("for", " ever"), "without limit, forever"),
    (concat!("knows", " nothing of"), "does not depend on"),
];

/// Data that was recorded or is generated.
const NOT_OURS: [&str; 4] = ["/recordings/", "/golden/", "/fixtures/", "Cargo.lock"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| is_prose(file)) {
        for (index, line) in file.text.lines().enumerate() {
            // The words of an identifier count, too.
            let line = line.to_lowercase().replace('_', " ");
            for (word, better) in WORDS.iter().filter(|(word, _)| has_word(&line, word)) {
                findings.push(Finding::at(&file.path, index, format!("\"{word}\": say it plainly, as \"{better}\"")));
            }
        }
    }
    findings
}

fn is_prose(file: &File) -> bool {
    let is_text = [".rs", ".md", ".toml"].iter().any(|ending| file.path.ends_with(ending));
    is_text && !NOT_OURS.iter().any(|part| file.path.contains(part))
}

/// Tells whether a line has these words as whole ones.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(char::is_alphanumeric) && !line[at + word.len()..].starts_with(char::is_alphanumeric)
    })
}

#[cfg(test)]
mod tests;
