//! Stateful reconnect: acknowledges the messages of the client, and resends what it may have missed (HubProtocol, Ack and
//! Sequence).

use std::pin::Pin;
use std::time::Duration;

use signalhub_connections::Outbound;
use signalhub_protocol::{HubMessage, Protocol, SequenceId};
use tokio::time::{Instant, Sleep, sleep_until};

use super::numbering::{Gap, Novelty, Numbering};
use crate::clients::client::frame;

/// The interval between acknowledgements, counted from the handshake as in the original.
const ACK_INTERVAL: Duration = Duration::from_secs(1);

/// The hub's half of stateful reconnect: it numbers the client's messages, and sends the acknowledgements when they are due.
pub(super) struct Resumption {
    numbering: Numbering,
    protocol: Protocol,
    outbound: Outbound,
    begun: Instant,
    /// When the next acknowledgement is sent; `None` while all messages are acknowledged, so that an idle client causes no
    /// wake-ups.
    due: Option<Pin<Box<Sleep>>>,
    /// How many bytes at the front of the input are messages that [`look_ahead`](Self::look_ahead) has already decoded.
    scanned: usize,
    /// How many bytes of the input are known to hold no further complete message.
    searched: usize,
}

impl Resumption {
    pub(super) fn new(protocol: Protocol, outbound: Outbound) -> Self {
        let (numbering, begun) = (Numbering::new(), Instant::now());
        Self { numbering, protocol, outbound, begun, due: None, scanned: 0, searched: 0 }
    }

    /// Counts a message, if messages of its type are numbered.
    pub(super) fn on_message(&mut self, message: &HubMessage<'_>) -> Novelty {
        if !message.is_numbered() {
            return Novelty::New;
        }
        let novelty = self.numbering.on_message();
        self.schedule_ack();
        novelty
    }

    /// Excludes the message that was counted last, an item without an upload, from the acknowledgements, as the original does.
    pub(super) fn leave_out(&mut self) {
        self.numbering.leave_out();
    }

    fn schedule_ack(&mut self) {
        if self.due.is_none() && self.numbering.owes() {
            let now = Instant::now();
            let gone = now.duration_since(self.begun).as_nanos() % ACK_INTERVAL.as_nanos();
            let left = ACK_INTERVAL - Duration::from_nanos(u64::try_from(gone).unwrap_or(0));
            self.due = Some(Box::pin(sleep_until(now + left)));
        }
    }

    pub(super) fn on_sequence(&mut self, next: SequenceId) -> Result<(), Gap> {
        self.numbering.on_sequence(next)
    }

    /// Releases the frames that the client has acknowledged. Numbers out of range are accepted, as by the original.
    pub(super) fn on_ack(&self, through: SequenceId) {
        self.outbound.release(u64::try_from(through.0).unwrap_or(0));
    }

    /// Notes that bytes were removed from the front of the input.
    pub(super) fn on_consumed(&mut self, bytes: usize) {
        self.scanned = self.scanned.saturating_sub(bytes);
        self.searched = self.searched.saturating_sub(bytes);
    }

    /// Handles the Ack messages in the input while reading is blocked: the call that blocks it may wait for one of them.
    pub(super) fn look_ahead(&mut self, input: &[u8]) {
        while let Some(rest) = input.get(self.scanned..) {
            let searched = self.searched.saturating_sub(self.scanned);
            match self.protocol.decode_grown(rest, searched) {
                Ok(Some((message, length))) => {
                    if let HubMessage::Ack(through) = message {
                        self.on_ack(through);
                    }
                    self.scanned += length;
                }
                Ok(None) => {
                    self.searched = input.len();
                    return;
                }
                // The connection ends when this message is read, so the bytes after it do not matter.
                Err(_) => self.scanned = usize::MAX,
            }
        }
    }

    /// Continues on a new transport: sends a Sequence message with the number of the first retained frame, then the retained
    /// frames.
    pub(super) fn on_reconnected(&mut self) {
        (self.scanned, self.searched) = (0, 0);
        let first = i64::try_from(self.outbound.first_retained()).unwrap_or(i64::MAX);
        let sequence = frame(self.protocol, &HubMessage::Sequence(SequenceId(first)));
        self.outbound.resume(Some(&sequence));
    }

    /// Waits until an acknowledgement is due.
    async fn due(&mut self) {
        match &mut self.due {
            Some(due) => due.as_mut().await,
            None => std::future::pending().await,
        }
    }

    fn acknowledge(&mut self) {
        self.due = None;
        if let Some(latest) = self.numbering.poll_ack() {
            // If the transport is lost, the client repeats these messages after it reconnects, and they are acknowledged
            // again.
            let _ = self.outbound.send_unretained(&frame(self.protocol, &HubMessage::Ack(latest)));
        }
    }
}

/// Sends acknowledgements when they are due. It never completes, and does nothing without stateful reconnect.
pub(super) async fn acknowledging(resumption: &mut Option<Box<Resumption>>) {
    match resumption {
        Some(resumption) => loop {
            resumption.due().await;
            resumption.acknowledge();
        },
        None => std::future::pending().await,
    }
}
