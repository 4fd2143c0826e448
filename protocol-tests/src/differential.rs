//! Holds the same random conversations with two servers and reports where their answers differ.

mod generate;
mod random;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use crate::address::Address;
use crate::compare::{Difference, differences};
use crate::recording::{Action, RecordingError, Scenario};
use crate::scenario::replay;
use crate::suite::{RunError, reach};

/// How long a server may take to answer when a conversation with a difference is repeated.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Which random conversations are held with both servers.
///
/// They avoid known differences, so that every difference found is new.
#[derive(Debug, Clone, Copy)]
pub struct Differential {
    /// The seed of the random numbers.
    pub seed: u64,
    /// How many there are.
    pub count: u64,
    /// How many are held at once.
    pub jobs: usize,
    /// How long the server must send nothing before a conversation continues.
    pub idle: Duration,
}

/// What two servers have answered.
#[derive(Debug, Default)]
pub struct Comparison {
    /// How many conversations were held.
    pub held: u64,
    /// Those that the servers answered differently, twice.
    pub differing: Vec<Differing>,
    /// How many differed once but not when repeated, because of the order of independent answers or a slow machine.
    pub unsteady: u64,
}

/// A conversation that two servers answer differently.
#[derive(Debug)]
pub struct Differing {
    /// Seed and number.
    pub id: String,
    /// The messages, up to the first difference.
    pub said: Vec<String>,
    /// The difference. The first server's answer is the expected one.
    pub differences: Vec<Difference>,
}

impl Differential {
    /// Holds them with both servers.
    ///
    /// # Errors
    /// When one of the servers does not accept connections.
    pub async fn run(self, original: &Address, other: &Address) -> Result<Comparison, DifferentialError> {
        for address in [original, other] {
            reach(address).await?;
        }
        let servers = Arc::new((original.clone(), other.clone()));
        let mut running = JoinSet::new();
        let (mut next, mut done) = (0, Comparison::default());
        loop {
            while next < self.count && running.len() < self.jobs.max(1) {
                running.spawn(self.compare(Arc::clone(&servers), next));
                next += 1;
            }
            let Some(ended) = running.join_next().await else { return Ok(done) };
            done.held += 1;
            match ended.unwrap_or(Ok(Verdict::Unsteady))? {
                Verdict::Same => {}
                Verdict::Unsteady => done.unsteady += 1,
                Verdict::Differs(differing) => done.differing.push(differing),
            }
        }
    }

    async fn compare(self, servers: Arc<(Address, Address)>, number: u64) -> Result<Verdict, RecordingError> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let quick = generate::conversation(self.seed, number, milliseconds(self.idle))?;
        if first_difference(&servers, &quick).await.is_none() {
            return Ok(Verdict::Same);
        }
        let slow = generate::conversation(self.seed, number, milliseconds(TIMEOUT.max(self.idle)))?;
        Ok(first_difference(&servers, &slow).await.map_or(Verdict::Unsteady, Verdict::Differs))
    }
}

enum Verdict {
    Same,
    Unsteady,
    Differs(Differing),
}

async fn first_difference(servers: &(Address, Address), scenario: &Scenario) -> Option<Differing> {
    let (original, other) = tokio::join!(replay(&servers.0, scenario), replay(&servers.1, scenario));
    let pairs = original.into_iter().zip(other).enumerate();
    let (step, differences) = pairs
        .filter_map(|(step, pair)| match pair {
            (Some(wanted), Some(got)) => Some((step, differences(&plain(wanted), &plain(got)))),
            _ => None,
        })
        .find(|(_, differences)| !differences.is_empty())?;
    let said = scenario.steps[..=step].iter().filter_map(|step| match &step.action {
        Action::WsOpen(open) => Some(open.path.clone()),
        Action::WsSend(send) => Some(send.text.clone()),
        Action::Request(request) => Some(format!("{} {} {:?}", request.method, request.path, request.headers)),
        _ => None,
    });
    Some(Differing { id: scenario.id.clone(), said: said.collect(), differences })
}

/// Ignores error texts of JSON readers, which are not part of the protocol.
fn plain(mut answer: Value) -> Value {
    match &mut answer {
        Value::String(text) => {
            for reader in ["JsonException: ", "JsonReaderException: "] {
                if let Some(at) = text.find(reader) {
                    text.truncate(at + reader.len());
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = plain(item.take())),
        Value::Object(members) => members.values_mut().for_each(|member| *member = plain(member.take())),
        _ => {}
    }
    answer
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "DIFFERS {}", self.id)?;
        for said in &self.said {
            writeln!(f, "  > {}", said.escape_debug())?;
        }
        for difference in &self.differences {
            writeln!(f, "  {difference}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for differing in &self.differing {
            write!(f, "{differing}")?;
        }
        let differing = u64::try_from(self.differing.len()).unwrap_or(u64::MAX);
        writeln!(f, "{} of them differed once and not again", self.unsteady)?;
        write!(f, "{} passed, {differing} failed", self.held.saturating_sub(differing))
    }
}

/// Why two servers could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DifferentialError {
    /// A server does not answer.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A generated conversation is invalid.
    #[error(transparent)]
    Generated(#[from] RecordingError),
}

#[cfg(test)]
mod tests;
