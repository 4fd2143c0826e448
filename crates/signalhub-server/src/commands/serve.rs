//! `signalhub serve`.

use std::io;

use clap::Args;
use signalhub::connections::raise_file_descriptor_limit;

use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::configuration::{self, Configuration, Listener};
use crate::development::Development;
use crate::node::{Node, StartError};
use crate::reachable_at::ReachableAt;
use crate::shutdown::Hangups;
use crate::{log, shutdown};

#[derive(Debug, Default, Args)]
pub(crate) struct Arguments {
    /// Moves a history on disk aside before the start, and begins a new one
    #[arg(long)]
    reset_history: bool,
}

pub(crate) async fn run(sources: &Sources, arguments: &Arguments) -> Result<(), CommandError> {
    // This comes first, so that the signal never ends the process.
    let hangups = Hangups::receive().map_err(CommandError::no)?;
    let mut configuration = sources.configuration()?;
    // Dropped at the end, it writes the remaining lines of the log.
    let _log = log::start(&configuration.log);
    let changed = configuration::changed(&configuration).join(" ");
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = changed, "starting");
    for warning in configuration::warnings(&configuration, raise_file_descriptor_limit()) {
        tracing::warn!("{warning}");
    }
    if arguments.reset_history {
        reset_history(&configuration)?;
    }
    let development = Development::begin(&mut configuration).await.map_err(CommandError::no)?;
    let node = match development {
        Some(_) => bind_for_development(&mut configuration).await,
        None => Node::bind(&configuration).await,
    };
    let node = node.map_err(CommandError::no)?;
    // The signals are handled before the server announces that it runs.
    let shutdown = shutdown::requested().map_err(CommandError::no)?;
    let reload = node.reload_request();
    hangups.each(move || reload.send());
    let address = node.address();
    if let Some(development) = development {
        let certificate = configuration.tls.certificate.as_ref();
        let [hub, publish] = [address, node.publish_address()].map(|address| match certificate {
            Some(chain) => ReachableAt::with_certificate(address, chain.path()),
            None => ReachableAt::plain(address),
        });
        let internal =
            node.internal_address().map(|address| match certificate.filter(|_| configuration.tls.internal) {
                Some(chain) => ReachableAt::with_certificate(address, chain.path()),
                None => ReachableAt::plain(address),
            });
        let mut text = Vec::new();
        development.announce(&hub, &publish, internal.as_ref(), &program(), &mut text).map_err(CommandError::no)?;
        // The server runs even if its terminal blocks or is closed.
        log::write_with_timeout(io::stdout(), String::from_utf8_lossy(&text).into_owned());
    }
    if node.publish_address() != address {
        tracing::info!(address = %node.publish_address(), "serving publishers");
    }
    if let Some(address) = node.internal_address() {
        tracing::info!(%address, "serving operators");
    }
    for (dialect, address) in node.dialect_addresses() {
        tracing::info!(dialect, %address, "serving a dialect");
    }
    tracing::info!(%address, "listening");
    node.run_until(shutdown).await.map_err(CommandError::no)?;
    tracing::info!("stopped");
    Ok(())
}

fn reset_history(configuration: &Configuration) -> Result<(), CommandError> {
    let Some(directory) = &configuration.history.directory else {
        return Err(CommandError::Usage(
            "--reset-history: expected \"history.directory\", the path of a directory".into(),
        ));
    };
    if let Some(aside) = signalhub_history::reset(directory.path()).map_err(CommandError::no)? {
        tracing::warn!(aside = %aside.display(), "the history was moved aside");
    }
    Ok(())
}

/// Continues without the internal listener when its port is taken, so that a developer can run two servers.
async fn bind_for_development(configuration: &mut Configuration) -> Result<Node, StartError> {
    match Node::bind(configuration).await {
        Err(error @ StartError::ListenInternally { .. }) => {
            tracing::warn!(%error, "there is no internal listener");
            configuration.listen.internal = Listener::Off;
            Node::bind(configuration).await
        }
        bound => bound,
    }
}

/// The command that runs this program from any directory.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    let by_path = called.contains(std::path::MAIN_SEPARATOR);
    let path = std::env::current_exe().ok().filter(|_| by_path);
    path.map_or_else(|| "signalhub".to_owned(), |path| path.display().to_string())
}
