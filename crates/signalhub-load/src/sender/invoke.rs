//! Sends events by calls of a hub method.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::pace::{Due, Pace};
use super::tally::Sent;
use crate::connection::{self, Connection, ConnectionError, Message, PING_INTERVAL, Reader};
use crate::course::Course;
use crate::plan::Call;
use crate::records::Records;
use signalhub_protocol::Protocol;

/// How long answers are awaited after the last call.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// How often is looked whether the last answers have come.
const LOOK: Duration = Duration::from_millis(5);

/// What the task that sends and the one that reads share.
struct Calls {
    sent: Sent,
    /// The events whose calls have no answer yet.
    unanswered: BTreeSet<u64>,
    /// Why there will be no more answers.
    ended: Option<ConnectionError>,
}

/// Calls a method for each event of a sender, without waiting for the answers. A hub runs the calls of a client in order.
pub(crate) async fn invoke(
    connection: Connection,
    call: Call,
    sender: u32,
    course: Arc<Course>,
    mut pace: Pace,
) -> Sent {
    let Connection { reader, mut writer, records, protocol } = connection;
    let calls = Calls { sent: Sent::new(Arc::clone(&course), sender), unanswered: BTreeSet::new(), ended: None };
    let calls = Arc::new(Mutex::new(calls));
    let reading = tokio::spawn(read_answers(reader, records, protocol, Arc::clone(&calls)));
    let senders = u64::from(course.schedule.senders.get());
    let mut event = u64::from(sender);
    let mut pings = interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while event < course.schedule.events() {
        let due = tokio::select! {
            due = pace.wait_for(event) => due,
            _ = pings.tick() => {
                // If the connection is lost, the next call tells it.
                let _ = writer.send(connection::ping(protocol)).await;
                continue;
            }
        };
        if due == Due::Never || !begin(&calls, event, due) {
            break;
        }
        let (stream, _) = course.schedule.place(event);
        let id = event.to_string();
        let record = connection::invocation(protocol, &call, stream.group, &course.payload(event), &id);
        let sent = pace.unless_halted(writer.send(record)).await;
        if !matches!(sent, Some(Ok(()))) {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.ended = sent.and_then(Result::err).or(calls.ended.take());
            break;
        }
        event += senders;
    }
    wait_for_answers(&calls).await;
    reading.abort();
    let _ = reading.await;
    finish(calls)
}

/// Notes that a call is sent now, unless there is nothing to send it over.
fn begin(calls: &Mutex<Calls>, event: u64, due: Due) -> bool {
    let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    if calls.ended.is_some() || calls.sent.refusal.is_some() {
        return false;
    }
    calls.sent.begin(event, due == Due::Now);
    calls.unanswered.insert(event);
    true
}

async fn wait_for_answers(calls: &Mutex<Calls>) {
    let until = Instant::now() + LAST_ANSWERS;
    while Instant::now() < until {
        {
            let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            if calls.unanswered.is_empty() || calls.ended.is_some() {
                return;
            }
        }
        sleep(LOOK).await;
    }
}

fn finish(calls: Arc<Mutex<Calls>>) -> Sent {
    let calls = Arc::into_inner(calls).expect("the reading task has ended, and with it the other reference");
    let mut calls = calls.into_inner().unwrap_or_else(PoisonError::into_inner);
    let why = calls
        .ended
        .map_or_else(|| "a call was not answered".to_owned(), |why| format!("a call was not answered: {why}"));
    for event in calls.unanswered {
        calls.sent.refuse(event, &why, false);
    }
    calls.sent
}

async fn read_answers(mut reader: Reader, mut records: Records, protocol: Protocol, calls: Arc<Mutex<Calls>>) {
    let ended = loop {
        let bytes = match reader.receive().await {
            Ok(bytes) => bytes,
            Err(error) => break error,
        };
        let mut closed = None;
        let read = records.feed(&bytes, |record| match Message::read(protocol, record) {
            Message::Completion { id, error } => take_answer(&calls, &id, error),
            Message::Close(why) => closed = Some(why),
            Message::Other => {}
        });
        match (read, closed) {
            (Err(error), _) => break error.into(),
            (Ok(()), Some(why)) => break ConnectionError::Ended(why),
            (Ok(()), None) => {}
        }
    };
    calls.lock().unwrap_or_else(PoisonError::into_inner).ended = Some(ended);
}

fn take_answer(calls: &Mutex<Calls>, id: &str, error: Option<String>) {
    let Ok(event) = id.parse::<u64>() else { return };
    let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
    if !calls.unanswered.remove(&event) {
        return;
    }
    match error {
        None => calls.sent.accept(event, None),
        Some(error) => drop(calls.sent.refuse(event, &format!("a call failed: {error}"), true)),
    }
}
