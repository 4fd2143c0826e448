//! The keys and certificates of a node, and what reads their files again.

use std::sync::Arc;

use signalhub::connections::Issuers;
use signalhub_dialects::printfactory::{KeyFileError, MisKeyFile, MisKeys};

use super::StartError;
use crate::configuration::{self as settings, Configuration, Listener};
use crate::key_fetch::KeyFetches;
use crate::listener_tls::{self, ListenerTls};
use crate::reload::Reloader;
use crate::token_verifier;

/// What a node checks credentials with, and its certificate.
pub(super) struct Keys {
    /// The keys of tokens.
    pub(super) tokens: Arc<Issuers>,
    /// Fetches those keys of issuers that are at a URL.
    pub(super) fetches: KeyFetches,
    pub(super) tls: Option<Arc<ListenerTls>>,
    /// The keys of PrintFactory, if the dialect is on.
    pub(super) mis_keys: Option<MisKeys>,
    /// Reads all files again.
    pub(super) reloader: Reloader,
}

impl Keys {
    /// Reads them, and logs which keys are not used.
    ///
    /// # Errors
    /// If there is no key to check tokens with, or a file cannot be used.
    pub(super) fn read(configuration: &Configuration) -> Result<Self, StartError> {
        let verifier = token_verifier::configured(&configuration.auth)?.ok_or(StartError::NoSecret)?;
        let tls = listener_tls::configured(&configuration.tls)?.map(Arc::new);
        let warnings = verifier.warnings.iter().cloned().chain(tls.iter().filter_map(|tls| tls.warning()));
        warnings.for_each(|warning| tracing::warn!("{warning}"));
        let mis_keys = mis_keys(&configuration.printfactory)?;
        let interval = configuration.tls.reload_interval;
        let reloader = Reloader::new(tls.clone(), verifier.files, mis_keys.clone(), interval);
        Ok(Self { tokens: verifier.tokens, fetches: verifier.fetches, tls, mis_keys, reloader })
    }
}

/// Reads the keys of PrintFactory, if the dialect is on.
///
/// # Errors
/// If their file cannot be read or does not contain keys.
pub(crate) fn mis_keys(settings: &settings::PrintFactory) -> Result<Option<MisKeys>, KeyFileError> {
    match settings.listen {
        Listener::At(_) => MisKeys::open(MisKeyFile::new(settings.keys.path())).map(Some),
        Listener::Off => Ok(None),
    }
}
