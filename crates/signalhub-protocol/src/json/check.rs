//! What a value is held against while it is scanned.

use super::scan::SyntaxError;
use super::text::Text;

/// Looks at the parts of a value while they are passed over.
pub(crate) trait Check {
    /// What is wrong with them.
    type Error: From<SyntaxError>;

    /// Looks at the name of a member.
    fn name(&mut self, text: Text<'_>) -> Result<(), Self::Error>;

    /// Looks at a string.
    fn string(&mut self, text: Text<'_>) -> Result<(), Self::Error>;

    /// Looks at a number.
    fn number(&mut self, number: &[u8]) -> Result<(), Self::Error>;

    /// An array or object begins.
    fn enter(&mut self) -> Result<(), Self::Error>;

    /// It has ended.
    fn leave(&mut self);
}

/// Takes everything that is JSON.
pub(super) struct Unchecked;

impl Check for Unchecked {
    type Error = SyntaxError;

    fn name(&mut self, _: Text<'_>) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn string(&mut self, _: Text<'_>) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn number(&mut self, _: &[u8]) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn enter(&mut self) -> Result<(), SyntaxError> {
        Ok(())
    }

    fn leave(&mut self) {}
}
