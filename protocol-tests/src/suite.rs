//! Selects scenarios and runs them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use signalhub_tls_client::TlsProblem;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::address::Address;
use crate::compare::differences;
use crate::deviation::Deviations;
use crate::recording::{Family, RecordingError, Scenario};
use crate::report::{FamilyReport, Outcome, Problem, Report, Wrong};
use crate::scenario::replay;
use crate::wire::{Wire, WireError};

/// Every feature that the crate's own recordings may require of a server.
pub const NEEDS: [&str; 9] = [
    "abort",
    "addressing",
    "client-results",
    "long-polling",
    "messagepack",
    "parallel-invocations",
    "server-sent-events",
    "stateful-reconnect",
    "streams",
];

/// Recordings, and the settings for comparing a server with them.
#[derive(Debug, Clone)]
pub struct Suite {
    families: Vec<Family>,
    supports: Option<BTreeSet<String>>,
    prefix: String,
    jobs: usize,
    deviations: Deviations,
}

impl Suite {
    /// Returns the suite of the crate's own recordings.
    pub fn embedded() -> Result<Self, RecordingError> {
        Family::embedded().map(Self::new)
    }

    /// Returns the suite of all recordings in a folder.
    pub fn from_dir(path: &Path) -> Result<Self, RecordingError> {
        let unreadable = |path: &Path| {
            let path = path.display().to_string();
            move |source| RecordingError::Unreadable { path, source }
        };
        let entries = fs::read_dir(path).map_err(unreadable(path))?;
        let entries = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
        let mut files = entries.map_err(unreadable(path))?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let families = files.iter().map(|file| {
            let text = fs::read_to_string(file).map_err(unreadable(file))?;
            Family::parse(&file.file_stem().unwrap_or_default().to_string_lossy(), &text)
        });
        families.filter_map(Result::transpose).collect::<Result<_, _>>().map(Self::new)
    }

    /// Returns the suite of these families: every scenario runs, 16 at once, without deviations.
    pub fn new(families: Vec<Family>) -> Self {
        Self { families, supports: None, prefix: String::new(), jobs: 16, deviations: Deviations::default() }
    }

    /// Runs only scenarios that require no other features than these.
    pub fn supports<'n>(mut self, names: impl IntoIterator<Item = &'n str>) -> Result<Self, SelectionError> {
        let names: BTreeSet<String> = names.into_iter().map(str::to_owned).collect();
        let recorded = self.families.iter().flat_map(|family| &family.scenarios).flat_map(|scenario| &scenario.needs);
        let known: BTreeSet<&str> = recorded.map(String::as_str).chain(NEEDS).collect();
        if let Some(name) = names.iter().find(|name| !known.contains(name.as_str())) {
            return Err(SelectionError::UnknownNeed {
                name: name.clone(),
                known: known.into_iter().collect::<Vec<_>>().join(", "),
            });
        }
        self.supports = Some(names);
        Ok(self)
    }

    /// Selects the scenarios whose ids begin with the prefix; the others are not even counted.
    pub fn only(mut self, prefix: &str) -> Result<Self, SelectionError> {
        let mut scenarios = self.families.iter().flat_map(|family| &family.scenarios);
        if !scenarios.any(|scenario| scenario.id.starts_with(prefix)) {
            return Err(SelectionError::NothingSelected(prefix.to_owned()));
        }
        self.prefix = prefix.to_owned();
        Ok(self)
    }

    /// Sets how many scenarios run at once.
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Expects these answers instead of the recorded ones.
    pub fn deviations(mut self, deviations: Deviations) -> Result<Self, SelectionError> {
        for deviation in &deviations.deviations {
            let mut scenarios = self.families.iter().flat_map(|family| &family.scenarios);
            let scenario = scenarios.find(|scenario| scenario.id == deviation.id);
            if !scenario.is_some_and(|scenario| deviation.applies_to(&scenario.steps)) {
                return Err(SelectionError::UnknownStep { id: deviation.id.clone(), step: deviation.step });
            }
        }
        self.deviations = deviations;
        Ok(self)
    }

    /// Runs the scenarios: most concurrently, then one after another those whose messages reach other connections.
    pub async fn run(&self, address: &Address) -> Result<Report, RunError> {
        reach(address).await?;
        let started = Instant::now();
        let (due, mut families) = self.select();
        let (alone, together): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.scenario.reaches_others);
        let mut done = self.run_together(address, &together).await;
        for due in alone {
            let outcome = run_one(address, &due.scenario, &self.deviations).await;
            done.push((due.place, outcome));
        }
        done.sort_by_key(|(place, _)| *place);
        for ((family, _), outcome) in done {
            families[family].outcomes.push(outcome);
        }
        families.retain(|family| !family.outcomes.is_empty() || family.not_due > 0);
        Ok(Report { families, elapsed: started.elapsed() })
    }

    async fn run_together(&self, address: &Address, together: &[Due]) -> Vec<(Place, Outcome)> {
        let permits = Arc::new(Semaphore::new(self.jobs));
        let shared = Arc::new((address.clone(), self.deviations.clone()));
        let mut running = JoinSet::new();
        for due in together.iter().cloned() {
            let (permits, shared) = (permits.clone(), shared.clone());
            running.spawn(async move {
                // The semaphore is never closed, so acquiring a permit does not fail.
                let _permit = permits.acquire().await;
                (due.place, run_one(&shared.0, &due.scenario, &shared.1).await)
            });
        }
        running.join_all().await
    }

    fn select(&self) -> (Vec<Due>, Vec<FamilyReport>) {
        let mut due = vec![];
        let mut reports = vec![];
        for (f, family) in self.families.iter().enumerate() {
            let mut not_due = 0;
            for (s, scenario) in family.scenarios.iter().enumerate() {
                if !scenario.id.starts_with(&self.prefix) {
                    continue;
                }
                if self.is_due(scenario) {
                    due.push(Due { place: (f, s), scenario: Arc::new(scenario.clone()) });
                } else {
                    not_due += 1;
                }
            }
            reports.push(FamilyReport { name: family.name.clone(), outcomes: vec![], not_due });
        }
        (due, reports)
    }

    fn is_due(&self, scenario: &Scenario) -> bool {
        let supports = self.supports.as_ref();
        supports.is_none_or(|supports| scenario.needs.iter().all(|need| supports.contains(need)))
    }
}

/// Why a selection is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// The server is declared to support a feature that no recording requires.
    #[error("no recording needs `{name}`; known are {known}")]
    UnknownNeed {
        /// The unknown name.
        name: String,
        /// The known names.
        known: String,
    },
    /// No scenario's id begins with the prefix.
    #[error("no scenario's id begins with `{0}`")]
    NothingSelected(String),
    /// A deviation replaces an expectation that no recording has.
    #[error("a deviation names step {step} of `{id}`, for which nothing is recorded")]
    UnknownStep {
        /// The scenario that the deviation names.
        id: String,
        /// The step that it names.
        step: usize,
    },
}

/// Why a run could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No server accepts connections at the address.
    #[error("no server answers at {authority}: {reason}")]
    Unreachable {
        /// Host and port.
        authority: String,
        /// What happened.
        reason: String,
    },
    /// The server cannot be trusted, or does not speak TLS.
    #[error("{authority}: {problem}")]
    Tls {
        /// Host and port.
        authority: String,
        /// Why.
        problem: TlsProblem,
    },
}

/// Connects once.
pub(crate) async fn reach(address: &Address) -> Result<(), RunError> {
    let authority = || address.authority();
    match Wire::connect(address).await {
        Ok(_) => Ok(()),
        Err(WireError::Tls(problem)) => Err(RunError::Tls { authority: authority(), problem }),
        Err(error) => Err(RunError::Unreachable { authority: authority(), reason: error.to_string() }),
    }
}

/// The index of a family, and of a scenario in it.
type Place = (usize, usize);

#[derive(Clone)]
struct Due {
    place: Place,
    scenario: Arc<Scenario>,
}

async fn run_one(address: &Address, scenario: &Scenario, deviations: &Deviations) -> Outcome {
    let started = Instant::now();
    let seen = replay(address, scenario).await;
    Outcome {
        id: scenario.id.clone(),
        title: scenario.title.clone(),
        problems: judge(scenario, &seen, deviations),
        elapsed: started.elapsed(),
    }
}

/// Compares what each step saw with what is expected.
fn judge(scenario: &Scenario, seen: &[Option<Value>], deviations: &Deviations) -> Vec<Problem> {
    let mut problems = vec![];
    for (i, (step, seen)) in scenario.steps.iter().zip(seen).enumerate() {
        let Some(recorded) = &step.expect else {
            continue;
        };
        let seen = seen.as_ref().unwrap_or(&Value::Null);
        let found = match deviations.of(&scenario.id, i) {
            Some(deviation) if differences(recorded, seen).is_empty() => {
                vec![Wrong::Stale { reason: deviation.reason.clone() }]
            }
            Some(deviation) => differ(&deviation.expect, seen),
            None => differ(recorded, seen),
        };
        problems.extend(found.into_iter().map(|what| Problem { step: i, kind: step.kind.clone(), what }));
    }
    problems
}

fn differ(wanted: &Value, seen: &Value) -> Vec<Wrong> {
    differences(wanted, seen).into_iter().map(Wrong::Differs).collect()
}

#[cfg(test)]
mod tests;
