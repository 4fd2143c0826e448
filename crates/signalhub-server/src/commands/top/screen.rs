//! What stands on the screen: figures of the node, the table, and a line about both.

use unicode_width::UnicodeWidthStr;

use super::column::{self, Amounts, Column, Direction};
use super::format::{Alignment, bytes, count, duration, fitted, latency, rate, seconds, visible};
use super::sample::{Rest, Row, Sample};
use super::view::{Extent, Mode, Sampling, View};

/// One line of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) style: Style,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Title,
    Heading,
    Quiet,
    /// Something waits longer than it should.
    Warning,
    /// Something was refused, or does not answer.
    Alarm,
}

/// The columns and rows of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

/// What is known of the server.
#[derive(Debug, Default)]
pub(super) struct Latest {
    /// The last answer.
    pub(super) sample: Option<Sample>,
    /// Why there was no answer to the last request.
    pub(super) failure: Option<String>,
}

/// A queue is too slow from here on, in seconds.
const SLOW: f64 = 1.0;

const KEYS: &str = "q quit  ←→ sort  r reverse  / filter  t rates  p pause  ? help";

const HELP: [&str; 18] = [
    "",
    "  ← →             sort by the next column",
    "  r               reverse the order",
    "  ↑ ↓ PgUp PgDn   scroll; Home and End",
    "  /               filter; an empty one shows all connections",
    "  t               totals, or what comes per second",
    "  p               pause",
    "  q Esc Ctrl-C    quit",
    "",
    "  A filter has words with spaces between them:",
    "  ann  user=ann  organisation=acme  event=portos.resources.changed",
    "  transport=ws (sse, poll)  slow",
    "",
    "  The server sorts by queued, sent, subscriptions and age. Other columns",
    "  sort the connections with the longest queues.",
    "  Sizes are bytes; 1K is 1 024. IDLE is the time since the last message.",
    "",
    "  Any key goes back.",
];

/// Draws all lines of a screen.
pub(super) fn draw(view: &mut View, latest: &Latest, size: Size) -> Vec<Line> {
    let mut lines = header(latest, size.width);
    lines.truncate(size.height.saturating_sub(3));
    let room = size.height.saturating_sub(lines.len() + 2);
    let rows = latest.sample.as_ref().map_or(&[][..], |sample| &sample.rows);
    let extent = Extent { rows: rows.len(), height: room };
    view.scroll_to(view.offset, extent);
    if view.mode == Mode::Help {
        lines.extend(HELP.iter().take(room + 1).map(|text| Line::new(Style::Plain, *text)));
    } else {
        lines.extend(table(view, rows, size.width).skip_rows(view.offset, room));
    }
    let footer = footer(view, latest, extent, size.width);
    lines.resize_with(size.height.saturating_sub(1), || Line::new(Style::Plain, ""));
    lines.push(footer);
    lines.truncate(size.height);
    lines
}

/// Returns how many rows there are, and how many fit on the screen.
pub(super) fn extent(latest: &Latest, size: Size) -> Extent {
    let header = header(latest, size.width).len().min(size.height.saturating_sub(3));
    let rows = latest.sample.as_ref().map_or(0, |sample| sample.rows.len());
    Extent { rows, height: size.height.saturating_sub(header + 2) }
}

/// Writes figures and table once, as text without an end on the right.
pub(super) fn print(view: &View, sample: &Sample, width: usize) -> String {
    let figures = figures(sample, width);
    let Table { heading, rows } = table(view, &sample.rows, width);
    let lines = figures.into_iter().chain(std::iter::once(heading)).chain(rows);
    lines.map(|line| format!("{}\n", line.text.trim_end())).collect()
}

impl Line {
    fn new(style: Style, text: impl Into<String>) -> Self {
        Self { text: text.into(), style }
    }
}

/// The heading and all rows.
struct Table {
    heading: Line,
    rows: Vec<Line>,
}

impl Table {
    fn skip_rows(self, offset: usize, room: usize) -> impl Iterator<Item = Line> {
        std::iter::once(self.heading).chain(self.rows.into_iter().skip(offset).take(room))
    }
}

fn table(view: &View, rows: &[Row], width: usize) -> Table {
    let rows = view.sort.sorted(rows, view.amounts);
    let columns = column::layout(&rows, view.sort.column, view.amounts, width);
    let heading = column::line(&columns, |column| title(column, view));
    let row = |row: &&Row| {
        let is_slow = row.connection.queued_oldest_seconds.is_some_and(|oldest| oldest >= SLOW);
        let style = if is_slow { Style::Warning } else { Style::Plain };
        Line::new(style, column::line(&columns, |column| column.text(row, view.amounts)))
    };
    Table { heading: Line::new(Style::Heading, heading), rows: rows.iter().map(row).collect() }
}

fn title(column: Column, view: &View) -> String {
    let title = column.title(view.amounts);
    if column != view.sort.column {
        return title.to_owned();
    }
    let falls = (column.alignment() == Alignment::Right) == (view.sort.direction == Direction::Natural);
    format!("{title}{}", if falls { '▼' } else { '▲' })
}

fn header(latest: &Latest, width: usize) -> Vec<Line> {
    let failure = latest.failure.iter().map(|failure| Line::new(Style::Alarm, visible(failure)));
    let figures = match &latest.sample {
        Some(sample) => figures(sample, width),
        None if latest.failure.is_none() => vec![Line::new(Style::Title, "signalhub: waiting for the first answer")],
        None => Vec::new(),
    };
    failure.chain(figures).collect()
}

/// The figures of the node, a refusal only if there were some.
fn figures(sample: &Sample, width: usize) -> Vec<Line> {
    let overview = &sample.overview;
    let node = if overview.node.is_empty() { "signalhub".to_owned() } else { visible(&overview.node) };
    let title = [
        node,
        visible(&overview.version),
        format!("up {}", duration(seconds(overview.uptime_seconds))),
        visible(&overview.phase),
    ];
    let connections = &overview.connections;
    let mut figures = vec![format!("connections {}", count(connections.active))];
    let mut some = |name: &str, number: u64| {
        if number > 0 {
            figures.push(format!("{name} {}", count(number)));
        }
    };
    some("suspended", connections.suspended);
    some("waiting", connections.waiting);
    let now = &overview.rates.ten_seconds;
    let minute = &overview.latency.minute;
    figures.extend([
        format!("publishes {}/s", rate(now.published.unwrap_or(0.0))),
        format!("deliveries {}/s", rate(now.deliveries.unwrap_or(0.0))),
        format!("p50 {}", latency(minute.p50)),
        format!("p99 {}", latency(minute.p99)),
        format!("queued {}", bytes(overview.queued_bytes)),
        format!("slow {}", count(overview.slow)),
    ]);
    figures.extend(overview.memory.map(|memory| format!("memory {}", bytes(memory))));
    figures.extend(overview.fds.as_ref().map(|fds| match fds.limit {
        Some(limit) => format!("files {} of {}", count(fds.open), count(limit)),
        None => format!("files {}", count(fds.open)),
    }));
    let refusals = overview.refusals.iter().filter(|(_, number)| **number > 0);
    let refusals: Vec<String> =
        refusals.map(|(name, number)| format!("{} {}", visible(name), count(*number))).collect();
    let mut lines = flow(Style::Title, title.into_iter().filter(|part| !part.is_empty()), width);
    lines.extend(flow(Style::Plain, figures, width));
    if !refusals.is_empty() {
        lines.extend(flow(Style::Alarm, std::iter::once("refused:".to_owned()).chain(refusals), width));
    }
    lines
}

/// Puts parts into as few lines as hold them.
fn flow(style: Style, parts: impl IntoIterator<Item = String>, width: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.text.width() + 2 + part.width() <= width => {
                line.text.push_str("  ");
                line.text.push_str(&part);
            }
            _ => lines.push(Line::new(style, part)),
        }
    }
    lines
}

/// What is typed, or where in the table this is and which keys there are.
fn footer(view: &View, latest: &Latest, extent: Extent, width: usize) -> Line {
    if let Mode::Prompt { text, problem } = &view.mode {
        return match problem {
            None => Line::new(Style::Heading, prompt(text, width)),
            Some(problem) => {
                Line::new(Style::Alarm, format!("{} ({})", prompt(text, width / 2), visible(&problem.to_string())))
            }
        };
    }
    let mut parts = Vec::new();
    if view.sampling == Sampling::Paused {
        parts.push("paused".to_owned());
    }
    if !view.filter.text().is_empty() {
        let filter = format!("filter: {}", visible(view.filter.text()));
        parts.push(fitted(&filter, filter.width().min(width / 2), Alignment::Left));
    }
    parts.push(place(view, latest, extent));
    if view.amounts == Amounts::Rates {
        parts.push("per second".to_owned());
    }
    let status = parts.join("  ");
    // The keys go when there is no room: `? help` has them.
    let keys = if status.width() + 2 + KEYS.width() <= width { KEYS } else { "? help" };
    let room = width.saturating_sub(keys.width() + 2);
    Line::new(Style::Quiet, format!("{}  {keys}", fitted(&status, room, Alignment::Left)))
}

/// Which of the rows are shown.
fn place(view: &View, latest: &Latest, extent: Extent) -> String {
    let Some(sample) = &latest.sample else { return String::new() };
    if extent.rows == 0 {
        return "no connection".to_owned();
    }
    let last = (view.offset + extent.height).min(extent.rows);
    let (first, rows) = ((view.offset + 1).min(last), extent.rows);
    match sample.rest {
        Rest::Nothing => format!("{first}–{last} of {rows}"),
        Rest::More => format!("{first}–{last} of the first {rows} by {}", view.sort.column.server_order()),
    }
}

/// The end of what is typed, which is where the operator types.
fn prompt(text: &str, width: usize) -> String {
    let text = visible(text);
    let room = width.saturating_sub("filter: _".len());
    let hidden = text.char_indices().map(|(at, _)| at).find(|at| text[*at..].width() <= room).unwrap_or(text.len());
    format!("filter: {}_", &text[hidden..])
}

#[cfg(test)]
mod tests;
