//! The sockets of one server: how many an address has, and which of them have been of no use for longest.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use crate::http::request_timeouts::RequestTimeouts;
use crate::limits::{Limit, network};

/// How long a list of idle sockets is used. Making one takes a walk over all sockets.
const RESURVEY: Duration = Duration::from_secs(1);

/// A list that has made room for so many sockets has paid for the walk: one of so many that were passed.
const WALK_PER_EVICTION: usize = 16;

/// Knows the sockets of one server.
#[derive(Debug)]
pub(crate) struct Sockets {
    /// How many one address may have; `None` for as many as it likes.
    per_address: Option<usize>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_address: HashMap<IpAddr, usize>,
    /// The sockets that HTTP is spoken on, by a number that is never used again.
    speaking: HashMap<u64, Weak<RequestTimeouts>>,
    next: u64,
    /// Those that were idle at the last survey, the longest idle ones last.
    idle: Vec<(Instant, Weak<RequestTimeouts>)>,
    surveyed: Option<Instant>,
    /// How many have gone since then.
    evicted: usize,
}

/// A socket's part in the count of its address.
#[derive(Debug)]
pub(crate) struct SocketShare {
    sockets: Arc<Sockets>,
    address: IpAddr,
}

/// A socket's place among those that HTTP is spoken on.
#[derive(Debug)]
pub(crate) struct Speaking {
    sockets: Arc<Sockets>,
    number: u64,
}

impl Sockets {
    pub(crate) fn new(per_address: Option<usize>) -> Arc<Self> {
        Arc::new(Self { per_address, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a socket for an address, unless that has too many.
    pub(crate) fn take(self: &Arc<Self>, address: IpAddr) -> Result<Option<SocketShare>, Limit> {
        let Some(most) = self.per_address else { return Ok(None) };
        let address = network(address);
        let mut state = self.lock();
        if state.by_address.get(&address).is_some_and(|count| *count >= most) {
            return Err(Limit::SocketsPerAddress);
        }
        *state.by_address.entry(address).or_default() += 1;
        drop(state);
        Ok(Some(SocketShare { sockets: Arc::clone(self), address }))
    }

    /// Adds a socket that HTTP is spoken on.
    pub(crate) fn speak(self: &Arc<Self>, timeouts: &Arc<RequestTimeouts>) -> Speaking {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.speaking.insert(number, Arc::downgrade(timeouts));
        drop(state);
        Speaking { sockets: Arc::clone(self), number }
    }

    /// Ends the socket that has been idle for longest; `false` when none is idle.
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
            if is_recent && state.evicted * WALK_PER_EVICTION < state.speaking.len().max(1) {
                return false;
            }
            state.survey(now);
        }
    }
}

impl State {
    fn survey(&mut self, now: Instant) {
        let idle = |timeouts: &Weak<RequestTimeouts>| Some((timeouts.upgrade()?.idle_since()?, Weak::clone(timeouts)));
        self.idle = self.speaking.values().filter_map(idle).collect();
        self.idle.sort_unstable_by_key(|(since, _)| std::cmp::Reverse(*since));
        self.surveyed = Some(now);
        self.evicted = 0;
    }
}

impl Drop for SocketShare {
    fn drop(&mut self) {
        let mut state = self.sockets.lock();
        if let Some(count) = state.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                state.by_address.remove(&self.address);
            }
        }
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        self.sockets.lock().speaking.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request_timeouts::Times;

    #[test]
    fn an_address_has_only_so_many_sockets() {
        let sockets = Sockets::new(Some(2));
        let share = |address: &str| sockets.take(address.parse().unwrap());
        let first = share("10.0.0.1").unwrap();
        let _second = share("10.0.0.1").unwrap();
        assert!(matches!(share("10.0.0.1"), Err(Limit::SocketsPerAddress)));
        assert!(share("10.0.0.2").is_ok());
        let _network = (share("2001:db8::1").unwrap(), share("2001:db8::2").unwrap());
        assert!(share("2001:db8::3").is_err(), "an IPv6 client has a whole network");
        drop(first);
        assert!(share("10.0.0.1").is_ok());
        drop(_second);
        drop(_network);
        assert!(sockets.lock().by_address.is_empty(), "who has gone is forgotten");
        assert!(matches!(Sockets::new(None).take("10.0.0.1".parse().unwrap()), Ok(None)));
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_sockets_make_room_as_come() {
        let sockets = Sockets::new(None);
        let second = Duration::from_secs(1);
        let times = Times { header: second, idle: second, send: second };
        let mut all_timeouts = Vec::new();
        for number in 0..100 {
            let timeouts = RequestTimeouts::resumed(times);
            all_timeouts.push((sockets.speak(&timeouts), timeouts));
            assert!(number < 20 || sockets.evict(Instant::now()), "socket {number}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_socket_goes_first() {
        let sockets = Sockets::new(None);
        let times =
            Times { header: Duration::from_secs(10), idle: Duration::from_secs(130), send: Duration::from_secs(10) };
        let mut all_timeouts = Vec::new();
        for _ in 0..4 {
            let timeouts = RequestTimeouts::resumed(times);
            all_timeouts.push((sockets.speak(&timeouts), timeouts));
            tokio::time::advance(Duration::from_millis(10)).await;
        }
        let _busy = all_timeouts[0].1.request();
        drop(all_timeouts.remove(1));
        let evicted = |index: usize, all_timeouts: &[(Speaking, Arc<RequestTimeouts>)]| {
            all_timeouts[index].1.idle_since().is_none()
        };
        assert!(sockets.evict(Instant::now()));
        assert!(evicted(1, &all_timeouts) && !evicted(2, &all_timeouts));
        assert!(sockets.evict(Instant::now()));
        assert!(evicted(2, &all_timeouts));
        assert!(!sockets.evict(Instant::now()), "a busy one stays");
        let late = RequestTimeouts::new(times);
        let _late = sockets.speak(&late);
        assert!(!sockets.evict(Instant::now()), "a list is used for a while");
        assert!(sockets.evict(Instant::now() + RESURVEY), "one that has said nothing is idle as well");
        assert!(!sockets.evict(Instant::now() + 2 * RESURVEY), "nobody goes twice");
    }
}
