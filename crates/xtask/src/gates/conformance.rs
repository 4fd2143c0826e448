//! The recordings of the original, held against a running server of ours.

use std::io;
use std::process::Command;

use super::conformance_server::ConformanceServer;
use crate::command::run_counted;
use crate::counts::Counts;
use crate::workspace::Workspace;

/// What the server offers beyond the plain hub, comma-separated; scenarios that need more are not due yet.
const SUPPORTS: &str = "streams,client-results,addressing,parallel-invocations,abort,server-sent-events,long-polling,messagepack,\
     stateful-reconnect";

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    let server = ConformanceServer::start(workspace)?;
    let mut runner = Command::new(workspace.binary("signalhub-conformance"));
    runner.args([&server.url, "--supports", SUPPORTS, "--deviations", "protocol-tests/deviations.json"]);
    run_counted(runner.current_dir(&workspace.root), Counts::of_conformance)
}
