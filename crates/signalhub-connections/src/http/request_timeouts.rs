//! The deadlines of one socket: for the head of each request, for the idle time between requests, and for a response that
//! the client does not read.

mod watched_socket;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, ready};
use std::time::Duration;

use futures_util::task::AtomicWaker;
use tokio::time::Instant;

pub(crate) use self::watched_socket::WatchedSocket;
use crate::limits::times::{Overdue, Times};
use crate::outbound::SendQueue;
use crate::transport::long_polling::Present;

/// How long a client may take to read a response of a connection that has ended.
const LAST_MESSAGES_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the connection of an unread response is checked for its end.
const RECHECK: Duration = Duration::from_secs(1);

/// Tracks the requests on one socket and their deadlines.
#[derive(Debug)]
pub(crate) struct RequestTimeouts {
    state: Mutex<State>,
    times: Times,
    /// Wakes the task of the socket to end it.
    evicted: AtomicWaker,
}

#[derive(Debug)]
struct State {
    request: RequestState,
    flushed: Flushed,
    /// Since when the client has read nothing although bytes wait to be written.
    stalled_since: Option<Instant>,
    /// The connection whose messages the last response contains, if there is one.
    answered: Option<Answered>,
    is_evicted: bool,
}

/// The connection that a response belongs to.
#[derive(Debug)]
struct Answered {
    send_queue: Weak<SendQueue>,
    /// When this task found that it has ended.
    ended: Option<Instant>,
    /// The poll counts as present until the client has read its response.
    _present: Option<Present>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestState {
    /// The client has sent nothing yet.
    Silent { since: Instant },
    /// A part of a head has arrived. `idle_since` is when the socket was accepted or became idle.
    Head { since: Instant, idle_since: Instant },
    /// This many responses are not finished yet.
    Busy { responses: usize },
    /// There is no request.
    Idle { since: Instant },
}

/// Whether the socket has accepted all bytes of the responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushed {
    Wholly,
    NotYet,
}

impl RequestTimeouts {
    /// Starts with a socket that was just accepted: its first head is due.
    pub(crate) fn new(times: Times) -> Arc<Self> {
        Self::beginning(times, RequestState::Silent { since: Instant::now() })
    }

    /// Continues with a socket whose last response is finished.
    pub(crate) fn resumed(times: Times) -> Arc<Self> {
        Self::beginning(times, RequestState::Idle { since: Instant::now() })
    }

    fn beginning(times: Times, request: RequestState) -> Arc<Self> {
        let state = State { request, flushed: Flushed::Wholly, stalled_since: None, answered: None, is_evicted: false };
        Arc::new(Self { state: Mutex::new(state), times, evicted: AtomicWaker::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_came(&self) {
        let mut state = self.lock();
        match state.request {
            RequestState::Idle { since } => {
                state.request = RequestState::Head { since: Instant::now(), idle_since: since }
            }
            RequestState::Silent { since } => state.request = RequestState::Head { since, idle_since: since },
            RequestState::Head { .. } | RequestState::Busy { .. } => {}
        }
    }

    /// The socket accepts no more bytes.
    fn blocked(&self) {
        self.lock().stalled_since = Some(Instant::now());
    }

    /// The socket accepts bytes again.
    fn moved(&self) {
        self.lock().stalled_since = None;
    }

    /// All bytes have been written.
    fn flushed(&self) {
        let mut state = self.lock();
        state.stalled_since = None;
        if !matches!(state.request, RequestState::Busy { .. }) {
            state.flushed = Flushed::Wholly;
            let answered = state.answered.take();
            drop(state);
            drop(answered);
        }
    }

    /// Tells whether all responses are finished and written: what hyper writes now answers no request.
    pub(crate) fn is_done(&self) -> bool {
        let state = self.lock();
        state.flushed == Flushed::Wholly && !matches!(state.request, RequestState::Busy { .. })
    }

    /// Records that a head is complete. There is no deadline until its response is finished.
    pub(crate) fn request(self: &Arc<Self>) -> Busy {
        let mut state = self.lock();
        let responses = if let RequestState::Busy { responses } = state.request { responses } else { 0 };
        state.request = RequestState::Busy { responses: responses + 1 };
        // A request that has begun is answered, even if the socket was to be evicted. Its descriptor is part of the
        // headroom.
        state.is_evicted = false;
        drop(state);
        Busy(Arc::clone(self))
    }

    /// The connection whose messages the client has not read.
    pub(crate) fn unread(&self) -> Option<Arc<SendQueue>> {
        self.lock().answered.as_ref()?.send_queue.upgrade()
    }

    /// Since when the socket has been idle, if it is.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.lock().idle_since()
    }

    /// Ends the socket if it has been idle since then, unless a request arrives before its task runs.
    pub(crate) fn evict(&self, since: Instant) -> bool {
        let mut state = self.lock();
        if state.idle_since() != Some(since) {
            return false;
        }
        state.is_evicted = true;
        drop(state);
        self.evicted.wake();
        true
    }

    /// Drives the connection of the socket until it ends or the client takes too long.
    pub(crate) async fn drive<F: Future>(&self, mut connection: Pin<&mut F>) -> Result<F::Output, Overdue> {
        let mut sleep = std::pin::pin!(tokio::time::sleep_until(Instant::now()));
        poll_fn(|cx| {
            self.evicted.register(cx.waker());
            if let Poll::Ready(output) = connection.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            loop {
                // Apart from evictions, the state changes only while the connection is polled, so nothing else needs to
                // wake this.
                let due = match self.lock().due(&self.times) {
                    Due::Never => return Poll::Pending,
                    Due::Now(overdue) => return Poll::Ready(Err(overdue)),
                    Due::At(due) => due,
                };
                if sleep.deadline() != due {
                    sleep.as_mut().reset(due);
                }
                ready!(sleep.as_mut().poll(cx));
            }
        })
        .await
    }
}

/// When the client is overdue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Never,
    /// Not before this time, at which it must be checked again.
    At(Instant),
    Now(Overdue),
}

impl Due {
    fn of(deadline: Option<Instant>, now: Instant, overdue: Overdue) -> Self {
        match deadline {
            None => Self::Never,
            Some(deadline) if deadline <= now => Self::Now(overdue),
            Some(deadline) => Self::At(deadline),
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Now(overdue), _) | (_, Self::Now(overdue)) => Self::Now(overdue),
            (Self::Never, other) | (other, Self::Never) => other,
            (Self::At(one), Self::At(other)) => Self::At(one.min(other)),
        }
    }
}

impl State {
    /// A socket with a part of a head counts as idle, or a client could protect all its sockets from eviction with one byte
    /// each.
    fn idle_since(&self) -> Option<Instant> {
        let since = match self.request {
            RequestState::Silent { since }
            | RequestState::Idle { since }
            | RequestState::Head { idle_since: since, .. } => since,
            RequestState::Busy { .. } => return None,
        };
        (self.flushed == Flushed::Wholly && !self.is_evicted).then_some(since)
    }

    fn due(&mut self, times: &Times) -> Due {
        if self.is_evicted {
            return Due::Now(Overdue::Evicted);
        }
        // A busy socket whose client reads has no deadline.
        if self.stalled_since.is_none() && matches!(self.request, RequestState::Busy { .. }) {
            return Due::Never;
        }
        let now = Instant::now();
        let request = match self.request {
            RequestState::Silent { since } | RequestState::Head { since, .. } => {
                Due::of(since.checked_add(times.header), now, Overdue::Head)
            }
            RequestState::Idle { since } => Due::of(since.checked_add(times.idle), now, Overdue::Request),
            RequestState::Busy { .. } => Due::Never,
        };
        self.answer_due(times, now).or(request)
    }

    /// A response that is not read has its own deadline, which is sooner when its connection has ended.
    fn answer_due(&mut self, times: &Times, now: Instant) -> Due {
        let Some(since) = self.stalled_since else { return Due::Never };
        let stalled = Due::of(since.checked_add(times.send), now, Overdue::Answer);
        let Some(answered) = &mut self.answered else { return stalled };
        if answered.ended.is_none()
            && answered.send_queue.upgrade().is_none_or(|send_queue| send_queue.ended().is_some())
        {
            answered.ended = Some(now);
        }
        let ended = match answered.ended {
            Some(ended) => Due::of(ended.checked_add(LAST_MESSAGES_TIMEOUT), now, Overdue::Answer),
            None => now.checked_add(RECHECK).map_or(Due::Never, Due::At),
        };
        stalled.or(ended)
    }
}

/// A response that is not finished. It is dropped with the response's body.
#[derive(Debug)]
pub(crate) struct Busy(Arc<RequestTimeouts>);

impl Busy {
    /// Records that the response contains messages of a connection.
    pub(crate) fn answers(&self, send_queue: &Arc<SendQueue>, present: Option<Present>) {
        let answered = Answered { send_queue: Arc::downgrade(send_queue), ended: None, _present: present };
        let before = self.0.lock().answered.replace(answered);
        drop(before);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if let RequestState::Busy { responses } = &mut state.request {
            *responses -= 1;
            if *responses == 0 {
                state.request = RequestState::Idle { since: Instant::now() };
                // hyper has taken the whole body, but may not have written all of it.
                state.flushed = Flushed::NotYet;
            }
        }
    }
}

#[cfg(test)]
mod tests;
