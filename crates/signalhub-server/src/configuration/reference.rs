//! Documents generated from the definition of the keys: a file of defaults, a reference page, and the list of changed keys.

use std::fmt::Write;

use serde_json::Value;

use super::key_digest::DIGEST;
use super::secret::SECRET;
use super::{Configuration, KEYS, Key, SECTIONS, TableKeyDoc};

/// How wide the comments of the file are.
const WIDTH: usize = 110;

/// Writes a configuration file with every key, its default and what it does.
pub(crate) fn defaults_text() -> String {
    let mut text = String::from(
        "# The configuration of signalhub with every key at its default.\n\
         # A variable SIGNALHUB_<SECTION>__<KEY> wins over this file, and --set section.key=value over both.\n",
    );
    for (section, about) in SECTIONS {
        text.push('\n');
        comment(&mut text, about);
        append(&mut text, format_args!("[{section}]\n"));
        for key in keys_of(section) {
            text.push('\n');
            comment(&mut text, key.doc);
            comment(&mut text, &format!("Expected: {}.", key.expected));
            if !key.table.is_empty() {
                append(&mut text, format_args!("# [[{}]]\n", key.path()));
                key.table.iter().for_each(|inner| default_line(&mut text, "# ", inner.name, &(inner.default_text)()));
                continue;
            }
            let default = key.default_text();
            default_line(&mut text, if default.is_empty() { "# " } else { "" }, key.name, &default);
        }
    }
    text
}

/// Writes the reference page of all keys, in Markdown.
pub(crate) fn reference_page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         This page is what `signalhub config doc` prints. `signalhub config defaults` prints a complete file to start\n\
         from, and `signalhub config check` tells whether a configuration is good, and what will go wrong with it.\n\n\
         Values come from `signalhub.toml` (or the file that `--config` names), then from variables such as\n\
         `SIGNALHUB_LISTEN__PUBLIC`, then from flags such as `--set listen.public=127.0.0.1:5200`; the later one wins.\n\
         In variables and flags, lists are separated by commas, and lists of tables are JSON. A key that does not exist\n\
         is refused.\n",
    );
    for (section, about) in SECTIONS {
        append(&mut page, format_args!("\n## {section}\n\n{}\n", about.trim()));
        for key in keys_of(section) {
            let default = key.default_text();
            let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
            append(&mut page, format_args!("\n### `{}`\n\n{}\n\n", key.path(), key.doc.trim()));
            append(&mut page, format_args!("- Default: {default}\n- Expected: {}\n", key.expected));
            append(&mut page, format_args!("- Variable: `{}`\n", key.variable()));
            if !key.table.is_empty() {
                append(&mut page, format_args!("\nThe keys of a table `[[{}]]`:\n\n", key.path()));
                append(&mut page, format_args!("| key | default | expected | what it does |\n|---|---|---|---|\n"));
                key.table.iter().for_each(|inner| append(&mut page, format_args!("{}\n", row(inner))));
            }
        }
    }
    page
}

/// Lists the keys that are not at their defaults, each as `section.key=value`; secrets are not shown.
pub(crate) fn changed(configuration: &Configuration) -> Vec<String> {
    let changed = KEYS.iter().filter(|key| (key.written)(configuration) != key.default_text());
    changed.map(|key| format!("{}={}", key.path(), (key.written)(configuration))).collect()
}

/// Lists all keys with their values, and where each was set. Secrets are `"***"`.
pub(crate) fn effective(configuration: &Configuration) -> Vec<(String, Value, String)> {
    let entry = |key: &Key| {
        let source = configuration.places.of(&key.path()).map_or_else(|| "default".to_owned(), ToString::to_string);
        (key.path(), json(&(key.written)(configuration)), source)
    };
    KEYS.iter().map(entry).collect()
}

/// Converts a value as in the file; null if there is none.
fn json(written: &str) -> Value {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {written}")).ok();
    let value = parsed.and_then(|mut table| table.remove("value")).and_then(|value| serde_json::to_value(value).ok());
    value.map(hidden).unwrap_or_default()
}

/// Writes secrets, which are written as words in parentheses, in the way of the admin API.
fn hidden(value: Value) -> Value {
    match value {
        Value::String(text) if [SECRET, DIGEST].contains(&text.as_str()) => "***".into(),
        Value::Array(items) => items.into_iter().map(hidden).collect(),
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, hidden(value))).collect(),
        other => other,
    }
}

/// Describes a key of a table in a row of a page.
fn row(key: &TableKeyDoc) -> String {
    let default = (key.default_text)();
    let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
    format!("| `{}` | {default} | {} | {} |", key.name, key.expected, key.doc.trim())
}

fn default_line(text: &mut String, start: &str, name: &str, default: &str) {
    append(text, format_args!("{start}{name} ={}{default}\n", if default.is_empty() { "" } else { " " }));
}

fn keys_of(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

fn append(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes everything");
}

/// Writes a comment in lines that are not too long.
fn comment(text: &mut String, words: &str) {
    let mut length = 0;
    for word in words.split_whitespace() {
        if length == 0 || length + 1 + word.len() > WIDTH {
            text.push_str(if length == 0 { "#" } else { "\n#" });
            length = 1;
        }
        append(text, format_args!(" {word}"));
        length += 1 + word.len();
    }
    text.push('\n');
}

#[cfg(test)]
mod tests;
