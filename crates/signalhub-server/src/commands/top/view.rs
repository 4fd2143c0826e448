//! How the operator looks at the table: sorting, filter, place, and what the keys change.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::column::{Amounts, Column, Direction, Sort};
use super::filter::{Filter, FilterError};
use super::format::Alignment;

/// What is shown, apart from the figures themselves.
#[derive(Debug)]
pub(super) struct View {
    pub(super) sort: Sort,
    pub(super) amounts: Amounts,
    pub(super) filter: Filter,
    pub(super) sampling: Sampling,
    pub(super) mode: Mode,
    /// The number of rows above the first one on the screen.
    pub(super) offset: usize,
}

/// Whether the server is asked again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sampling {
    Running,
    Paused,
}

/// What the keys are for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Table,
    Help,
    /// A filter is typed.
    Prompt {
        text: String,
        problem: Option<FilterError>,
    },
}

/// What comes after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Continue,
    Quit,
}

/// The number of rows that there are, and that fit on the screen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    pub(super) rows: usize,
    pub(super) height: usize,
}

/// The longest filter that can be typed, in characters.
const LONGEST_FILTER: usize = 1_000;

impl View {
    pub(super) fn new(column: Column) -> Self {
        Self {
            sort: Sort { column, direction: Direction::Natural },
            amounts: Amounts::Totals,
            filter: Filter::default(),
            sampling: Sampling::Running,
            mode: Mode::Table,
            offset: 0,
        }
    }

    /// Does what a key stands for.
    pub(super) fn press(&mut self, key: KeyEvent, extent: Extent) -> Step {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Step::Quit } else { Step::Continue };
        }
        match &mut self.mode {
            Mode::Table => return self.press_in_table(key.code, extent),
            Mode::Help => self.mode = Mode::Table,
            Mode::Prompt { .. } => self.press_in_prompt(key.code),
        }
        Step::Continue
    }

    /// Keeps the place within the rows that there are.
    pub(super) fn scroll_to(&mut self, offset: usize, extent: Extent) {
        self.offset = offset.min(extent.rows.saturating_sub(extent.height));
    }

    fn press_in_table(&mut self, key: KeyCode, extent: Extent) -> Step {
        let page = extent.height.max(1);
        match key {
            KeyCode::Char('q') | KeyCode::Esc => return Step::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.mode = Mode::Help,
            KeyCode::Char('/') => {
                self.mode = Mode::Prompt { text: self.filter.text().to_owned(), problem: None };
            }
            KeyCode::Char('r') => {
                self.sort.direction = match self.sort.direction {
                    Direction::Natural => Direction::Reversed,
                    Direction::Reversed => Direction::Natural,
                };
            }
            KeyCode::Char('t') => {
                self.amounts = match self.amounts {
                    Amounts::Totals => Amounts::Rates,
                    Amounts::Rates => Amounts::Totals,
                };
            }
            KeyCode::Char('p' | ' ') => {
                self.sampling = match self.sampling {
                    Sampling::Running => Sampling::Paused,
                    Sampling::Paused => Sampling::Running,
                };
            }
            KeyCode::Left => self.sort_by(self.sort.column.neighbour(Alignment::Left)),
            KeyCode::Right => self.sort_by(self.sort.column.neighbour(Alignment::Right)),
            KeyCode::Up => self.scroll_to(self.offset.saturating_sub(1), extent),
            KeyCode::Down => self.scroll_to(self.offset.saturating_add(1), extent),
            KeyCode::PageUp => self.scroll_to(self.offset.saturating_sub(page), extent),
            KeyCode::PageDown => self.scroll_to(self.offset.saturating_add(page), extent),
            KeyCode::Home => self.offset = 0,
            KeyCode::End => self.scroll_to(usize::MAX, extent),
            _ => {}
        }
        Step::Continue
    }

    /// Another column begins in its natural direction, at the top.
    fn sort_by(&mut self, column: Column) {
        self.sort = Sort { column, direction: Direction::Natural };
        self.offset = 0;
    }

    fn press_in_prompt(&mut self, key: KeyCode) {
        let Mode::Prompt { text, problem } = &mut self.mode else { return };
        match key {
            KeyCode::Esc => self.mode = Mode::Table,
            KeyCode::Enter => match Filter::parse(text) {
                Ok(filter) => {
                    self.filter = filter;
                    self.offset = 0;
                    self.mode = Mode::Table;
                }
                Err(error) => *problem = Some(error),
            },
            KeyCode::Backspace => {
                text.pop();
                *problem = None;
            }
            KeyCode::Char(char) if text.chars().count() < LONGEST_FILTER => {
                text.push(char);
                *problem = None;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
