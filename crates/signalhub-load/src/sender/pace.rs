//! Tells the senders which events are due.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::course::Course;

/// How long the thread sleeps at most, so that it sees soon that the run has stopped.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// How many events are due, and whether sending has stopped.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    due: watch::Receiver<u64>,
    halt: watch::Receiver<bool>,
}

/// What became of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The event has become due just now.
    Now,
    /// It was due before; the sender is behind.
    Before,
    /// Nothing more is to be sent.
    Never,
}

/// Starts a thread that keeps the time: the timers of the runtime are only exact to a millisecond.
pub(crate) fn start_pacing(course: &Arc<Course>, halt: watch::Receiver<bool>) -> Pace {
    let (sender, due) = watch::channel(0);
    let (course, halted) = (Arc::clone(course), halt.clone());
    thread::spawn(move || {
        let (start, events) = (course.start(), course.schedule.events());
        let mut next = 0;
        while next < events && !*halted.borrow() && !sender.is_closed() {
            let wait = (start + course.schedule.rate.due(next)).saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                thread::sleep(wait.min(LONGEST_SLEEP));
                continue;
            }
            let since_start = Instant::now().saturating_duration_since(start);
            next = course.schedule.rate.before(since_start + Duration::from_nanos(1)).min(events);
            sender.send_replace(next);
        }
    });
    Pace { due, halt }
}

impl Pace {
    /// Waits until an event is due.
    pub(crate) async fn wait_for(&mut self, event: u64) -> Due {
        if *self.halt.borrow() {
            return Due::Never;
        }
        if *self.due.borrow() > event {
            return Due::Before;
        }
        tokio::select! {
            due = self.due.wait_for(|due| *due > event) => if due.is_ok() { Due::Now } else { Due::Never },
            _ = self.halt.wait_for(|halt| *halt) => Due::Never,
        }
    }

    /// Does something unless sending stops before it is done.
    pub(crate) async fn unless_halted<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            _ = self.halt.wait_for(|halt| *halt) => None,
        }
    }
}
