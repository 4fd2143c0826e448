//! Writes strings as System.Text.Json's relaxed encoder does.

use super::escape_table::ESCAPED;

/// Appends the text in quotes.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut written = 0;
    let mut at = 0;
    while let Some(offset) = bytes[at..].iter().position(|byte| !is_plain(*byte)) {
        at += offset;
        // Every byte before this one is ASCII or belongs to a whole character, so this is the first byte of one.
        let Some(character) = text[at..].chars().next() else {
            break;
        };
        if is_escaped(character) {
            out.extend_from_slice(&bytes[written..at]);
            write_escape(character, out);
            written = at + character.len_utf8();
        }
        at += character.len_utf8();
    }
    out.extend_from_slice(&bytes[written..]);
    out.push(b'"');
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn is_escaped(character: char) -> bool {
    let Ok(unit) = u16::try_from(u32::from(character)) else {
        return true;
    };
    if unit < 0x7F {
        return true; // Only what is not plain is asked about.
    }
    let at = ESCAPED.partition_point(|&(_, last)| last < unit);
    ESCAPED.get(at).is_some_and(|&(first, _)| first <= unit)
}

fn write_escape(character: char, out: &mut Vec<u8>) {
    let short = match character {
        '"' => b'"',
        '\\' => b'\\',
        '\u{8}' => b'b',
        '\t' => b't',
        '\n' => b'n',
        '\u{c}' => b'f',
        '\r' => b'r',
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04X}").as_bytes());
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests;
