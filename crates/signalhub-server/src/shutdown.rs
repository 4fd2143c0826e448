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

/// Handles SIGHUP, which would end the process otherwise: logs that there is nothing to reload.
///
/// # Errors
/// When the signal cannot be received.
#[cfg(unix)]
pub(crate) fn survive_hangups() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangups = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            tracing::info!(
                signal = "SIGHUP",
                "going on: the configuration is read at the start alone, so there is nothing to reload"
            );
        }
    });
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn survive_hangups() -> io::Result<()> {
    Ok(())
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
