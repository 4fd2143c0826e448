//! Splits a raw array into its elements.

use super::scan::{Kind, Scanner, SyntaxError};
use crate::error::BindError;

/// The elements of a raw array, one by one.
#[derive(Debug)]
pub(crate) struct RawElements<'a> {
    scanner: Scanner<'a>,
    state: State,
    count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unopened,
    Open { first: bool },
    Ended,
}

impl<'a> RawElements<'a> {
    pub(crate) fn new(array: &'a [u8]) -> Self {
        Self { scanner: Scanner::new(array), state: State::Unopened, count: 0 }
    }

    /// Skips the next element and returns its text.
    pub(crate) fn next(&mut self) -> Result<Option<&'a [u8]>, BindError> {
        let mut first = match self.state {
            State::Unopened if self.scanner.kind()? != Kind::Array => return Err(SyntaxError.into()),
            State::Unopened => {
                self.scanner.open()?;
                true
            }
            State::Open { first } => first,
            State::Ended => return Ok(None),
        };
        if !self.scanner.next_element(&mut first)? {
            self.state = State::Ended;
            return Ok(None);
        }
        self.state = State::Open { first };
        let element = self.scanner.value()?;
        self.count += 1;
        Ok(Some(element))
    }

    /// Returns how many elements were skipped.
    pub(crate) fn count(&self) -> usize {
        self.count
    }
}
