//! The signals that stop the process.

use std::io;

/// Waits for SIGTERM or Ctrl-C; after that, a second one ends the process at once.
///
/// # Errors
/// When the signals cannot be received.
pub(crate) fn requested() -> io::Result<impl Future<Output = ()>> {
    let mut signals = Signals::new()?;
    Ok(async move {
        let name = signals.next().await;
        tracing::info!(signal = name, "stopping; a second signal ends the process at once");
        tokio::spawn(async move {
            signals.next().await;
            std::process::exit(1);
        });
    })
}

/// The hangups (SIGHUP) that the process gets. They end it no more from here on.
#[cfg(unix)]
pub(crate) struct Hangups(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangups {
    /// Begins to receive them.
    ///
    /// # Errors
    /// When the signal cannot be received.
    pub(crate) fn receive() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::hangup()).map(Self)
    }

    /// Calls a function at each of them, also at one that has come before.
    pub(crate) fn each(mut self, act: impl Fn() + Send + 'static) {
        tokio::spawn(async move {
            while self.0.recv().await.is_some() {
                tracing::info!(
                    signal = "SIGHUP",
                    "reading certificates and keys again; the configuration itself is read at the start only"
                );
                act();
            }
        });
    }
}

#[cfg(not(unix))]
pub(crate) struct Hangups;

#[cfg(not(unix))]
impl Hangups {
    pub(crate) fn receive() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn each(self, _: impl Fn() + Send + 'static) {}
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        // An error while waiting is not the signal, so the server does not stop.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
