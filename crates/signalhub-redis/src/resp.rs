//! The answers of Redis (RESP2), read where they lie.
//!
//! The client library makes a tree of values of each answer. For the events of a cluster, which every node reads, that takes longer than
//! everything else that a node does with them. So the reader of events looks at the bytes themselves.

/// How long a line may be: the head of a value, or the text of an error.
const LONGEST_LINE: usize = 64 << 10;

/// The bytes are no answer of a Redis server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer cannot be read: {0}")]
pub(crate) struct Malformed(&'static str);

/// Finds the end of an answer, of which more bytes come again and again. It takes the same memory for any answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AnswerEnd {
    /// Up to where the answer was looked at; inside a text, where that ends.
    at: usize,
    /// How many values are still to come.
    left: usize,
}

impl Default for AnswerEnd {
    fn default() -> Self {
        Self { at: 0, left: 1 }
    }
}

impl AnswerEnd {
    /// Looks at the answer as far as it is there, from its first byte on, and returns its length once all of it is there.
    ///
    /// # Errors
    /// If it can become no answer.
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        while self.left > 0 {
            let Some((head, next)) = head(bytes, self.at)? else { return Ok(None) };
            self.left -= 1;
            self.at = next;
            match head {
                Head::Array(items) => {
                    self.left = self.left.checked_add(items).ok_or(Malformed("it has too many values"))?;
                }
                Head::Bulk(length) => self.at = end_of_bulk(next, length)?,
                Head::Nil | Head::Integer(_) | Head::Line(_) | Head::Error(_) => {}
            }
        }
        Ok((self.at <= bytes.len()).then_some(self.at))
    }
}

/// A value of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// Nothing.
    Nil,
    /// A number.
    Integer(i64),
    /// A text or other bytes.
    Text(&'a [u8]),
    /// An error of the server.
    Error(&'a [u8]),
    /// An array, whose values follow: this number of them.
    Array(usize),
}

/// The values of an answer, one after the other.
#[derive(Debug, Clone)]
pub(crate) struct Items<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    /// Begins with the first one.
    #[must_use]
    pub(crate) const fn of(answer: &'a [u8]) -> Self {
        Self { bytes: answer, at: 0 }
    }

    /// The next value. The values of an array come behind it.
    ///
    /// # Errors
    /// If there is none, or it is none of RESP2.
    pub(crate) fn item(&mut self) -> Result<Item<'a>, Malformed> {
        let (head, next) = head(self.bytes, self.at)?.ok_or(Malformed("it ends early"))?;
        self.at = next;
        Ok(match head {
            Head::Nil => Item::Nil,
            Head::Integer(value) => Item::Integer(value),
            Head::Line(text) => Item::Text(text),
            Head::Error(text) => Item::Error(text),
            Head::Array(items) => Item::Array(items),
            Head::Bulk(length) => {
                self.at = end_of_bulk(next, length)?;
                let text = self.bytes.get(next..next + length).zip(self.bytes.get(next + length..self.at));
                match text.ok_or(Malformed("it ends early"))? {
                    (text, b"\r\n") => Item::Text(text),
                    _ => return Err(Malformed("expected the end of a text")),
                }
            }
        })
    }

    /// The next value as an array: the number of its values, which come next.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn array(&mut self) -> Result<usize, Malformed> {
        match self.item()? {
            Item::Array(items) => Ok(items),
            _ => Err(Malformed("expected an array")),
        }
    }

    /// The next value as bytes.
    ///
    /// # Errors
    /// If it is none.
    pub(crate) fn text(&mut self) -> Result<&'a [u8], Malformed> {
        match self.item()? {
            Item::Text(text) => Ok(text),
            _ => Err(Malformed("expected a text")),
        }
    }

    /// Leaves out the next value, with all that is in it, and returns its bytes.
    ///
    /// # Errors
    /// If it is not whole.
    pub(crate) fn skip(&mut self) -> Result<&'a [u8], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = AnswerEnd::default().find(rest)?.ok_or(Malformed("it ends early"))?;
        self.at += length;
        Ok(&rest[..length])
    }
}

/// What a value begins with.
#[derive(Debug, Clone, Copy)]
enum Head<'a> {
    Nil,
    Integer(i64),
    Line(&'a [u8]),
    Error(&'a [u8]),
    Array(usize),
    /// A text of this length follows.
    Bulk(usize),
}

/// Reads the head of the value at a place, and returns it with the place behind it; `None` if it is not whole.
fn head(bytes: &[u8], at: usize) -> Result<Option<(Head<'_>, usize)>, Malformed> {
    let Some((kind, rest)) = bytes.get(at..).and_then(<[u8]>::split_first) else { return Ok(None) };
    let Some(length) = rest.iter().take(LONGEST_LINE).position(|byte| *byte == b'\r') else {
        return if rest.len() < LONGEST_LINE { Ok(None) } else { Err(Malformed("a line is too long")) };
    };
    let line = &rest[..length];
    match rest.get(length + 1) {
        None => return Ok(None),
        Some(b'\n') => {}
        Some(_) => return Err(Malformed("expected the end of a line")),
    }
    let count = |line| usize::try_from(integer(line)?).map_err(|_| Malformed("expected a length"));
    let head = match kind {
        b'$' | b'*' if line == b"-1" => Head::Nil,
        b'$' => Head::Bulk(count(line)?),
        b'*' => Head::Array(count(line)?),
        b':' => Head::Integer(integer(line)?),
        b'+' => Head::Line(line),
        b'-' => Head::Error(line),
        _ => return Err(Malformed("expected a value of RESP2")),
    };
    Ok(Some((head, at + 1 + length + 2)))
}

fn end_of_bulk(start: usize, length: usize) -> Result<usize, Malformed> {
    start.checked_add(length).and_then(|end| end.checked_add(2)).ok_or(Malformed("a text is too long"))
}

fn integer(digits: &[u8]) -> Result<i64, Malformed> {
    let text = std::str::from_utf8(digits).map_err(|_| Malformed("expected an integer"))?;
    text.parse().map_err(|_| Malformed("expected an integer"))
}

#[cfg(test)]
pub(crate) mod tests;
