//! `signalhub-bench leaks`.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::certificate::Certificate;
use crate::server::{Holdings, Server, ServerError};
use crate::session::{Session, SessionError, open_idle};
use signalhub_load::process::Vitals;

/// How many connections are made before the measured ones, so that memory that the server keeps for all of them is allocated.
const WARM_UP: u64 = 500;

/// The resident memory may grow by this much: allocators keep some of what was freed.
const ALLOWED_GROWTH: u64 = 8 * 1024 * 1024;

/// How long the server may take to release the last connections: clients that vanish without a close frame are detected by
/// the client timeout at the latest.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(90);

/// How many idle connections are held to measure what each of them takes.
const IDLE: u64 = 500;

/// How many are opened before them: they take the memory that the allocator kept when the warm-up ended.
const IDLE_BEFORE: u64 = 200;

/// How many bytes an idle connection may take, with or without TLS.
const ALLOWED_IDLE: u64 = 20 * 1024;

/// How often this is checked.
const GLANCE: Duration = Duration::from_millis(50);

/// A count of a moment, with its name.
type Count = (&'static str, fn(&Moment) -> u64);

/// What must return to its value at the start when all connections have ended.
const COUNTED: [Count; 5] = [
    ("connections", |moment| moment.holdings.connections),
    ("subscriptions", |moment| moment.holdings.subscriptions),
    ("tasks", |moment| moment.holdings.tasks),
    ("open sockets", |moment| moment.vitals.sockets),
    ("open descriptors", |moment| moment.vitals.descriptors),
];

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many connections are made
    #[arg(long, default_value_t = 100_000)]
    connections: u64,
    /// How many of them at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    concurrency: u64,
    /// Connects over TLS, with a certificate that is made for the run
    #[arg(long)]
    tls: bool,
    /// The server's binary; the one beside this program when it is absent
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaksError {
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The process cannot be inspected; on Linux that means that it has ended.
    #[error("the server's process cannot be looked at: {0}")]
    Process(#[from] io::Error),
    #[error("the warm-up failed: {0}")]
    WarmUp(SessionError),
    #[error("an idle connection failed: {0}")]
    Idle(io::Error),
    #[error("no certificate can be made: {0}")]
    Certificate(io::Error),
}

/// What was done and seen.
#[derive(Debug)]
pub(crate) struct Outcome {
    connections: u64,
    concurrency: u64,
    failed: u64,
    first_failure: Option<SessionError>,
    took: Duration,
    /// Bytes of memory that each of a number of idle connections takes.
    idle: u64,
    /// Before any connection, after the warm-up, and at the end.
    start: Moment,
    warm: Moment,
    end: Moment,
}

/// The server at one moment: measured from outside, and its own metrics.
#[derive(Debug, Clone)]
struct Moment {
    vitals: Vitals,
    holdings: Holdings,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<Outcome, LeaksError> {
    let certificate = arguments.tls.then(Certificate::make).transpose().map_err(LeaksError::Certificate)?;
    let server = Arc::new(Server::start(arguments.server.as_deref(), certificate).await?);
    let start = Moment::of(&server).await?;
    let warm_up = connect(&server, WARM_UP, arguments.concurrency).await;
    if let Some(error) = warm_up.first_failure {
        return Err(LeaksError::WarmUp(error));
    }
    let idle = idle(&server).await?;
    let warm = settled(&server, &start).await?;
    let begun = Instant::now();
    let done = connect(&server, arguments.connections, arguments.concurrency).await;
    let took = begun.elapsed();
    let end = settled(&server, &start).await?;
    Ok(Outcome {
        connections: arguments.connections,
        concurrency: arguments.concurrency,
        failed: done.failed,
        first_failure: done.first_failure,
        took,
        idle,
        start,
        warm,
        end,
    })
}

/// Holds idle connections, and returns how many bytes each of them takes.
async fn idle(server: &Server) -> Result<u64, LeaksError> {
    let mut held = Vec::new();
    let mut resident = [0; 2];
    for (count, resident) in [IDLE_BEFORE, IDLE].into_iter().zip(&mut resident) {
        for number in 0..count {
            held.push(open_idle(server, number).await.map_err(LeaksError::Idle)?);
        }
        *resident = server.vitals()?.resident;
    }
    let [before, after] = resident;
    Ok(after.saturating_sub(before) / IDLE)
}

impl Moment {
    async fn of(server: &Server) -> io::Result<Self> {
        // The page comes first: its own socket has gone when the process is looked at, or goes at the next look.
        let holdings = server.holdings().await?;
        Ok(Self { vitals: server.vitals()?, holdings })
    }
}

impl Outcome {
    /// Lists what is not as it should be.
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(error) = &self.first_failure {
            problems.push(format!("{} connections failed, the first one: {error}", self.failed));
        }
        for (name, read) in COUNTED {
            let (start, end) = (read(&self.start), read(&self.end));
            if end > start {
                problems.push(format!("{} {name} are left", end - start));
            }
        }
        if self.idle > ALLOWED_IDLE {
            problems.push(format!("an idle connection takes {}", kibibytes(self.idle)));
        }
        let growth = self.end.vitals.resident.saturating_sub(self.warm.vitals.resident);
        if growth > ALLOWED_GROWTH {
            problems.push(format!("the resident memory grew by {}", mebibytes(growth)));
        }
        problems
    }

    fn cpu_per_connection(&self) -> Duration {
        let spent = self.end.vitals.cpu().saturating_sub(self.warm.vitals.cpu());
        spent.div_f64(self.connections.max(1) as f64)
    }
}

/// A table for people.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.connections as f64 / self.took.as_secs_f64();
        writeln!(f, "{:<20}{}, {} of them failed", "connections", self.connections, self.failed)?;
        writeln!(f, "{:<20}{:.0}/s, {} at a time, {:.1?} in all", "rate", rate, self.concurrency, self.took)?;
        writeln!(f, "{:<20}{:.0?} each", "server's CPU", self.cpu_per_connection())?;
        writeln!(f, "{:<20}{} each, {IDLE} of them", "idle connections", kibibytes(self.idle))?;
        writeln!(f)?;
        writeln!(f, "{:<20}{:>12}{:>12}{:>12}", "", "at start", "warm", "at the end")?;
        let moments = [&self.start, &self.warm, &self.end];
        let mut row = |name, [start, warm, end]: [String; 3]| writeln!(f, "{name:<20}{start:>12}{warm:>12}{end:>12}");
        row("resident memory", moments.map(|moment| mebibytes(moment.vitals.resident)))?;
        for (name, read) in COUNTED {
            row(name, moments.map(|moment| read(moment).to_string()))?;
        }
        row("threads", moments.map(|moment| moment.vitals.threads.to_string()))
    }
}

/// The results of a number of connections.
#[derive(Debug, Default)]
struct Done {
    failed: u64,
    first_failure: Option<SessionError>,
}

/// Makes this number of connections and runs each to its end.
async fn connect(server: &Arc<Server>, count: u64, concurrency: u64) -> Done {
    let next = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for _ in 0..concurrency {
        let (server, next) = (Arc::clone(server), Arc::clone(&next));
        workers.spawn(async move {
            let mut done = Done::default();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return done;
                }
                if let Err(error) = Session::numbered(number).run(&server).await {
                    done.failed += 1;
                    done.first_failure.get_or_insert(error);
                }
            }
        });
    }
    let mut all = Done::default();
    for done in workers.join_all().await {
        all.failed += done.failed;
        all.first_failure = all.first_failure.or(done.first_failure);
    }
    all
}

/// Waits until the server has released all connections, or until the time limit.
async fn settled(server: &Server, start: &Moment) -> Result<Moment, LeaksError> {
    let until = Instant::now() + RELEASE_TIMEOUT;
    loop {
        let moment = Moment::of(server).await?;
        if COUNTED.iter().all(|(_, read)| read(&moment) <= read(start)) || Instant::now() >= until {
            return Ok(moment);
        }
        sleep(GLANCE).await;
    }
}

fn kibibytes(bytes: u64) -> String {
    format!("{:.1} KiB", bytes as f64 / 1024.0)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1024.0 / 1024.0)
}

#[cfg(test)]
mod tests;
