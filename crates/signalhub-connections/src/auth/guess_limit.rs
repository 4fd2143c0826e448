//! Wrong credentials, counted for the address that they come from.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use tokio::time::Instant;

use crate::request::remote_address::{RemoteAddress, network};

/// So many addresses are remembered at most. Those that have most of their allowance left are forgotten first.
const MOST_ADDRESSES: usize = 16 * 1024;

/// How many wrong credentials may come from one address; clones share the counts.
///
/// An address has an allowance, which wrong credentials use up and time gives back. Good ones cost nothing and give
/// nothing back. Credentials that are genuine and not valid, such as expired ones, are no guess. An IPv6 client has a whole /64 of addresses, which counts as
/// one; a request without a [`RemoteAddress`] is not counted.
///
/// An endpoint with a limit still judges every token, because a signature cannot be guessed: clients with good tokens are
/// admitted whatever others do from their address, and only what is wrong gets 429 in place of 401. Who compares secrets
/// that people may have chosen asks [`GuessLimit::check`] before.
#[derive(Clone)]
pub struct GuessLimit(Arc<Shared>);

struct Shared {
    /// How many may come at once.
    burst: f64,
    /// How many come back a second.
    per_second: f64,
    allowances: Mutex<HashMap<IpAddr, Allowance>>,
}

#[derive(Clone, Copy)]
struct Allowance {
    left: f64,
    at: Instant,
}

impl GuessLimit {
    /// Allows so many wrong credentials in such a time, which is also how many may come at once.
    ///
    /// # Panics
    /// When either is zero.
    pub fn new(count: u32, per: Duration) -> Self {
        assert!(count > 0 && !per.is_zero(), "a limit allows something in some time");
        let (burst, per_second) = (f64::from(count), f64::from(count) / per.as_secs_f64());
        Self(Arc::new(Shared { burst, per_second, allowances: Mutex::default() }))
    }

    /// Tells whether the address of a request may be wrong once more.
    ///
    /// # Errors
    /// With the time until it may.
    pub fn check(&self, request: &Parts) -> Result<(), Duration> {
        let Some(address) = address(request) else { return Ok(()) };
        let now = Instant::now();
        let allowances = self.lock();
        allowances.get(&address).map_or(Ok(()), |allowance| self.0.refill(*allowance, now).judge(&self.0))
    }

    /// Counts wrong credentials for the address of a request.
    ///
    /// # Errors
    /// When its allowance is used up, with the time until it may be wrong once more.
    pub fn count(&self, request: &Parts) -> Result<(), Duration> {
        address(request).map_or(Ok(()), |address| self.count_at(address, Instant::now()))
    }

    fn count_at(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut allowances = self.lock();
        if allowances.len() >= MOST_ADDRESSES && !allowances.contains_key(&address) {
            self.0.forget_some(&mut allowances, now);
        }
        let fresh = Allowance { left: self.0.burst, at: now };
        let allowance = allowances.entry(address).or_insert(fresh);
        *allowance = self.0.refill(*allowance, now);
        allowance.judge(&self.0)?;
        allowance.left -= 1.0;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Allowance>> {
        self.0.allowances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn refill(&self, allowance: Allowance, now: Instant) -> Allowance {
        let gone = now.saturating_duration_since(allowance.at).as_secs_f64();
        Allowance { left: (allowance.left + gone * self.per_second).min(self.burst), at: now }
    }

    /// Forgets the addresses that have all of their allowance, and if these are few, the half that has most of it. So
    /// the costs of a full table are shared by as many counts.
    fn forget_some(&self, allowances: &mut HashMap<IpAddr, Allowance>, now: Instant) {
        let mut left: Vec<f64> = allowances.values().map(|allowance| self.refill(*allowance, now).left).collect();
        let middle = left.len() / 2;
        let (_, median, _) = left.select_nth_unstable_by(middle, f64::total_cmp);
        let bound = median.min(self.burst);
        let mut spare = middle;
        // Of equal ones as many stay as there is room for.
        allowances.retain(|_, allowance| {
            let left = self.refill(*allowance, now).left;
            let keep = left < bound || left < self.burst && spare > 0 && left <= bound;
            spare = spare.saturating_sub(usize::from(keep));
            keep
        });
    }
}

impl Allowance {
    fn judge(self, shared: &Shared) -> Result<(), Duration> {
        let missing = 1.0 - self.left;
        if missing <= 0.0 {
            return Ok(());
        }
        Err(Duration::try_from_secs_f64(missing / shared.per_second).unwrap_or(Duration::MAX))
    }
}

fn address(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<RemoteAddress>().map(|address| network(address.ip()))
}

impl fmt::Debug for GuessLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuessLimit").field("burst", &self.0.burst).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
