//! Limits how many wrong credentials come from one address.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use tokio::time::Instant;

use crate::request::remote_address::{RemoteAddress, network};

/// The maximum number of addresses in the table. The addresses that have used least of their allowance are removed first.
const MOST_ADDRESSES: usize = 16 * 1024;

/// Limits how many wrong credentials may come from one address. Clones share their counts.
///
/// Each address has an allowance (a token bucket): wrong credentials use it up, and it refills with time. Valid credentials
/// do not change it, nor do genuine credentials that are not valid, such as expired ones. A /64 network of IPv6 counts as
/// one address. Requests without a [`RemoteAddress`] are not counted.
///
/// An endpoint with a limit still checks every token, because a signature cannot be guessed: clients with valid tokens are
/// admitted even if others send wrong ones from their address, and only wrong credentials get 429 instead of 401. If you
/// compare secrets that can be guessed, such as passwords, call [`GuessLimit::check`] first.
#[derive(Clone)]
pub struct GuessLimit(Arc<Shared>);

struct Shared {
    /// How many may come at once: the size of the bucket.
    burst: f64,
    /// How many are refilled in a second.
    per_second: f64,
    allowances: Mutex<HashMap<IpAddr, Allowance>>,
}

#[derive(Clone, Copy)]
struct Allowance {
    left: f64,
    at: Instant,
}

impl GuessLimit {
    /// Allows `count` wrong credentials in the time `per`. As many may come at once.
    ///
    /// # Panics
    /// If either is zero.
    pub fn new(count: u32, per: Duration) -> Self {
        assert!(count > 0 && !per.is_zero(), "a limit allows something in some time");
        let (burst, per_second) = (f64::from(count), f64::from(count) / per.as_secs_f64());
        Self(Arc::new(Shared { burst, per_second, allowances: Mutex::default() }))
    }

    /// Checks that the address of a request has some of its allowance left. It counts nothing.
    ///
    /// # Errors
    /// If it has none left, with the time until it has.
    pub fn check(&self, request: &Parts) -> Result<(), Duration> {
        let Some(address) = address(request) else { return Ok(()) };
        let now = Instant::now();
        let allowances = self.lock();
        allowances.get(&address).map_or(Ok(()), |allowance| self.0.refill(*allowance, now).check(&self.0))
    }

    /// Counts wrong credentials for the address of a request.
    ///
    /// # Errors
    /// If the allowance was used up before, with the time until some of it is refilled.
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
        allowance.check(&self.0)?;
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

    /// Removes the addresses that have all of their allowance, and if that is less than half of the table, those that have
    /// used least, so that half of the table is free. It takes many counts to fill it again.
    fn forget_some(&self, allowances: &mut HashMap<IpAddr, Allowance>, now: Instant) {
        let mut left: Vec<f64> = allowances.values().map(|allowance| self.refill(*allowance, now).left).collect();
        let middle = left.len() / 2;
        let (_, median, _) = left.select_nth_unstable_by(middle, f64::total_cmp);
        let bound = median.min(self.burst);
        let mut spare = middle;
        // Of addresses with an equal allowance, some stay and some go.
        allowances.retain(|_, allowance| {
            let left = self.refill(*allowance, now).left;
            let keep = left < bound || left < self.burst && spare > 0 && left <= bound;
            spare = spare.saturating_sub(usize::from(keep));
            keep
        });
    }
}

impl Allowance {
    fn check(self, shared: &Shared) -> Result<(), Duration> {
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
