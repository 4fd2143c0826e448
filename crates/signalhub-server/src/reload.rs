//! Reads certificates and keys again while the server runs: at an interval, and when it is told to.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use signalhub_dialects::printfactory::{MisKeys, Reloaded};

use crate::configuration::ReloadInterval;
use crate::lifecycle::ReloadRequest;
use crate::listener_tls::ListenerTls;
use crate::token_verifier::KeyFiles;

/// The files that are read again.
#[derive(Debug)]
pub(crate) struct Reloader {
    files: Arc<Files>,
    interval: Duration,
    request: ReloadRequest,
}

#[derive(Debug)]
struct Files {
    tls: Option<Arc<ListenerTls>>,
    keys: KeyFiles,
    mis_keys: Option<MisKeys>,
}

impl Reloader {
    pub(crate) fn new(
        tls: Option<Arc<ListenerTls>>,
        keys: KeyFiles,
        mis_keys: Option<MisKeys>,
        interval: ReloadInterval,
    ) -> Self {
        let files = Arc::new(Files { tls, keys, mis_keys });
        Self { files, interval: interval.time(), request: ReloadRequest::default() }
    }

    pub(crate) fn request(&self) -> ReloadRequest {
        self.request.clone()
    }

    /// Reads the files again and again.
    pub(crate) async fn run(&self) -> Infallible {
        loop {
            // The error tells that the interval has passed.
            let _ = tokio::time::timeout(self.interval, self.request.received()).await;
            let files = Arc::clone(&self.files);
            let reading = tokio::task::spawn_blocking(move || files.reload());
            if let Err(error) = reading.await {
                tracing::error!(%error, "certificates and keys could not be read again");
            }
        }
    }
}

impl Files {
    fn reload(&self) {
        if let Some(tls) = &self.tls {
            tls.reload();
        }
        self.keys.reload();
        match self.mis_keys.as_ref().map(MisKeys::reload) {
            Some(Ok(Reloaded::Replaced)) => tracing::info!("the MisKeys were replaced"),
            Some(Err(error)) => {
                tracing::warn!(%error, "the MisKeys have changed and cannot be used; the old ones are kept");
            }
            Some(Ok(Reloaded::Unchanged)) | None => {}
        }
    }
}
