//! The `signalhub` server and its companions on the command line.

use std::process::ExitCode;

/// The libraries are neutral; the binary has many small values of a few sizes, which this one packs best.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> ExitCode {
    signalhub_server::run(std::env::args_os()).await
}
