//! The sockets that are served with HTTP: when file descriptors run short, those that have been idle for longest are
//! closed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::request_timeouts::RequestTimeouts;

/// How long a list of idle sockets is used. Making one takes a pass over all sockets.
const RESURVEY: Duration = Duration::from_secs(1);

/// A new list is made earlier if one in this many sockets was evicted since the last one, so that the cost of a pass is
/// spread over many evictions.
const WALK_PER_EVICTION: usize = 16;

/// The sockets of one server that are served with HTTP.
#[derive(Debug, Default)]
pub(crate) struct IdleSockets {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The sockets by number. A number is never used again.
    entries: HashMap<u64, Weak<RequestTimeouts>>,
    next: u64,
    /// Those that were idle when the list was made, the longest idle ones last.
    idle: Vec<(Instant, Weak<RequestTimeouts>)>,
    surveyed: Option<Instant>,
    /// How many have been evicted since then.
    evicted: usize,
}

/// The entry of a socket. Dropping it removes the socket.
#[derive(Debug)]
pub(crate) struct SocketEntry {
    sockets: Arc<IdleSockets>,
    number: u64,
}

impl IdleSockets {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a socket.
    pub(crate) fn add(self: &Arc<Self>, timeouts: &Arc<RequestTimeouts>) -> SocketEntry {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.entries.insert(number, Arc::downgrade(timeouts));
        drop(state);
        SocketEntry { sockets: Arc::clone(self), number }
    }

    /// Ends the socket that has been idle for longest; `false` if none is idle.
    pub(crate) fn evict(&self, now: Instant) -> bool {
        let mut state = self.lock();
        loop {
            while let Some((since, timeouts)) = state.idle.pop() {
                if timeouts.upgrade().is_some_and(|timeouts| timeouts.evict(since)) {
                    state.evicted += 1;
                    return true;
                }
            }
            let is_recent = state.surveyed.is_some_and(|at| now.duration_since(at) < RESURVEY);
            if is_recent && state.evicted * WALK_PER_EVICTION < state.entries.len().max(1) {
                return false;
            }
            state.survey(now);
        }
    }
}

impl State {
    fn survey(&mut self, now: Instant) {
        let idle = |timeouts: &Weak<RequestTimeouts>| Some((timeouts.upgrade()?.idle_since()?, Weak::clone(timeouts)));
        self.idle = self.entries.values().filter_map(idle).collect();
        self.idle.sort_unstable_by_key(|(since, _)| std::cmp::Reverse(*since));
        self.surveyed = Some(now);
        self.evicted = 0;
    }
}

impl Drop for SocketEntry {
    fn drop(&mut self) {
        self.sockets.lock().entries.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::times::Times;

    #[tokio::test(start_paused = true)]
    async fn each_new_socket_evicts_an_idle_one() {
        let sockets = Arc::new(IdleSockets::default());
        let second = Duration::from_secs(1);
        let times = Times { header: second, idle: second, send: second };
        let mut all_timeouts = Vec::new();
        for number in 0..100 {
            let timeouts = RequestTimeouts::resumed(times);
            all_timeouts.push((sockets.add(&timeouts), timeouts));
            assert!(number < 20 || sockets.evict(Instant::now()), "socket {number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_socket_goes_first() {
        let sockets = Arc::new(IdleSockets::default());
        let times =
            Times { header: Duration::from_secs(10), idle: Duration::from_secs(130), send: Duration::from_secs(10) };
        let mut all_timeouts = Vec::new();
        for _ in 0..4 {
            let timeouts = RequestTimeouts::resumed(times);
            all_timeouts.push((sockets.add(&timeouts), timeouts));
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let _busy = all_timeouts[0].1.request();
        drop(all_timeouts.remove(1));
        let evicted = |index: usize, all_timeouts: &[(SocketEntry, Arc<RequestTimeouts>)]| {
            all_timeouts[index].1.idle_since().is_none()
        };
        assert!(sockets.evict(Instant::now()));
        assert!(evicted(1, &all_timeouts) && !evicted(2, &all_timeouts));
        assert!(sockets.evict(Instant::now()));
        assert!(evicted(2, &all_timeouts));
        assert!(!sockets.evict(Instant::now()), "a busy one stays");
        let late = RequestTimeouts::new(times);
        let _late = sockets.add(&late);
        assert!(!sockets.evict(Instant::now()), "a list is used for a while");
        assert!(sockets.evict(Instant::now() + RESURVEY), "one that has said nothing is idle as well");
        assert!(!sockets.evict(Instant::now() + 2 * RESURVEY), "no socket is evicted twice");
    }
}
