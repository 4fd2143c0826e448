//! The bytes that were received and not consumed.

/// The input of a connection. Without bytes it holds no memory.
#[derive(Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// How many bytes at the front are consumed.
    consumed: usize,
}

impl Input {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.consumed..]
    }

    /// Takes bytes from the front.
    ///
    /// # Panics
    /// When there are fewer.
    pub(super) fn consume(&mut self, count: usize) {
        assert!(count <= self.bytes.len() - self.consumed, "more is consumed than came in");
        self.consumed += count;
        if self.consumed == self.bytes.len() {
            // An idle connection keeps no buffer.
            *self = Self::default();
        }
    }

    /// Gives the buffer that new bytes are appended to. Unconsumed bytes move to its front only when they are less than
    /// half of it, so that each byte moves a bounded number of times.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.consumed > self.bytes.len() / 2 {
            self.bytes.drain(..self.consumed);
            self.consumed = 0;
        }
        &mut self.bytes
    }
}
