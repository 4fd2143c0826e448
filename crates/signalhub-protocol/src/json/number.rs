//! Writes numbers as System.Text.Json does.

/// Appends the shortest text that reads back as the same number; the number must be finite.
pub(crate) fn write_f64(number: f64, out: &mut Vec<u8>) {
    let mut text = format!("{number:e}");
    if let Some(nearest) = digits_after_point(&text, 16).map(|digits| format!("{number:.digits$e}"))
        && nearest.parse() == Ok(number)
    {
        text = nearest;
    }
    write_scientific(&text, 17, out);
}

/// Appends the shortest text that reads back as the same number; the number must be finite.
pub(crate) fn write_f32(number: f32, out: &mut Vec<u8>) {
    let mut text = format!("{number:e}");
    if let Some(nearest) = digits_after_point(&text, 8).map(|digits| format!("{number:.digits$e}"))
        && nearest.parse() == Ok(number)
    {
        text = nearest;
    }
    write_scientific(&text, 9, out);
}

/// Counts the digits after the point if the number has enough of them to lie exactly between two shortest texts.
///
/// The original then takes the even one, as formatting to a fixed number of digits does and formatting to the shortest does not.
fn digits_after_point(text: &str, least: usize) -> Option<usize> {
    let mantissa = text.split('e').next()?;
    let behind = mantissa.split_once('.')?.1.len();
    (behind + 1 >= least).then_some(behind)
}

/// Rewrites a number such as `-1.25e-7` as the original does: plainly for small exponents, otherwise with an exponent of at least two
/// digits.
fn write_scientific(text: &str, greatest_plain: i32, out: &mut Vec<u8>) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent >= greatest_plain || exponent < -4 {
        out.extend_from_slice(mantissa.as_bytes());
        let sign = if exponent < 0 { '-' } else { '+' };
        out.extend_from_slice(format!("E{sign}{:02}", exponent.unsigned_abs()).as_bytes());
        return;
    }
    let digits = mantissa.trim_start_matches('-');
    if digits.len() < mantissa.len() {
        out.push(b'-');
    }
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_digit).collect();
    write_plain(&digits, exponent, out);
}

/// Appends digits of which the first one stands for ten to the power of `exponent`.
fn write_plain(digits: &[u8], exponent: i32, out: &mut Vec<u8>) {
    let Ok(whole) = usize::try_from(exponent + 1) else {
        out.extend_from_slice(b"0.");
        out.extend((0..-(exponent + 1)).map(|_| b'0'));
        out.extend_from_slice(digits);
        return;
    };
    if whole == 0 {
        out.extend_from_slice(b"0.");
        out.extend_from_slice(digits);
    } else if whole >= digits.len() {
        out.extend_from_slice(digits);
        out.extend((digits.len()..whole).map(|_| b'0'));
    } else {
        out.extend_from_slice(&digits[..whole]);
        out.push(b'.');
        out.extend_from_slice(&digits[whole..]);
    }
}

#[cfg(test)]
mod tests;
