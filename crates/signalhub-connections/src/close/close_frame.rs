//! Close frames: the codes that a handler may send, and the frame that a client has sent.

use crate::websocket_codec::cut_close_reason;

/// A status code that a handler may send in a close frame (RFC 6455, section 7.4).
///
/// The codes of the protocol itself are not among them: the transport sends 1002, and 1005, 1006 and 1015 are never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the connection is no longer needed.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the server stops.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1003: a message has a kind that the server does not accept, such as binary instead of text.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1007: the content of a message is not valid for its kind.
    pub const INVALID_DATA: Self = Self(1007);
    /// 1008: a message or a client violates a policy.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: a message is too long.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1011: the server failed.
    pub const INTERNAL_ERROR: Self = Self(1011);

    /// Accepts 1000, 1001, 1003, 1007 to 1011, and the codes of libraries and applications, 3000 to 4999.
    ///
    /// ```
    /// # use signalhub_connections::CloseCode;
    /// const REPLACED: CloseCode = CloseCode::new(4409).unwrap();
    /// assert_eq!(REPLACED.get(), 4409);
    /// assert_eq!(CloseCode::new(1006), None);
    /// ```
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000 | 1001 | 1003 | 1007..=1011 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The code as a number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// The close frame that a handler sends with [`Connection::close_with`](crate::Connection::close_with).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: Box<str>,
}

impl CloseFrame {
    /// Makes a close frame. A reason of more than 123 bytes does not fit and is cut at a whole character.
    pub fn new(code: CloseCode, reason: &str) -> Self {
        Self { code, reason: cut_close_reason(reason).into() }
    }

    /// The status code.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The text for the client.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// The close frame of a client, as [`Connection::client_close`](crate::Connection::client_close) gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientClose {
    code: Option<u16>,
    reason: Box<str>,
}

impl ClientClose {
    /// Makes the close frame of a client, for tests of handlers. `None` is a close frame without a code.
    pub fn new(code: Option<u16>, reason: impl Into<Box<str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// The status code, if the client gave one: 1000 to 1003, 1007 to 1014, or 3000 to 4999.
    pub fn code(&self) -> Option<u16> {
        self.code
    }

    /// The text, which is empty if the client gave none.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_may_send_the_codes_of_applications_and_those_that_are_theirs() {
        let allowed: Vec<u16> = (0..=u16::MAX).filter(|code| CloseCode::new(*code).is_some()).collect();
        let expected: Vec<u16> = [1000, 1001, 1003].into_iter().chain(1007..=1011).chain(3000..=4999).collect();
        assert_eq!(allowed, expected);
    }

    #[test]
    fn a_long_reason_is_cut_at_a_whole_character() {
        let frame = CloseFrame::new(CloseCode::NORMAL, &"é".repeat(100));
        assert_eq!(frame.reason(), "é".repeat(61));
        assert_eq!(CloseFrame::new(CloseCode::NORMAL, &"e".repeat(123)).reason().len(), 123);
    }
}
