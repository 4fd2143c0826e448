//! Keys of issuers that are fetched: at the start, at an interval, and when a token needs one that is not there.

mod request;
mod schedule;

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use signalhub::connections::{BoxFuture, Issuers, KeySet, KeySource, SkippedKey};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::configuration::{Auth, IssuerKeys, TokenIssuer};
use crate::issuer_keys::{KeyFault, check_algorithms};
use request::{FetchError, Fetched, KeyRequest, Place};
use schedule::{Failure, Intervals, KeyState, Schedule};

pub(crate) use request::Outcome;

/// How long a request waits at most for the key of its token.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// The issuers whose keys are fetched.
#[derive(Clone, Debug)]
pub(crate) struct KeyFetches {
    tokens: Arc<Issuers>,
    fetches: Vec<Arc<KeyFetch>>,
}

/// Fetches the keys of one issuer.
///
/// One task fetches, so there is one fetch at a time, and all requests whose token needs a key wait for the same one.
#[derive(Debug)]
pub(crate) struct KeyFetch {
    index: usize,
    settings: TokenIssuer,
    request: Arc<KeyRequest>,
    schedule: Mutex<Schedule>,
    /// Wakes the task, because a token needs a key.
    requested: Notify,
    /// Changes when a fetch is completed.
    completed: watch::Sender<()>,
    /// The key set that is in use.
    used: Mutex<Used>,
    outcomes: [AtomicU64; Outcome::ALL.len()],
}

/// How a key set is fetched. Tests replace it.
trait Fetch: Fn() -> BoxFuture<Result<Fetched, FetchError>> + Send + Sync {}

impl<F: Fn() -> BoxFuture<Result<Fetched, FetchError>> + Send + Sync> Fetch for F {}

#[derive(Debug, Default)]
struct Used {
    text: Option<Bytes>,
    skipped: Vec<SkippedKey>,
}

impl KeyFetch {
    /// Prepares the fetches for an issuer; `None` if its keys are not fetched.
    ///
    /// # Errors
    /// If the file with its certificate authorities cannot be used.
    pub(crate) fn new(index: usize, auth: &Auth, settings: &TokenIssuer) -> Result<Option<Arc<Self>>, KeyFault> {
        let place = match settings.keys() {
            Some(IssuerKeys::Discovery(url)) => Place::Discovered { issuer: settings.issuer.clone(), url },
            Some(IssuerKeys::Url(url)) => Place::At(url),
            Some(IssuerKeys::File(_) | IssuerKeys::Secret(_)) | None => return Ok(None),
        };
        settings.ca.as_ref().map(request::read_ca).transpose()?;
        let schedule = Schedule::new(Intervals::new(auth), Instant::now());
        Ok(Some(Arc::new(Self {
            index,
            settings: settings.clone(),
            request: Arc::new(KeyRequest { place, ca: settings.ca.clone() }),
            schedule: schedule.into(),
            requested: Notify::new(),
            completed: watch::Sender::new(()),
            used: Mutex::default(),
            outcomes: Default::default(),
        })))
    }

    /// Fetches the keys again and again.
    async fn run(&self, tokens: &Issuers, fetch: impl Fetch) -> Infallible {
        loop {
            self.wait(tokens).await;
            self.fetch_once(tokens, &fetch).await;
        }
    }

    /// Waits until the next fetch is due. Meanwhile keys may become too old.
    async fn wait(&self, tokens: &Issuers) {
        loop {
            let now = Instant::now();
            if self.schedule().drop_old(now) {
                self.drop_keys(tokens);
            }
            let (due, dropped_at) = {
                let schedule = self.schedule();
                (schedule.due(), schedule.dropped_at())
            };
            if due <= now {
                return;
            }
            let next = dropped_at.map_or(due, |end| end.min(due));
            // The error tells that the time has come.
            let _ = tokio::time::timeout_at(next, self.requested.notified()).await;
        }
    }

    async fn fetch_once(&self, tokens: &Issuers, fetch: &impl Fetch) {
        self.schedule().begin(Instant::now());
        let fetched = fetch().await;
        let used = fetched.and_then(|fetched| Ok((self.used_keys(tokens, &fetched.text)?, fetched.max_age)));
        let outcome = used.as_ref().map_or_else(FetchError::outcome, |_| Outcome::Ok);
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        match used {
            Ok((count, max_age)) => self.succeeded(count, max_age),
            Err(error) => self.failed(&error),
        }
        self.completed.send_replace(());
    }

    /// Uses a key set, if it is another one than before. Returns how many keys it has.
    fn used_keys(&self, tokens: &Issuers, text: &Bytes) -> Result<usize, FetchError> {
        let issuer = &self.settings.issuer;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.text.as_ref() == Some(text) {
            return Ok(tokens.key_count(issuer));
        }
        let keys = KeySet::from_jwks(text).map_err(KeyFault::from)?;
        let keys = check_algorithms(&self.settings, keys)?;
        if used.skipped != keys.skipped() {
            used.skipped = keys.skipped().to_vec();
            let index = self.index;
            used.skipped.iter().for_each(|skipped| tracing::warn!("auth.issuers[{index}] ({issuer}): {skipped}"));
        }
        let count = keys.len();
        tokens.replace_keys(issuer, keys);
        used.text = Some(text.clone());
        Ok(count)
    }

    fn succeeded(&self, keys: usize, max_age: Option<Duration>) {
        let issuer = &self.settings.issuer;
        match self.schedule().succeed(Instant::now(), max_age) {
            KeyState::Current => tracing::debug!(issuer, keys, "the keys of an issuer were fetched"),
            KeyState::NeverLoaded => tracing::info!(issuer, keys, "the keys of an issuer were fetched"),
            KeyState::Old { .. } | KeyState::Dropped => {
                tracing::info!(issuer, keys, "the keys of an issuer can be fetched again");
            }
        }
    }

    fn failed(&self, error: &FetchError) {
        let issuer = &self.settings.issuer;
        let (failure, keys) = {
            let mut schedule = self.schedule();
            (schedule.fail(Instant::now(), jitter()), schedule.keys())
        };
        match (failure, keys) {
            (Failure::Repeated, _) => tracing::debug!(issuer, %error, "the keys of an issuer could not be fetched"),
            (Failure::First, KeyState::Old { .. } | KeyState::Current) => {
                tracing::warn!(issuer, %error, "the keys of an issuer could not be fetched; the old ones are kept");
            }
            (Failure::First, KeyState::NeverLoaded | KeyState::Dropped) => {
                tracing::warn!(issuer, %error, "the keys of an issuer could not be fetched; none of its tokens are accepted");
            }
        }
    }

    fn drop_keys(&self, tokens: &Issuers) {
        let issuer = &self.settings.issuer;
        tokens.replace_keys(issuer, KeySet::empty());
        self.used.lock().unwrap_or_else(PoisonError::into_inner).text = None;
        let stale = self.schedule().intervals().stale();
        tracing::warn!(
            issuer,
            "the keys of an issuer could not be fetched for {stale:?}; none of its tokens are accepted any more"
        );
    }

    /// Why there are no keys; `None` if there are.
    fn missing_keys(&self) -> Option<String> {
        let issuer = &self.settings.issuer;
        let schedule = self.schedule();
        match schedule.keys() {
            KeyState::NeverLoaded => Some(format!("no keys of {issuer} yet")),
            KeyState::Dropped => {
                let stale = schedule.intervals().stale();
                Some(format!("the keys of {issuer} could not be fetched for {stale:?}"))
            }
            KeyState::Current | KeyState::Old { .. } => None,
        }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeySource for KeyFetch {
    fn fetch(&self) -> Option<BoxFuture<()>> {
        let mut completed = self.completed.subscribe();
        if self.schedule().request(Instant::now()) {
            self.requested.notify_one();
        } else if !completed.has_changed().unwrap_or(false) {
            return None;
        }
        Some(Box::pin(async move {
            // The error tells that the time has passed.
            let _ = tokio::time::timeout(LONGEST_WAIT, completed.changed()).await;
        }))
    }
}

impl KeyFetches {
    pub(crate) fn new(tokens: Arc<Issuers>, fetches: Vec<Arc<KeyFetch>>) -> Self {
        Self { tokens, fetches }
    }

    /// Fetches the keys of all issuers again and again.
    pub(crate) async fn run(self) -> Infallible {
        let mut tasks = JoinSet::new();
        for fetch in self.fetches {
            let tokens = Arc::clone(&self.tokens);
            let request = Arc::clone(&fetch.request);
            let send = move || -> BoxFuture<_> {
                let request = Arc::clone(&request);
                Box::pin(async move { request.send().await })
            };
            tasks.spawn(async move { fetch.run(&tokens, send).await });
        }
        while let Some(Err(error)) = tasks.join_next().await {
            tracing::error!(%error, "the keys of an issuer are not fetched any more");
        }
        std::future::pending().await
    }

    /// Fetches the keys of all issuers once. Returns why those of some could not be fetched.
    pub(crate) async fn fetch_all(&self) -> Vec<String> {
        let mut errors = Vec::new();
        for fetch in &self.fetches {
            let used = fetch.request.send().await.and_then(|fetched| fetch.used_keys(&self.tokens, &fetched.text));
            errors.extend(used.err().map(|error| format!("the keys of {}: {error}", fetch.settings.issuer)));
        }
        errors
    }

    /// Why the server cannot verify the tokens of all issuers; `None` if it can.
    pub(crate) fn missing_keys(&self) -> Option<String> {
        self.fetches.iter().find_map(|fetch| fetch.missing_keys())
    }

    /// How many fetches there were, by outcome. `None` if no keys are fetched.
    pub(crate) fn outcomes(&self) -> Option<[(&'static str, u64); Outcome::ALL.len()]> {
        let sum = |outcome| {
            let counts = self.fetches.iter().map(|fetch| fetch.outcomes[outcome as usize].load(Ordering::Relaxed));
            counts.sum()
        };
        (!self.fetches.is_empty()).then(|| Outcome::ALL.map(|outcome| (outcome.label(), sum(outcome))))
    }
}

/// A random number between 0 and 1.
fn jitter() -> f64 {
    // Without random numbers, the retries of several servers are not spread.
    getrandom::u32().map_or(0.0, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests;
