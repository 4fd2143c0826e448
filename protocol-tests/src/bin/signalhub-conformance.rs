//! `signalhub-conformance`: compares a server with the recordings and reports differences.

use std::error::Error;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use protocol_tests::{Address, Deviations, HubPath, Report, RunError, Suite, TlsProblem};

/// Checks a SignalR server against what ASP.NET Core SignalR 10.0.12 answered
#[derive(Debug, Parser)]
#[command(name = "signalhub-conformance", version)]
struct CommandLine {
    /// The server, such as `http://127.0.0.1:5100` or `https://hub.test`
    base_url: Address,
    /// A file with the certificate authorities to trust for https instead of those of the system, in PEM
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Where the server offers a recorded hub, such as `conformance=/chat`; may be given several times
    #[arg(long = "path", value_name = "HUB=PATH")]
    paths: Vec<HubPath>,
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
    /// Writes the outcome of each scenario as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Writes the counts as JSON, as an endpoint badge of shields.io needs them
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// Names the scenarios that passed, too
    #[arg(long, short)]
    verbose: bool,
}

impl CommandLine {
    fn address(&self) -> Result<Address, Box<dyn Error>> {
        let address = self.base_url.clone().with_hubs(self.paths.iter().cloned());
        let Some(file) = &self.ca else { return Ok(address) };
        let unusable = |error: &dyn Error| format!("--ca: {}: {error}", file.display());
        let pem = fs::read(file).map_err(|error| unusable(&error))?;
        Ok(address.with_ca(&pem).map_err(|error| unusable(&error))?)
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

    /// Writes the files that were asked for.
    fn write(&self, report: &Report) -> Result<(), String> {
        for (file, text) in [(&self.junit, report.junit()), (&self.summary, report.summary())] {
            let Some(file) = file else { continue };
            fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(())
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
    if let Err(error) = command_line.write(&report) {
        return refuse(&error, 2);
    }
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
