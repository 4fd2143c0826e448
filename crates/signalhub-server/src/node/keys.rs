//! The keys and certificates of a node, and what reads their files again.

use std::sync::Arc;

use signalhub::connections::Issuers;
use signalhub_dialects::printfactory::{KeyFileError, KeyStoreError, MisKeyFile, MisKeys};

use super::StartError;
use crate::cluster::Member;
use crate::configuration::{Configuration, Listener};
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
    /// The keys of PrintFactory, if the dialect is on. Those of a cluster are there when it is [joined](Self::join).
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
        let mis_keys = mis_keys(configuration)?;
        let interval = configuration.tls.reload_interval;
        let reloader = Reloader::new(tls.clone(), verifier.files, mis_keys.clone(), interval);
        Ok(Self { tokens: verifier.tokens, fetches: verifier.fetches, tls, mis_keys, reloader })
    }

    /// Reads the keys that all nodes of the cluster share, if there is one.
    ///
    /// # Errors
    /// If Redis does not answer, or has something else in their place.
    pub(super) async fn join(
        &mut self,
        configuration: &Configuration,
        cluster: Option<&Member>,
    ) -> Result<(), KeyStoreError> {
        if let (Some(member), Listener::At(_)) = (cluster, &configuration.printfactory.listen) {
            let may_pass = |error: &KeyStoreError| matches!(error, KeyStoreError::Unavailable(_));
            let open = async || MisKeys::open_shared(member.mis_keys()).await;
            self.mis_keys = Some(member.starting().take("read the keys of PrintFactory", may_pass, open).await?);
        }
        Ok(())
    }
}

/// Reads the keys of PrintFactory in their file, if the dialect is on and there is no cluster.
///
/// # Errors
/// If their file cannot be read or does not contain keys.
pub(crate) fn mis_keys(configuration: &Configuration) -> Result<Option<MisKeys>, KeyFileError> {
    let settings = &configuration.printfactory;
    match settings.listen {
        Listener::At(_) if configuration.cluster.redis.is_empty() => {
            MisKeys::open(MisKeyFile::new(settings.keys.path())).map(Some)
        }
        Listener::At(_) | Listener::Off => Ok(None),
    }
}
