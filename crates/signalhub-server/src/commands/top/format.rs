//! How numbers and names are written: in few columns, and without anything that could control a terminal.

use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::log::escaped_lines;

/// What stands for a value that is not known.
pub(super) const NONE: &str = "–";

const THOUSANDS: [&str; 5] = ["k", "M", "G", "T", "P"];
const POWERS_OF_1024: [&str; 5] = ["K", "M", "G", "T", "P"];

/// A whole number, exact below 100 000.
pub(super) fn count(number: u64) -> String {
    if number < 100_000 { number.to_string() } else { compact(to_float(number), 1000.0, THOUSANDS) }
}

/// Something per second.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        slow if slow < 9.95 => format!("{slow:.1}"),
        common if common < 99_999.5 => format!("{common:.0}"),
        fast => compact(fast, 1000.0, THOUSANDS),
    }
}

/// A number of bytes, where K stands for 1 024 of them.
pub(super) fn bytes(number: u64) -> String {
    if number < 1024 { number.to_string() } else { compact(to_float(number), 1024.0, POWERS_OF_1024) }
}

/// Bytes per second.
pub(super) fn byte_rate(per_second: f64) -> String {
    if per_second < 1023.5 { format!("{per_second:.0}") } else { compact(per_second, 1024.0, POWERS_OF_1024) }
}

/// A length of time by its two largest units.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..=9 => format!("{}.{}s", seconds, duration.subsec_millis() / 100),
        10..=59 => format!("{seconds}s"),
        60..=3_599 => format!("{minutes}m{:02}s", seconds % 60),
        3_600..=86_399 => format!("{hours}h{:02}m", minutes % 60),
        86_400..=8_639_999 => format!("{days}d{:02}h", hours % 24),
        _ => format!("{days}d"),
    }
}

/// A length of time that a server has measured in seconds; a nonsensical one counts as none.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// A short length of time, in milliseconds below a second.
pub(super) fn latency(seconds: Option<f64>) -> String {
    match seconds {
        None => NONE.to_owned(),
        Some(short) if short < 0.01 => format!("{:.2} ms", short * 1e3),
        Some(middle) if middle < 1.0 => format!("{:.0} ms", middle * 1e3),
        Some(long) => format!("{long:.1} s"),
    }
}

/// A text on one line in which everything that cannot be seen is an escape.
pub(super) fn visible(text: &str) -> String {
    escaped_lines(text).replace('\n', "\\n")
}

/// Shortens or pads a visible text to a width; wide characters take two columns.
pub(super) fn fitted(text: &str, width: usize, alignment: Alignment) -> String {
    let text_width = text.width();
    let padding = " ".repeat(width.saturating_sub(text_width));
    match alignment {
        _ if text_width > width => shortened(text, width),
        Alignment::Left => format!("{text}{padding}"),
        Alignment::Right => format!("{padding}{text}"),
    }
}

/// At which side of its column a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alignment {
    Left,
    Right,
}

/// The part of a text that fits, with an ellipsis behind it.
fn shortened(text: &str, width: usize) -> String {
    let Some(room) = width.checked_sub(1) else { return String::new() };
    let mut used = 0;
    let mut out = String::new();
    for char in text.chars() {
        let char_width = char.width().unwrap_or(0);
        if used + char_width > room {
            break;
        }
        used += char_width;
        out.push(char);
    }
    out.push('…');
    out.push_str(&" ".repeat(room - used));
    out
}

/// A number with one decimal below 10, and the unit that keeps it short.
fn compact(mut number: f64, step: f64, units: [&str; 5]) -> String {
    let mut unit = "";
    for next in units {
        if number < step - 0.5 {
            break;
        }
        number /= step;
        unit = next;
    }
    if number < 9.95 { format!("{number:.1}{unit}") } else { format!("{number:.0}{unit}") }
}

#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn to_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests;
