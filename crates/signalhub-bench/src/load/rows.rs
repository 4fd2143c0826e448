//! Costs with several configurations of the server side by side, and the table of all.

use std::collections::BTreeMap;
use std::io;

use serde::Serialize;

use super::Arguments;
use super::figures::Goal;
use super::report::{Judgement, aligned, number};
use super::suite::Bench;

/// Measures some rows of a table.
pub(super) type Scenario = fn(&Bench<'_>) -> io::Result<Vec<Row>>;

/// What scenarios have measured.
#[derive(Default)]
pub(super) struct Measured {
    pub(super) rows: Vec<Row>,
    /// Why scenarios have failed, each with its name. The others ran nevertheless.
    pub(super) failures: Vec<String>,
}

/// Runs the scenarios whose names begin as wanted.
pub(super) fn measure(arguments: &Arguments, scenarios: &[(&str, Scenario)]) -> Measured {
    let bench = Bench { arguments };
    let mut measured = Measured::default();
    for (name, scenario) in scenarios.iter().filter(|(name, _)| name.starts_with(&arguments.only)) {
        match scenario(&bench) {
            Ok(rows) => measured.rows.extend(rows),
            Err(error) => measured.failures.push(format!("{name}: {error}")),
        }
    }
    measured
}

/// A cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    id: &'static str,
    name: String,
    unit: &'static str,
    /// By the name of the column: the configuration that was measured.
    #[serde(flatten)]
    values: BTreeMap<&'static str, f64>,
    /// What the goal compares, and other conditions of the measurement.
    beside: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<Goal>,
}

impl Row {
    /// A cost without measurements; `id` names the goals that it belongs to.
    pub(super) fn new(id: &'static str, name: &str, unit: &'static str) -> Self {
        Self { id, name: name.to_owned(), unit, values: BTreeMap::new(), beside: String::new(), goal: None }
    }

    /// Sets the cost in a column.
    pub(super) fn value(mut self, column: &'static str, value: f64) -> Self {
        self.values.insert(column, value);
        self
    }

    pub(super) fn beside(self, beside: String) -> Self {
        Self { beside, ..self }
    }

    /// Compares it with a goal.
    pub(super) fn goal(self, text: &'static str, met: bool) -> Self {
        Self { goal: Some(Goal { id: self.id, text, met }), ..self }
    }
}

/// A table in Markdown that is readable as text, with these columns of costs.
pub(crate) fn table(rows: &[Row], columns: &[&str], judgement: Judgement) -> String {
    let cells = |[first, last]: [&[&str]; 2]| -> Vec<String> {
        [first, columns, last].concat().into_iter().map(str::to_owned).collect()
    };
    let header = cells([&["", "unit"], &["beside", "goal", ""]]);
    let mut lines = vec![header.clone(), header.iter().map(|_| "-".to_owned()).collect()];
    for row in rows {
        let (goal, verdict) = match (&row.goal, judgement) {
            (None, _) => ("", ""),
            (Some(goal), Judgement::None) => (goal.text, "not judged"),
            (Some(goal), Judgement::ByGoals) => (goal.text, if goal.met { "met" } else { "missed" }),
        };
        let mut line = vec![format!("{} {}", row.id, row.name), row.unit.to_owned()];
        line.extend(columns.iter().map(|column| row.values.get(column).copied().map(number).unwrap_or_default()));
        line.extend([row.beside.clone(), goal.to_owned(), verdict.to_owned()]);
        lines.push(line);
    }
    aligned(&lines)
}

#[cfg(test)]
mod tests;
