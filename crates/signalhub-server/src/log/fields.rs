//! The fields of a log line as text. What comes from outside stays inside its value, and its value inside its line.

use std::error::Error;
use std::fmt::{self, Debug, Write as _};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// Writes `name=value`, with quotes around every value that is more than one plain word.
///
/// Control characters, line separators and marks of direction are escaped, in messages too: no value can begin a line,
/// look like another field, or steer a terminal.
#[derive(Debug)]
pub(super) struct EscapedFields;

impl<'writer> FormatFields<'writer> for EscapedFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut visitor = FieldWriter { writer, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct FieldWriter<'writer> {
    writer: Writer<'writer>,
    is_first: bool,
    result: fmt::Result,
}

impl FieldWriter<'_> {
    fn write(&mut self, field: &Field, value: &impl fmt::Display) -> fmt::Result {
        if !std::mem::replace(&mut self.is_first, false) {
            self.writer.write_char(' ')?;
        }
        let name = field.name();
        if name == "message" {
            write!(self.writer, "{value}")
        } else if self.writer.has_ansi_escapes() {
            write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m{value}")
        } else {
            write!(self.writer, "{name}={value}")
        }
    }
}

impl Visit for FieldWriter<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return self.record_debug(field, &format_args!("{value}"));
        }
        self.result = self.result.and_then(|()| self.write(field, &format_args!("{value:?}")));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        let written = match field.name() {
            "message" => self.write(field, &escaped(&text)),
            _ if text.chars().all(is_plain) && !text.is_empty() => self.write(field, &text),
            _ => self.write(field, &format_args!("{text:?}")),
        };
        self.result = self.result.and(written);
    }
}

/// Tells whether a value of such characters is one word that needs no quotes.
fn is_plain(char: char) -> bool {
    char.is_alphanumeric() || char.is_ascii_graphic() && !matches!(char, '"' | '=' | '\\')
}

/// Escapes what cannot be seen, and leaves quotes as they are.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            ' '..='~' => out.push(char),
            _ => out.extend(char.escape_debug()),
        }
    }
    out
}

/// Escapes the same within finished lines of JSON, whose encoder escapes only what JSON demands.
pub(super) fn escape_json(line: &str) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    for char in line.chars() {
        if matches!(char, ' '..='~' | '\n') || !char.is_ascii() && char.escape_debug().len() == 1 {
            out.push(char);
        } else {
            for unit in char.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}
