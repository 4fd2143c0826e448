//! The numbers of a client's messages: which messages are new, and which number is acknowledged (HubProtocol, Ack and
//! Sequence).
//!
//! It has no clock and does no I/O. The other direction, the messages that the server sends, is the connection's:
//! [`Outbound::retain`](signalhub_connections::Outbound::retain).

use signalhub_protocol::SequenceId;

/// Numbers the messages of a client whose connection can be resumed.
///
/// A client numbers its calls, items, completions and cancellations. The original does not count items without an upload, so
/// its acknowledgements fall behind the client's numbers, and after a reconnect it handles messages twice or drops new ones.
/// Here the client's own numbers decide what is new, and only the acknowledgements exclude those items.
#[derive(Debug)]
pub(super) struct Numbering {
    /// The number of the next message.
    next: i64,
    /// The highest number that was received.
    latest: i64,
    /// How many received messages the acknowledgements do not count.
    left_out: i64,
    /// The last acknowledged number.
    acknowledged: i64,
    /// Whether a message was repeated, so that its acknowledgement may have been lost.
    repeated: bool,
}

/// Whether a message was received before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Novelty {
    New,
    Repeated,
}

/// A Sequence message skips messages that were never received.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("Sequence ID greater than amount of messages we've received.")]
pub(super) struct Gap;

impl Numbering {
    pub(super) fn new() -> Self {
        Self { next: 1, latest: 0, left_out: 0, acknowledged: 0, repeated: false }
    }

    /// Counts a message. A repeated message is acknowledged again, because its acknowledgement may have been lost.
    pub(super) fn on_message(&mut self) -> Novelty {
        let number = self.next;
        self.next += 1;
        if number > self.latest {
            self.latest = number;
            Novelty::New
        } else {
            self.repeated = true;
            Novelty::Repeated
        }
    }

    /// Excludes the message that was just counted as new from the acknowledgements.
    pub(super) fn leave_out(&mut self) {
        self.left_out += 1;
    }

    /// Sets the number of the client's next message, which may be one that was received before.
    ///
    /// It is compared with the highest number that was received, not with `next` as in the original: a client that lost its
    /// transport while it repeated messages may continue after all messages that were received.
    pub(super) fn on_sequence(&mut self, next: SequenceId) -> Result<(), Gap> {
        if next.0 > self.latest + 1 {
            return Err(Gap);
        }
        self.next = next.0;
        Ok(())
    }

    /// Whether an acknowledgement is due.
    pub(super) fn owes(&self) -> bool {
        let countable = self.latest - self.left_out;
        countable > self.acknowledged || (self.repeated && countable > 0)
    }

    /// Returns the number to acknowledge, if an acknowledgement is due, and counts it as sent.
    pub(super) fn poll_ack(&mut self) -> Option<SequenceId> {
        if !self.owes() {
            return None;
        }
        self.acknowledged = self.latest - self.left_out;
        self.repeated = false;
        Some(SequenceId(self.acknowledged))
    }
}

#[cfg(test)]
mod tests;
