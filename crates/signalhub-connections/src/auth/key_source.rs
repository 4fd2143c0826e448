//! How the keys of an issuer are fetched while a server runs.

use futures_util::future::BoxFuture;

/// Fetches the keys of an [`Issuer`](crate::Issuer), and replaces them with
/// [`Issuers::replace_keys`](crate::Issuers::replace_keys).
pub trait KeySource: Send + Sync + 'static {
    /// Called when a token names a key that the issuer does not have, or none of its keys fits. The keys are then fetched at
    /// once, unless that was done a short time ago: every client can send such tokens, as often as it likes.
    ///
    /// The future completes when the keys have been fetched, or cannot be. Requests wait for it, so it must take a limited
    /// time. `None` if the keys are not fetched now.
    fn fetch(&self) -> Option<BoxFuture<'static, ()>>;
}
