//! A connection that receives, or one that does not read.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::connection::{self, Connection, ConnectionError, Message, PING_INTERVAL};
use crate::course::Course;
use crate::latencies::Latencies;
use crate::proof::{Arrival, Proof};
use signalhub_protocol::Protocol;

/// How long is read, at the end, from a connection that did not read, to learn whether the server has ended it.
const LAST_READ: Duration = Duration::from_millis(500);

/// What a connection received.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) group: u32,
    /// By sender.
    proofs: Vec<Proof>,
    /// From when an event was due to its arrival.
    pub(crate) latencies: Latencies,
    pub(crate) doubled: u64,
    pub(crate) out_of_order: u64,
    pub(crate) late: u64,
    /// Events of other groups.
    pub(crate) misrouted: u64,
    pub(crate) bytes: u64,
    /// Why the server ended the connection before the run did.
    pub(crate) ended: Option<ConnectionError>,
}

impl Received {
    /// Counts what did not come of the published events of a sender.
    pub(crate) fn lost(&self, sender: u32, published: Range<u32>, refused: &BTreeSet<u32>) -> u64 {
        self.proofs.get(sender as usize).map_or(0, |proof| proof.lost(published, refused))
    }
}

/// Receives until the run stops or the connection ends.
pub(crate) async fn receive(
    connection: Connection,
    group: u32,
    course: Arc<Course>,
    mut stop: watch::Receiver<bool>,
) -> Received {
    let Connection { mut reader, mut writer, mut records, protocol } = connection;
    let mut receiver = Receiver::new(group, protocol, course);
    let ping = connection::ping(protocol);
    let mut pings = pings();
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    tokio::pin!(stopped);
    let ended = loop {
        let step = tokio::select! {
            received = reader.receive() => match received {
                Ok(bytes) => receiver.take(&mut records, &bytes),
                Err(error) => Err(error),
            },
            _ = pings.tick() => writer.send(ping.clone()).await,
            () = &mut stopped => break None,
        };
        if let Err(error) = step {
            break Some(error);
        }
    };
    if ended.is_some() {
        receiver.course.live.ended.fetch_add(1, Ordering::Relaxed);
    } else {
        writer.close(reader).await;
    }
    Received { ended, ..receiver.received }
}

/// Reads nothing until the run stops, and tells whether the server had ended the connection by then.
pub(crate) async fn stall(connection: Connection, mut stop: watch::Receiver<bool>) -> Option<ConnectionError> {
    let Connection { mut reader, mut writer, protocol, .. } = connection;
    let ping = connection::ping(protocol);
    let mut pings = pings();
    let stopped = async move { drop(stop.wait_for(|stop| *stop).await) };
    tokio::pin!(stopped);
    loop {
        let sent = tokio::select! {
            _ = pings.tick() => writer.send(ping.clone()).await,
            () = &mut stopped => break,
        };
        if let Err(error) = sent {
            return Some(error);
        }
    }
    let end = async {
        loop {
            if let Err(error) = reader.receive().await {
                return error;
            }
        }
    };
    timeout(LAST_READ, end).await.ok()
}

fn pings() -> tokio::time::Interval {
    let mut pings = interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    pings
}

/// The state of a receiving connection.
struct Receiver {
    course: Arc<Course>,
    protocol: Protocol,
    /// The first event that is measured.
    first_measured: u64,
    received: Received,
}

impl Receiver {
    fn new(group: u32, protocol: Protocol, course: Arc<Course>) -> Self {
        let received = Received {
            group,
            proofs: course.schedule.streams_of(group).map(|_| Proof::default()).collect(),
            latencies: Latencies::default(),
            doubled: 0,
            out_of_order: 0,
            late: 0,
            misrouted: 0,
            bytes: 0,
            ended: None,
        };
        Self { first_measured: course.schedule.warm_up_events(), course, protocol, received }
    }

    /// Takes bytes that have come now.
    fn take(&mut self, records: &mut crate::records::Records, bytes: &[u8]) -> Result<(), ConnectionError> {
        let since_start = Instant::now().saturating_duration_since(self.course.start());
        let (mut new, mut closed) = (0, None);
        records.feed(bytes, |record| match self.course.payloads.find(record) {
            Some(mark) => new += self.count(record, mark, since_start),
            None => {
                if let Message::Close(why) = Message::read(self.protocol, record) {
                    closed = Some(why);
                }
            }
        })?;
        if new > 0 {
            self.course.live.delivered.fetch_add(new, Ordering::Relaxed);
        }
        closed.map_or(Ok(()), |why| Err(ConnectionError::Ended(why)))
    }

    /// Counts a message with a payload; returns how many events came that had not come before.
    fn count(&mut self, record: &[u8], mark: crate::payload::Mark, since_start: Duration) -> u64 {
        let course = &self.course;
        if course.target.as_deref().is_some_and(|target| !connection::calls(self.protocol, record, target)) {
            return 0;
        }
        let received = &mut self.received;
        let event = course.schedule.event(mark.stream, mark.sequence);
        let proof = received.proofs.get_mut(mark.stream.sender as usize);
        let Some(proof) = proof.filter(|_| mark.stream.group == received.group) else {
            received.misrouted += 1;
            return 0;
        };
        let arrival = proof.take(mark.sequence);
        let measured = event >= self.first_measured;
        match arrival {
            Arrival::Doubled => {
                received.doubled += u64::from(measured);
                return 0;
            }
            Arrival::OutOfOrder => received.out_of_order += u64::from(measured),
            Arrival::InOrder => {}
        }
        if measured {
            let latency = since_start.saturating_sub(Duration::from_nanos(mark.due));
            received.latencies.record(latency);
            received.late += u64::from(latency > course.late);
            received.bytes += record.len() as u64;
            course.arrived(event, since_start);
        }
        1
    }
}
