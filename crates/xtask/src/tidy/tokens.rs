//! Splits Rust source into words and marks, without comments and literals.

/// A word, `::`, or a single other mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) text: &'a str,
    /// The line it is on, counted from 0.
    pub(super) line: usize,
}

impl Token<'_> {
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(is_word_letter)
    }
}

/// Splits source that compiles; of any other text the result is unspecified.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 0;
    while !rest.is_empty() {
        let (len, is_token) = next(rest);
        let (text, after) = rest.split_at(len);
        if is_token {
            tokens.push(Token { text: text.trim_start_matches("r#"), line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// The length of what the text begins with, and whether it is a token.
fn next(text: &str) -> (usize, bool) {
    if text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), false);
    }
    if text.starts_with("/*") {
        return (block_comment(text), false);
    }
    if let Some(len) = string(text) {
        return (len, false);
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        return (1 + quote(quoted), false);
    }
    if text.starts_with("::") {
        return (2, true);
    }
    let raw = if text.starts_with("r#") { 2 } else { 0 };
    let word = word_len(&text[raw..]);
    match text.chars().next() {
        Some(letter) if letter.is_whitespace() => (letter.len_utf8(), false),
        Some(digit) if digit.is_ascii_digit() => (word, false),
        Some(_) if word > 0 => (raw + word, true),
        Some(mark) => (mark.len_utf8(), true),
        None => (0, false),
    }
}

fn is_word_letter(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn word_len(text: &str) -> usize {
    text.find(|letter| !is_word_letter(letter)).unwrap_or(text.len())
}

/// The length of a block comment, which may hold others.
fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(found) = text[at..].find(['/', '*']) {
        at += found;
        let mark = text.get(at..at + 2);
        at += if matches!(mark, Some("/*" | "*/")) { 2 } else { 1 };
        match mark {
            Some("/*") => depth += 1,
            Some("*/") if depth == 1 => return at,
            Some("*/") => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a string of any kind, if the text begins with one.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| text.starts_with(prefix))?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let body = after[hashes..].strip_prefix('"')?;
    let start = text.len() - body.len();
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(body.find(&end).map_or(text.len(), |at| start + at + end.len()));
    }
    (hashes == 0).then(|| start + closing(body, '"'))
}

/// The length of a character or of the name of a lifetime, without its opening quote.
fn quote(text: &str) -> usize {
    let mut letters = text.chars();
    match (letters.next(), letters.next()) {
        (Some('\\'), _) => closing(text, '\''),
        (Some(letter), Some('\'')) => letter.len_utf8() + 1,
        _ => word_len(text),
    }
}

/// The length up to the closing quote, that included; a backslash escapes the next letter.
fn closing(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if !escaped && letter == quote {
            return at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests;
