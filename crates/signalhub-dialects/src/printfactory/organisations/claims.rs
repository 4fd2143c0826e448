//! The claims of a node: they tell the other nodes of a cluster which organisations are connected here.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use signalhub_connections::BoxFuture;
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

use super::{Ending, Organisations, Place, SecondConnection};

/// How often a node asks which of its connections were replaced at other nodes, and tries again to make claims that failed.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often all claims are renewed.
const RENEWAL: Duration = Duration::from_secs(5);

/// How many claims are made, renewed or released at once.
const BATCH: usize = 500;

/// How many claims may wait to be made, and to be released; those beyond it are made later, and expire.
const MOST_WAITING: usize = 65_536;

/// Which organisations are connected, in a store that all nodes of a cluster share.
///
/// A *claim* is the entry of an organisation in it: the node that it is connected to, and the number of the connection there. All
/// methods must answer within about a second, with [`ClaimsUnavailable`] if the store does not.
pub trait OrganisationClaims: fmt::Debug + Send + Sync + 'static {
    /// Makes or renews claims of this node, at most 500. It returns the connections that do not get their claim because the organisation
    /// is connected to another node, by the rule of `second`:
    ///
    /// - [`Refuse`](SecondConnection::Refuse): the claim of another node stays
    /// - [`Replace`](SecondConnection::Replace): the claim of the connection that began last stays; a node whose claim is overwritten
    ///   learns of it by [`replaced`](Self::replaced)
    ///
    /// An earlier claim of this node for the organisation is overwritten. A claim must last for 15 s, and must end some time later if it is
    /// not renewed, so that those of a node that was killed end. The server renews claims every 5 s.
    ///
    /// # Errors
    /// When the store cannot be asked now. Claims may have been made then.
    fn claim(
        &self,
        claims: Vec<OrganisationClaim>,
        second: SecondConnection,
    ) -> BoxFuture<Result<Vec<ClaimNumber>, ClaimsUnavailable>>;

    /// Tells which connections of this node other nodes have replaced since the last call. The server asks every second.
    ///
    /// # Errors
    /// When the store cannot be asked now.
    fn replaced(&self) -> BoxFuture<Result<Vec<ClaimNumber>, ClaimsUnavailable>>;

    /// Removes claims of connections that have ended, at most 500. A claim of another connection stays.
    ///
    /// # Errors
    /// When the store cannot be asked now. Then the claims expire.
    fn release(&self, claims: Vec<(Arc<str>, ClaimNumber)>) -> BoxFuture<Result<(), ClaimsUnavailable>>;
}

/// What a node claims for a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganisationClaim {
    /// The organisation.
    pub organisation: Arc<str>,
    /// The connection.
    pub number: ClaimNumber,
    /// How long ago the connection began. `None` for the first claim of a connection that has just begun: it is the newest.
    pub age: Option<Duration>,
}

/// The number of a connection among those of a node, which is never used again as long as the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimNumber(pub u64);

/// The store of the claims cannot be asked now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the claims of organisations are not available: {0}")]
pub struct ClaimsUnavailable(pub String);

/// Whether a connection may take the place of its organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Answer {
    Free,
    Taken,
}

/// The claims of this node.
#[derive(Debug)]
pub(super) struct Claims {
    store: Arc<dyn OrganisationClaims>,
    second: SecondConnection,
    next: AtomicU64,
    /// Connections that have begun without a claim.
    begun: Mutex<Vec<Weak<Place>>>,
    /// The claims of connections that have ended.
    ended: Mutex<Vec<(Arc<str>, ClaimNumber)>>,
    changed: Notify,
}

/// The claim of one connection.
#[derive(Debug)]
pub(super) struct Claim {
    number: ClaimNumber,
    begun: Instant,
    /// Whether a claim was sent to the store, whatever its answer.
    was_sent: AtomicBool,
    /// Whether the store has it.
    is_made: AtomicBool,
}

impl Claims {
    pub(super) fn new(store: Arc<dyn OrganisationClaims>, second: SecondConnection) -> Self {
        let (begun, ended) = (Mutex::default(), Mutex::default());
        Self { store, second, next: AtomicU64::new(0), begun, ended, changed: Notify::new() }
    }

    /// The claim of a connection that begins now.
    pub(super) fn begin(&self) -> Box<Claim> {
        let number = ClaimNumber(self.next.fetch_add(1, Ordering::Relaxed));
        let (was_sent, is_made) = (AtomicBool::new(false), AtomicBool::new(false));
        Box::new(Claim { number, begun: Instant::now(), was_sent, is_made })
    }

    /// Has the claim of a connection that has begun made, without waiting for the store.
    pub(super) fn make_soon(&self, place: &Arc<Place>) {
        if !place.is_claim_made() {
            let mut begun = locked(&self.begun);
            if begun.len() < MOST_WAITING {
                begun.push(Arc::downgrade(place));
            }
            drop(begun);
            self.changed.notify_one();
        }
    }

    /// Removes the claim of a connection that has ended, without waiting for the store.
    pub(super) fn release(&self, organisation: &Arc<str>, claim: &Claim) {
        if claim.was_sent.load(Ordering::Relaxed) {
            let mut ended = locked(&self.ended);
            if ended.len() < MOST_WAITING {
                ended.push((Arc::clone(organisation), claim.number));
            }
            drop(ended);
            self.changed.notify_one();
        }
    }

    /// Asks whether an organisation that has reserved its place here is connected to another node. Without the store this node decides
    /// alone. `None` if a second connection is never refused.
    pub(super) fn ask(&self, place: &Arc<Place>) -> Option<BoxFuture<Answer>> {
        if self.second != SecondConnection::Refuse {
            return None;
        }
        let (asked, place) = (self.store.claim(vec![place.to_claim()?], self.second), Arc::clone(place));
        Some(Box::pin(async move {
            match asked.await {
                Ok(refused) if refused.is_empty() => {
                    place.claim_made();
                    Answer::Free
                }
                Ok(_) => Answer::Taken,
                Err(error) => {
                    tracing::debug!(%error, "an organisation is connected without a claim");
                    Answer::Free
                }
            }
        }))
    }

    async fn release_ended(&self) -> Result<(), ClaimsUnavailable> {
        let ended = std::mem::take(&mut *locked(&self.ended));
        for some in ended.chunks(BATCH) {
            self.store.release(some.to_vec()).await?;
        }
        Ok(())
    }

    /// Ends the connections that other nodes have replaced.
    async fn end_replaced(&self, organisations: &Organisations) -> Result<(), ClaimsUnavailable> {
        let replaced: HashSet<_> = self.store.replaced().await?.into_iter().collect();
        if replaced.is_empty() {
            return Ok(());
        }
        for place in organisations.places() {
            if place.claim.as_ref().is_some_and(|claim| replaced.contains(&claim.number)) {
                place.end(Ending::Replaced);
            }
        }
        Ok(())
    }

    /// Makes or renews claims, and ends the connections that do not get theirs.
    async fn make(&self, organisations: &Organisations, which: Which) -> Result<(), ClaimsUnavailable> {
        // Places are not kept while the store is asked, so that a connection that ends meanwhile leaves its place at once. Its claim is
        // released after this.
        let begun = std::mem::take(&mut *locked(&self.begun));
        let places = match which {
            // A place that was taken over meanwhile would overwrite the claim of the connection that has it now.
            Which::Begun => begun.iter().filter_map(Weak::upgrade).filter(|place| organisations.has(place)).collect(),
            Which::Missing | Which::All => organisations.places(),
        };
        let wanted: Vec<_> = places
            .iter()
            .filter(|place| which == Which::All || !place.is_claim_made())
            .filter_map(|place| Some((Arc::downgrade(place), place.to_claim()?)))
            .collect();
        drop(places);
        for some in wanted.chunks(BATCH) {
            let claims = some.iter().map(|(_, claim)| claim.clone()).collect();
            let lost: HashSet<_> = self.store.claim(claims, self.second).await?.into_iter().collect();
            for (place, claim) in some {
                let Some(place) = Weak::upgrade(place) else { continue };
                match lost.contains(&claim.number) {
                    false => place.claim_made(),
                    true => place.end(match self.second {
                        SecondConnection::Replace => Ending::Replaced,
                        SecondConnection::Refuse => Ending::Refused,
                    }),
                }
            }
        }
        Ok(())
    }
}

/// Which claims are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// Those of connections that have just begun.
    Begun,
    /// Those that the store does not have yet.
    Missing,
    All,
}

impl Place {
    /// What is claimed for the connection, if the node is one of a cluster.
    fn to_claim(&self) -> Option<OrganisationClaim> {
        let claim = self.claim.as_ref()?;
        let is_first = !claim.was_sent.swap(true, Ordering::Relaxed);
        let age = (!is_first).then(|| claim.begun.elapsed());
        Some(OrganisationClaim { organisation: Arc::clone(&self.organisation), number: claim.number, age })
    }

    fn claim_made(&self) {
        if let Some(claim) = &self.claim {
            claim.is_made.store(true, Ordering::Relaxed);
        }
    }

    fn is_claim_made(&self) -> bool {
        self.claim.as_ref().is_some_and(|claim| claim.is_made.load(Ordering::Relaxed))
    }
}

fn locked<T>(list: &Mutex<T>) -> MutexGuard<'_, T> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the claims of a node, until the organisations are dropped.
pub(super) async fn run(claims: Arc<Claims>, organisations: Weak<Organisations>) {
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // When all claims were renewed, if the store has answered since.
    let mut renewed: Option<Instant> = None;
    loop {
        let is_tick = tokio::select! {
            _ = ticks.tick() => true,
            () = claims.changed.notified() => false,
        };
        // The last claims are released even if the server has ended.
        let released = claims.release_ended().await;
        let Some(organisations) = Weak::upgrade(&organisations) else { return };
        let is_due = is_tick && renewed.is_none_or(|renewed| renewed.elapsed() >= RENEWAL);
        let step = async {
            released?;
            if is_tick {
                claims.end_replaced(&organisations).await?;
            }
            let which = match (is_tick, is_due) {
                (_, true) => Which::All,
                (true, false) => Which::Missing,
                (false, false) => Which::Begun,
            };
            claims.make(&organisations, which).await
        };
        match step.await {
            Ok(()) if is_due => renewed = Some(Instant::now()),
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(%error, "claims of organisations were not renewed");
                renewed = None;
            }
        }
    }
}
