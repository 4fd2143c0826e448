//! The `signalhub` server and its companions on the command line.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    signalhub_server::run(std::env::args_os()).await
}
