//! `signalhub serve`.

use std::io;

use crate::command_line::{CommandError, Sources};
use crate::development::Development;
use crate::node::Node;
use crate::{log, shutdown};

pub(crate) async fn run(sources: &Sources) -> Result<(), CommandError> {
    let mut configuration = sources.configuration()?;
    log::start(&configuration.log);
    let development = Development::begin(&mut configuration).await.map_err(CommandError::no)?;
    let node = Node::bind(&configuration).await.map_err(CommandError::no)?;
    // Before anyone can know that the server runs, it can be stopped.
    let shutdown = shutdown::requested().map_err(CommandError::no)?;
    let address = node.address();
    if let Some(development) = development {
        // Whoever closed the terminal's end still gets a server.
        let _ = development.announce(address, &program(), &mut io::stdout());
    }
    tracing::info!(%address, "listening");
    node.run_until(shutdown).await.map_err(CommandError::no)?;
    tracing::info!("stopped");
    Ok(())
}

/// How the reader of the terminal calls this program from any directory.
fn program() -> String {
    let called = std::env::args().next().unwrap_or_default();
    let by_path = called.contains(std::path::MAIN_SEPARATOR);
    let path = std::env::current_exe().ok().filter(|_| by_path);
    path.map_or_else(|| "signalhub".to_owned(), |path| path.display().to_string())
}
