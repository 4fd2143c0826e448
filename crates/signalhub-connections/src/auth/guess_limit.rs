//! Limits how many wrong credentials come from one address.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::request::Parts;
use tokio::time::Instant;

use crate::rate::{Rate, TokenBucket};
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
    rate: Rate,
    allowances: Mutex<HashMap<IpAddr, TokenBucket>>,
}

impl GuessLimit {
    /// Allows `count` wrong credentials in the time `per`. As many may come at once.
    ///
    /// # Panics
    /// If either is zero.
    pub fn new(count: u32, per: Duration) -> Self {
        Self(Arc::new(Shared { rate: Rate::new(count, per), allowances: Mutex::default() }))
    }

    /// Checks that the address of a request has some of its allowance left. It counts nothing.
    ///
    /// # Errors
    /// If it has none left, with the time until it has.
    pub fn check(&self, request: &Parts) -> Result<(), Duration> {
        let Some(address) = address(request) else { return Ok(()) };
        // Takes from a copy.
        let allowance = self.lock().get(&address).copied();
        allowance.map_or(Ok(()), |mut allowance| allowance.take(1, Instant::now()))
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
            forget_some(&mut allowances, now);
        }
        allowances.entry(address).or_insert_with(|| TokenBucket::new(self.0.rate, now)).take(1, now)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, TokenBucket>> {
        self.0.allowances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the addresses that have all of their allowance, and if that is less than half of the table, those that have
/// used least, so that half of the table is free. It takes many counts to fill it again.
fn forget_some(allowances: &mut HashMap<IpAddr, TokenBucket>, now: Instant) {
    let mut left: Vec<f64> = allowances.values().map(|allowance| allowance.tokens_at(now)).collect();
    let middle = left.len() / 2;
    let (_, median, _) = left.select_nth_unstable_by(middle, f64::total_cmp);
    let median = *median;
    let mut spare = middle;
    // Of addresses with an equal allowance, some stay and some go.
    allowances.retain(|_, allowance| {
        let left = allowance.tokens_at(now);
        let keep = !allowance.is_full(now) && (left < median || spare > 0 && left <= median);
        spare = spare.saturating_sub(usize::from(keep));
        keep
    });
}

fn address(request: &Parts) -> Option<IpAddr> {
    request.extensions.get::<RemoteAddress>().map(|address| network(address.ip()))
}

impl fmt::Debug for GuessLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuessLimit").field("rate", &self.0.rate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
