//! Finds values of MessagePack that some other protocol cannot represent; `crate::portable` lists them.

use std::collections::HashSet;

use super::scan::{ScanError, Scanner, Token};
use super::time;
use crate::portable::{NotPortable, PROTOTYPE};

/// Passes over the next value, and checks that every protocol can represent all of it.
pub(crate) fn check_portable(scanner: &mut Scanner<'_>, deepest: u32) -> Result<(), NotPortable> {
    check(scanner, deepest, deepest)
}

fn check(scanner: &mut Scanner<'_>, levels: u32, deepest: u32) -> Result<(), NotPortable> {
    let deeper = || levels.checked_sub(1).ok_or(NotPortable::Depth(deepest));
    match scanner.token()? {
        Token::Array(count) => {
            let levels = deeper()?;
            (0..count).try_for_each(|_| check(scanner, levels, deepest))
        }
        Token::Map(count) => {
            let levels = deeper()?;
            let mut keys = HashSet::new();
            for _ in 0..count {
                let start = scanner.rest();
                check_key(scanner.token()?)?;
                if !keys.insert(&start[..start.len() - scanner.rest().len()]) {
                    return Err(NotPortable::RepeatedKey);
                }
                check(scanner, levels, deepest)?;
            }
            Ok(())
        }
        token => check_plain(token),
    }
}

fn check_key(token: Token<'_>) -> Result<(), NotPortable> {
    match token {
        Token::Str(name) if name == PROTOTYPE.as_bytes() => Err(NotPortable::Prototype),
        Token::Str(_) | Token::Unsigned(_) | Token::Negative(_) | Token::Float32(_) | Token::Float64(_) => {
            check_plain(token)
        }
        _ => Err(NotPortable::Key),
    }
}

fn check_plain(token: Token<'_>) -> Result<(), NotPortable> {
    match token {
        Token::Str(bytes) if std::str::from_utf8(bytes).is_err() => Err(NotPortable::Text),
        Token::Float32(number) if !number.is_finite() => Err(NotPortable::Number),
        Token::Float64(number) if !number.is_finite() => Err(NotPortable::Number),
        Token::Ext(kind, bytes) if kind != time::TIMESTAMP || time::read(bytes).is_none() => {
            Err(NotPortable::Extension)
        }
        _ => Ok(()),
    }
}

impl From<ScanError> for NotPortable {
    fn from(_: ScanError) -> Self {
        Self::Malformed
    }
}
