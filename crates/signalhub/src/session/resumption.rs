//! Stateful reconnect: acknowledging the messages of a client that may return over another transport (HubProtocol, Ack and
//! Sequence).

use std::pin::Pin;
use std::time::Duration;

use signalhub_connections::Outbound;
use signalhub_protocol::{HubMessage, Protocol, SequenceId};
use tokio::time::{Instant, Sleep, sleep_until};

use super::numbering::{Gap, Novelty, Numbering};
use crate::clients::client::frame;

/// How often received messages are acknowledged, counted from the handshake as the original does.
const ACK_INTERVAL: Duration = Duration::from_secs(1);

/// The numbers of the client's messages, and when they are acknowledged.
pub(super) struct Resumption {
    numbering: Numbering,
    protocol: Protocol,
    outbound: Outbound,
    begun: Instant,
    /// Set while messages are not acknowledged, so that an idle client causes no wake-ups.
    due: Option<Pin<Box<Sleep>>>,
    /// How many bytes of the input were searched for Ack messages while reading was blocked.
    scanned: usize,
    /// Up to which byte the input is known to hold no further complete message.
    searched: usize,
}

impl Resumption {
    pub(super) fn new(protocol: Protocol, outbound: Outbound) -> Self {
        let (numbering, begun) = (Numbering::new(), Instant::now());
        Self { numbering, protocol, outbound, begun, due: None, scanned: 0, searched: 0 }
    }

    /// Counts a message, if it is one of those that count.
    pub(super) fn on_message(&mut self, message: &HubMessage<'_>) -> Novelty {
        if !message.is_numbered() {
            return Novelty::New;
        }
        let novelty = self.numbering.on_message();
        self.schedule_ack();
        novelty
    }

    /// Leaves an item that no stream took out of the acknowledgements, as the original does.
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

    /// Releases the messages that the client has acknowledged. Any number is accepted, as by the original.
    pub(super) fn on_ack(&self, through: SequenceId) {
        self.outbound.release(u64::try_from(through.0).unwrap_or(0));
    }

    /// Notes that bytes were removed from the front of the input.
    pub(super) fn on_consumed(&mut self, bytes: usize) {
        self.scanned = self.scanned.saturating_sub(bytes);
        self.searched = self.searched.saturating_sub(bytes);
    }

    /// Applies Ack messages behind messages that are blocked: what blocks them may wait for these acknowledgements.
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
                // This message ends the connection once it is read, so nothing behind it counts.
                Err(_) => self.scanned = usize::MAX,
            }
        }
    }

    /// Continues over a new transport: sends the number of the first message, and resends what the client may have missed.
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
            // A client without a transport gets its acknowledgement after it has resent its messages.
            let _ = self.outbound.send_unretained(&frame(self.protocol, &HubMessage::Ack(latest)));
        }
    }
}

/// Acknowledges the client's messages whenever that is due. It never completes; without resumption it does nothing.
pub(super) async fn acknowledging(resumption: &mut Option<Box<Resumption>>) {
    match resumption {
        Some(resumption) => loop {
            resumption.due().await;
            resumption.acknowledge();
        },
        None => std::future::pending().await,
    }
}
