//! Finds values of JSON that some other protocol cannot represent; `crate::portable` lists them.

use super::scan::{Check, SyntaxError};
use super::text::Text;
use crate::portable::{NotPortable, PROTOTYPE};

/// A number of at most this length is always finite: the greatest double has 309 digits before its point.
const SURELY_FINITE: usize = 300;

/// Refuses strings, numbers, names and nesting that some other protocol cannot represent. The caller checks that the text is UTF-8.
#[derive(Debug)]
pub(crate) struct Portable {
    depth: u32,
    deepest: u32,
}

impl Portable {
    /// Allows at most `deepest` levels of arrays and objects.
    pub(crate) fn new(deepest: u32) -> Self {
        Self { depth: 0, deepest }
    }
}

impl Check for Portable {
    type Error = NotPortable;

    fn name(&mut self, text: Text<'_>) -> Result<(), NotPortable> {
        self.string(text)?;
        if text.is(PROTOTYPE) { Err(NotPortable::Prototype) } else { Ok(()) }
    }

    fn string(&mut self, text: Text<'_>) -> Result<(), NotPortable> {
        text.check_escapes().map_err(|_| NotPortable::Text)
    }

    fn number(&mut self, number: &[u8]) -> Result<(), NotPortable> {
        if number.len() <= SURELY_FINITE && !number.iter().any(|byte| matches!(byte, b'e' | b'E')) {
            return Ok(());
        }
        let value: Option<f64> = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
        if value.is_some_and(f64::is_finite) { Ok(()) } else { Err(NotPortable::Number) }
    }

    fn enter(&mut self) -> Result<(), NotPortable> {
        if self.depth == self.deepest {
            return Err(NotPortable::Depth(self.deepest));
        }
        self.depth += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.depth -= 1;
    }
}

impl From<SyntaxError> for NotPortable {
    fn from(_: SyntaxError) -> Self {
        Self::Malformed
    }
}
