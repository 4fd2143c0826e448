//! `signalhub-conformance`: compares a server with the recordings and reports differences.

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use protocol_tests::{Address, Deviations, Report, RunError, Suite, TlsProblem};

/// Checks a SignalR server against what ASP.NET Core SignalR 10.0.12 answered
#[derive(Debug, Parser)]
#[command(name = "signalhub-conformance", version)]
struct CommandLine {
    /// The server, such as `http://127.0.0.1:5100` or `https://hub.test`
    base_url: Address,
    /// A file with the certificate authorities to trust for https instead of those of the system, in PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// What the server supports beyond the plain hub, comma-separated; scenarios that require more are skipped
    #[arg(long, value_name = "LIST", default_value = "all")]
    supports: String,
    /// Only scenarios whose id begins with this
    #[arg(long, value_name = "PREFIX", default_value = "")]
    only: String,
    /// A folder of recordings instead of those built in
    #[arg(long, value_name = "DIR")]
    recordings: Option<PathBuf>,
    /// How many scenarios run at once
    #[arg(long, value_name = "N", default_value_t = 16)]
    jobs: usize,
    /// A file of answers that differ from the recordings on purpose
    #[arg(long, value_name = "FILE")]
    deviations: Option<PathBuf>,
    /// Names the scenarios that passed, too
    #[arg(long, short)]
    verbose: bool,
}

impl CommandLine {
    fn address(&self) -> Result<Address, Box<dyn Error>> {
        let Some(file) = &self.ca else { return Ok(self.base_url.clone()) };
        let unusable = |error: &dyn Error| format!("--ca: {}: {error}", file.display());
        let pem = fs::read(file).map_err(|error| unusable(&error))?;
        Ok(self.base_url.clone().with_ca(&pem).map_err(|error| unusable(&error))?)
    }

    fn suite(&self) -> Result<Suite, Box<dyn Error>> {
        let mut suite = match &self.recordings {
            Some(folder) => Suite::from_dir(folder)?,
            None => Suite::embedded()?,
        };
        if self.supports != "all" {
            suite = suite.supports(self.supports.split(',').map(str::trim).filter(|name| !name.is_empty()))?;
        }
        if let Some(file) = &self.deviations {
            suite = suite.deviations(Deviations::read(file)?)?;
        }
        Ok(suite.jobs(self.jobs).only(&self.only)?)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    let suite = match command_line.suite() {
        Ok(suite) => suite,
        Err(error) => return refuse(&error, 2),
    };
    let address = match command_line.address() {
        Ok(address) => address,
        Err(error) => return refuse(&error, 2),
    };
    let report = match suite.run(&address).await {
        Ok(report) => report,
        Err(error @ RunError::Tls { problem: TlsProblem::UnknownIssuer, .. }) => {
            let hint = "--ca FILE names the certificate of its authority";
            return refuse(&format_args!("{error}; {hint}"), 1);
        }
        Err(error) => return refuse(&error, 1),
    };
    // If stdout is closed, the exit code still reports the result.
    let _ = print(&report, command_line.verbose);
    ExitCode::from(u8::from(report.failed() > 0))
}

fn print(report: &Report, verbose: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if verbose {
        for outcome in report.outcomes().filter(|outcome| outcome.problems.is_empty()) {
            writeln!(out, "{outcome}")?;
        }
    }
    writeln!(out, "{report}")
}

fn refuse(error: &dyn Display, code: u8) -> ExitCode {
    let _ = writeln!(io::stderr(), "signalhub-conformance: {error}");
    ExitCode::from(code)
}
