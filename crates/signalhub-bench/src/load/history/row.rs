//! One cost with each kind of history, and the table of all.

use serde::Serialize;

use crate::load::figures::Goal;
use crate::load::report::{Judgement, aligned, number};

/// A cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    id: &'static str,
    name: String,
    unit: &'static str,
    /// Without a history.
    #[serde(skip_serializing_if = "Option::is_none")]
    off: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk: Option<f64>,
    /// What the goal compares, and other conditions of the measurement.
    beside: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    goal: Option<Goal>,
}

impl Row {
    /// A cost without measurements; `id` names the goals that it belongs to.
    pub(super) fn new(id: &'static str, name: &str, unit: &'static str) -> Self {
        let (name, beside) = (name.to_owned(), String::new());
        Self { id, name, unit, off: None, memory: None, disk: None, beside, goal: None }
    }

    pub(super) fn off(self, value: f64) -> Self {
        Self { off: Some(value), ..self }
    }

    pub(super) fn memory(self, value: f64) -> Self {
        Self { memory: Some(value), ..self }
    }

    pub(super) fn disk(self, value: f64) -> Self {
        Self { disk: Some(value), ..self }
    }

    pub(super) fn beside(self, beside: String) -> Self {
        Self { beside, ..self }
    }

    /// Compares it with a goal.
    pub(super) fn goal(self, text: &'static str, met: bool) -> Self {
        Self { goal: Some(Goal { id: self.id, text, met }), ..self }
    }
}

/// A table in Markdown that is readable as text.
pub(crate) fn table(rows: &[Row], judgement: Judgement) -> String {
    let header = ["", "unit", "off", "memory", "disk", "beside", "goal", ""].map(str::to_owned);
    let mut cells = vec![header.clone(), header.map(|_| "-".to_owned())];
    for row in rows {
        let value = |value: Option<f64>| value.map(number).unwrap_or_default();
        let (goal, verdict) = match (&row.goal, judgement) {
            (None, _) => ("", ""),
            (Some(goal), Judgement::None) => (goal.text, "not judged"),
            (Some(goal), Judgement::ByGoals) => (goal.text, if goal.met { "met" } else { "missed" }),
        };
        cells.push([
            format!("{} {}", row.id, row.name),
            row.unit.to_owned(),
            value(row.off),
            value(row.memory),
            value(row.disk),
            row.beside.clone(),
            goal.to_owned(),
            verdict.to_owned(),
        ]);
    }
    aligned(&cells)
}

#[cfg(test)]
mod tests;
