//! The rate limit of the publish API: a token bucket for each publisher.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use signalhub::{Identity, TokenBucket};
use tokio::time::Instant;

use crate::configuration::{ClientName, KeyDigest, RateLimit};
use crate::http_api::problem::Problem;

/// From this number of publishers on, those that have their whole allowance are removed.
const SWEEP_AT: usize = 1024;

/// The publisher that has an allowance.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Who {
    /// The holder of an API key without a name.
    Key(KeyDigest),
    /// A client with a name, whichever of its keys it uses.
    Client(ClientName),
    /// Operators, with the admin API.
    Operator,
    /// The user of a token, and the organisation: two organisations may have users of the same name.
    User(Arc<str>, Option<Arc<str>>),
}

impl Who {
    /// The name of the publisher, for the access log; `None` for the holder of an API key without a name.
    pub(super) fn name(&self) -> Option<String> {
        match self {
            Self::Key(_) => None,
            Self::Client(name) => Some(name.as_str().to_owned()),
            Self::Operator => Some("operator".to_owned()),
            Self::User(user, _) => Some(user.to_string()),
        }
    }
}

impl Who {
    /// The user of a token.
    pub(super) fn of_token(identity: &Identity) -> Self {
        Self::User(identity.user.clone().unwrap_or_default(), identity.organisation.clone())
    }
}

/// The remaining allowance of each publisher.
#[derive(Debug)]
pub(super) struct Allowances {
    limit: RateLimit,
    buckets: Mutex<Buckets>,
}

#[derive(Debug)]
struct Buckets {
    of: HashMap<Who, TokenBucket>,
    sweep_at: usize,
}

impl Allowances {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self { limit, buckets: Mutex::new(Buckets { of: HashMap::new(), sweep_at: SWEEP_AT }) }
    }

    /// Takes `count` notifications from an allowance, all of them or none. `own` is the publisher's own rate, if it has one.
    pub(super) fn take(&self, who: &Who, own: Option<RateLimit>, count: usize, now: Instant) -> Result<(), Problem> {
        let limit = own.unwrap_or(self.limit);
        let Some(rate) = limit.rate() else { return Ok(()) };
        // A panic elsewhere cannot leave the numbers in an invalid state.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.sweep(now);
        let bucket = buckets.of.entry(who.clone()).or_insert_with(|| TokenBucket::new(rate, now));
        bucket.take(count, now).map_err(|after| {
            let key = if own.is_some() { "rate of the API client" } else { "publish.rate" };
            Problem::rate_limited(format!("expected no more than {limit} ({key})"), after)
        })
    }
}

impl Buckets {
    /// Removes the publishers who have their whole allowance, when there are many.
    fn sweep(&mut self, now: Instant) {
        if self.of.len() >= self.sweep_at {
            self.of.retain(|_, bucket| !bucket.is_full(now));
            self.sweep_at = (self.of.len() * 2).max(SWEEP_AT);
        }
    }
}

#[cfg(test)]
mod tests;
