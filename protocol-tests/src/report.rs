//! The report of a run.

mod junit;
mod summary;

use std::fmt;
use std::time::Duration;

use crate::compare::Difference;

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The families with at least one selected scenario.
    pub families: Vec<FamilyReport>,
    /// How long the run took.
    pub elapsed: Duration,
}

impl Report {
    /// Returns how many scenarios passed.
    pub fn passed(&self) -> usize {
        self.families.iter().map(FamilyReport::passed).sum()
    }

    /// Returns how many scenarios failed.
    pub fn failed(&self) -> usize {
        self.families.iter().map(FamilyReport::failed).sum()
    }

    /// Returns how many scenarios need something that the server does not offer.
    pub fn not_due(&self) -> usize {
        self.families.iter().map(|family| family.not_due).sum()
    }

    /// Returns what happened in each scenario that ran.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.families.iter().flat_map(|family| &family.outcomes)
    }

    /// Returns it as JUnit XML: a suite for each family, a case for each scenario.
    pub fn junit(&self) -> String {
        junit::write(self)
    }

    /// Returns the counts as JSON, with the members of a shields.io endpoint badge.
    pub fn summary(&self) -> String {
        summary::write(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in self.outcomes().filter(|outcome| !outcome.problems.is_empty()) {
            writeln!(f, "{outcome}")?;
        }
        for family in &self.families {
            let (name, passed, failed, not_due) = (&family.name, family.passed(), family.failed(), family.not_due);
            let seconds = family.slowest().as_secs_f64();
            writeln!(
                f,
                "{name:<10} {passed:>4} passed {failed:>4} failed {not_due:>4} not due   slowest {seconds:>5.1} s"
            )?;
        }
        let (passed, failed, not_due) = (self.passed(), self.failed(), self.not_due());
        let seconds = self.elapsed.as_secs_f64();
        write!(f, "{passed} passed, {failed} failed, {not_due} not due in {seconds:.1} s")
    }
}

/// The outcome of one family.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyReport {
    /// The family's name.
    pub name: String,
    /// What happened in each scenario that ran.
    pub outcomes: Vec<Outcome>,
    /// How many scenarios need something that the server does not offer.
    pub not_due: usize,
}

impl FamilyReport {
    /// Returns how many scenarios passed.
    pub fn passed(&self) -> usize {
        self.outcomes.len() - self.failed()
    }

    /// Returns how many scenarios failed.
    pub fn failed(&self) -> usize {
        self.outcomes.iter().filter(|outcome| !outcome.problems.is_empty()).count()
    }

    /// Returns the time of the scenario that took longest.
    pub fn slowest(&self) -> Duration {
        self.outcomes.iter().map(|outcome| outcome.elapsed).max().unwrap_or_default()
    }
}

/// The outcome of one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The scenario's id.
    pub id: String,
    /// The scenario's title.
    pub title: String,
    /// What is wrong; nothing if it passed.
    pub problems: Vec<Problem>,
    /// How long it took.
    pub elapsed: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.problems.is_empty() { "ok  " } else { "FAIL" };
        write!(f, "{verdict} {} - {} ({:.2} s)", self.id, self.title, self.elapsed.as_secs_f64())?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

/// Something wrong at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// The step, counted from 0.
    pub step: usize,
    /// The kind of step, such as `ws.drain`.
    pub kind: String,
    /// What is wrong.
    pub what: Wrong,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} {}: {}", self.step, self.kind, self.what)
    }
}

/// What can be wrong at a step.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Wrong {
    /// The answer is not what was wanted.
    Differs(Difference),
    /// The answer is the recorded one, though a deviation says that it is not.
    Stale {
        /// The reason that the deviation gives.
        reason: String,
    },
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(difference) => difference.fmt(f),
            Self::Stale { reason } => write!(f, "stale deviation: the recording itself passes ({reason})"),
        }
    }
}

#[cfg(test)]
mod tests;
