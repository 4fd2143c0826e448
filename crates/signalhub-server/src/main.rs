//! The `signalhub` server and its companions on the command line.

use std::process::ExitCode;

use tokio::runtime::Runtime;

/// The libraries are neutral; the binary has many small values of a few sizes, which this one packs best.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("signalhub: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(signalhub_server::run(std::env::args_os()));
    // Dropping the runtime would wait for a read of a certificate that never ends, as on a network file system.
    runtime.shutdown_background();
    code
}
