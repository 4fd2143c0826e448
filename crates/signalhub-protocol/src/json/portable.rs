//! What JSON can spell and MessagePack has no form for.

use super::scan::Scanner;
use crate::portable::NotPortable;

/// The longest number that is finite whatever its digits are: the greatest double has 309 before its point.
const SURELY_FINITE: usize = 300;

/// Looks for strings, numbers and levels that MessagePack cannot carry, in text that is JSON.
///
/// Text that is none is no danger, and may pass.
pub(crate) fn check_portable(text: &str, deepest: u32) -> Result<(), NotPortable> {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'"' => {
                let mut scanner = Scanner::new(&bytes[at..]);
                let string = scanner.string().map_err(|_| NotPortable::Malformed)?;
                string.decode().map_err(|_| NotPortable::Text)?;
                scanner.position()
            }
            b'-' | b'0'..=b'9' => check_number(&text[at..])?,
            b'[' | b'{' => {
                if depth == deepest {
                    return Err(NotPortable::Depth(deepest));
                }
                depth += 1;
                1
            }
            b']' | b'}' => {
                depth = depth.saturating_sub(1);
                1
            }
            _ => 1,
        };
    }
    Ok(())
}

/// Says how long the number is that comes next.
fn check_number(text: &str) -> Result<usize, NotPortable> {
    let is_part = |byte: &u8| matches!(byte, b'+' | b'-' | b'.' | b'0'..=b'9' | b'e' | b'E');
    let len = text.bytes().take_while(is_part).count();
    let number = &text[..len];
    let surely_finite = len <= SURELY_FINITE && !number.contains(['e', 'E']);
    if surely_finite || number.parse().is_ok_and(f64::is_finite) { Ok(len) } else { Err(NotPortable::Number) }
}
