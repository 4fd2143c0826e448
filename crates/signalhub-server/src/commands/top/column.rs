//! The columns of the table: what is in them, how they are sorted, and which of them a narrow terminal shows.

use std::cmp::Ordering;
use std::time::Duration;

use clap::ValueEnum;
use unicode_width::UnicodeWidthStr;

use super::format::{Alignment, NONE, byte_rate, bytes, count, duration, rate, seconds, visible};
use super::sample::{Row, RowRates};

/// A column, in the order in which they are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Column {
    User,
    Id,
    Organisation,
    Transport,
    Protocol,
    Address,
    Subscriptions,
    Queued,
    Oldest,
    Sent,
    Received,
    Deliveries,
    Idle,
    Age,
}

/// Whether the columns of what was sent and received count from the beginning of a connection, or by the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amounts {
    Totals,
    Rates,
}

/// By what the table is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: Column,
    pub(super) direction: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The largest number first, or the first name in the alphabet.
    Natural,
    Reversed,
}

/// What rows are compared by.
enum Key {
    Number(f64),
    Text(String),
}

/// Between two columns.
const GAP: usize = 2;

/// Which columns stay when there is no room for all, the most important first.
const BY_IMPORTANCE: [Column; 14] = [
    Column::User,
    Column::Queued,
    Column::Id,
    Column::Sent,
    Column::Deliveries,
    Column::Subscriptions,
    Column::Age,
    Column::Transport,
    Column::Idle,
    Column::Organisation,
    Column::Address,
    Column::Oldest,
    Column::Received,
    Column::Protocol,
];

impl Column {
    pub(super) fn title(self, amounts: Amounts) -> &'static str {
        match (self, amounts) {
            (Self::User, _) => "USER",
            (Self::Id, _) => "ID",
            (Self::Organisation, _) => "ORG",
            (Self::Transport, _) => "VIA",
            (Self::Protocol, _) => "PROTO",
            (Self::Address, _) => "ADDRESS",
            (Self::Subscriptions, _) => "SUBS",
            (Self::Queued, _) => "QUEUED",
            (Self::Oldest, _) => "OLDEST",
            (Self::Sent, Amounts::Totals) => "SENT",
            (Self::Sent, Amounts::Rates) => "SENT/S",
            (Self::Received, Amounts::Totals) => "RECV",
            (Self::Received, Amounts::Rates) => "RECV/S",
            (Self::Deliveries, Amounts::Totals) => "DELIV",
            (Self::Deliveries, Amounts::Rates) => "DELIV/S",
            (Self::Idle, _) => "IDLE",
            (Self::Age, _) => "AGE",
        }
    }

    pub(super) fn alignment(self) -> Alignment {
        match self {
            Self::User | Self::Id | Self::Organisation | Self::Transport | Self::Protocol | Self::Address => {
                Alignment::Left
            }
            _ => Alignment::Right,
        }
    }

    /// The order that the server is asked for. It has four; the other columns sort the page with the longest queues.
    pub(super) fn server_order(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Sent => "sent",
            Self::Subscriptions => "subscriptions",
            _ => "queued",
        }
    }

    /// Its neighbour on the screen, around the end if there is none.
    pub(super) fn neighbour(self, side: Alignment) -> Self {
        let all = Self::value_variants();
        let at = all.iter().position(|column| *column == self).unwrap_or(0);
        let step = match side {
            Alignment::Left => all.len() - 1,
            Alignment::Right => 1,
        };
        all[(at + step) % all.len()]
    }

    /// The width that holds the title, the mark of the sorted column, and every number, or the beginning of a name.
    fn width(self) -> usize {
        match self {
            Self::Transport => 4,
            Self::Subscriptions | Self::Idle | Self::Age => 6,
            Self::Protocol | Self::Queued | Self::Oldest | Self::Sent | Self::Received => 7,
            Self::User | Self::Id | Self::Organisation | Self::Address | Self::Deliveries => 8,
        }
    }

    /// What stands in a row.
    pub(super) fn text(self, row: &Row, amounts: Amounts) -> String {
        let connection = &row.connection;
        let name = |name: &Option<String>| name.as_deref().map_or_else(|| NONE.to_owned(), visible);
        let per_second = |of: fn(RowRates) -> f64, write: fn(f64) -> String| {
            row.rates.map_or_else(|| NONE.to_owned(), |rates| write(of(rates)))
        };
        match (self, amounts) {
            (Self::User, _) => name(&connection.user),
            (Self::Id, _) => visible(&connection.id),
            (Self::Organisation, _) => name(&connection.organisation),
            (Self::Transport, _) => match connection.transport.as_deref() {
                Some("web_sockets") => "ws".to_owned(),
                Some("server_sent_events") => "sse".to_owned(),
                Some("long_polling") => "poll".to_owned(),
                _ => name(&connection.transport),
            },
            (Self::Protocol, _) => match connection.protocol.as_deref() {
                Some("messagepack") => "msgpack".to_owned(),
                _ => name(&connection.protocol),
            },
            (Self::Address, _) => name(&connection.address),
            (Self::Subscriptions, _) => connection.subscriptions.map_or_else(|| NONE.to_owned(), count),
            (Self::Queued, _) => bytes(connection.queued_bytes),
            (Self::Oldest, _) => length(connection.queued_oldest_seconds),
            (Self::Sent, Amounts::Totals) => bytes(connection.sent),
            (Self::Sent, Amounts::Rates) => per_second(|rates| rates.sent, byte_rate),
            (Self::Received, Amounts::Totals) => bytes(connection.received),
            (Self::Received, Amounts::Rates) => per_second(|rates| rates.received, byte_rate),
            (Self::Deliveries, Amounts::Totals) => count(connection.deliveries),
            (Self::Deliveries, Amounts::Rates) => per_second(|rates| rates.deliveries, rate),
            (Self::Idle, _) => length(connection.idle_seconds),
            (Self::Age, _) => row.age.map_or_else(|| NONE.to_owned(), duration),
        }
    }

    fn key(self, row: &Row, amounts: Amounts) -> Key {
        let connection = &row.connection;
        let text = |text: &Option<String>| Key::Text(text.clone().unwrap_or_default());
        let number = |number: u64| Key::Number(Duration::from_secs(number).as_secs_f64());
        let of = |of: fn(RowRates) -> f64| Key::Number(row.rates.map_or(-1.0, of));
        match (self, amounts) {
            (Self::User, _) => text(&connection.user),
            (Self::Id, _) => Key::Text(connection.id.clone()),
            (Self::Organisation, _) => text(&connection.organisation),
            (Self::Transport, _) => text(&connection.transport),
            (Self::Protocol, _) => text(&connection.protocol),
            (Self::Address, _) => text(&connection.address),
            (Self::Subscriptions, _) => connection.subscriptions.map_or(Key::Number(-1.0), number),
            (Self::Queued, _) => number(connection.queued_bytes),
            (Self::Oldest, _) => Key::Number(connection.queued_oldest_seconds.unwrap_or(-1.0)),
            (Self::Sent, Amounts::Totals) => number(connection.sent),
            (Self::Sent, Amounts::Rates) => of(|rates| rates.sent),
            (Self::Received, Amounts::Totals) => number(connection.received),
            (Self::Received, Amounts::Rates) => of(|rates| rates.received),
            (Self::Deliveries, Amounts::Totals) => number(connection.deliveries),
            (Self::Deliveries, Amounts::Rates) => of(|rates| rates.deliveries),
            (Self::Idle, _) => Key::Number(connection.idle_seconds.unwrap_or(-1.0)),
            (Self::Age, _) => Key::Number(row.age.map_or(-1.0, |age| age.as_secs_f64())),
        }
    }
}

impl Sort {
    /// Returns the rows in this order. Rows that are equal are in the order of their ids, so that they keep their places.
    pub(super) fn sorted(self, rows: &[Row], amounts: Amounts) -> Vec<&Row> {
        let mut keyed: Vec<(Key, &Row)> = rows.iter().map(|row| (self.column.key(row, amounts), row)).collect();
        keyed.sort_by(|(a, first), (b, second)| {
            let order = natural(a, b);
            let order = if self.direction == Direction::Reversed { order.reverse() } else { order };
            order.then_with(|| first.connection.id.cmp(&second.connection.id))
        });
        keyed.into_iter().map(|(_, row)| row).collect()
    }
}

/// The largest number first; texts by the alphabet.
fn natural(a: &Key, b: &Key) -> Ordering {
    match (a, b) {
        (Key::Number(a), Key::Number(b)) => b.total_cmp(a),
        (Key::Text(a), Key::Text(b)) => a.cmp(b),
        // One column has keys of one kind.
        (Key::Number(_), Key::Text(_)) => Ordering::Less,
        (Key::Text(_), Key::Number(_)) => Ordering::Greater,
    }
}

fn length(length: Option<f64>) -> String {
    length.map_or_else(|| NONE.to_owned(), |length| duration(seconds(length)))
}

/// Chooses the columns that fit into a width, and how wide each is. The sorted one always stays; names get the room that is left.
pub(super) fn layout(rows: &[&Row], sorted: Column, amounts: Amounts, width: usize) -> Vec<(Column, usize)> {
    let mut room = width;
    let mut widths: Vec<(Column, usize)> = Vec::new();
    let others = BY_IMPORTANCE.iter().copied().filter(|column| *column != sorted);
    for column in std::iter::once(sorted).chain(others) {
        let needed = column.width() + if widths.is_empty() { 0 } else { GAP };
        if let Some(left) = room.checked_sub(needed) {
            room = left;
            widths.push((column, column.width()));
        }
    }
    for (column, width) in widths.iter_mut().filter(|(column, _)| column.alignment() == Alignment::Left) {
        let longest = rows.iter().map(|row| column.text(row, amounts).width()).max().unwrap_or(0);
        let more = longest.saturating_sub(*width).min(room);
        *width += more;
        room -= more;
    }
    widths.sort_by_key(|(column, _)| *column as usize);
    widths
}

/// Joins what stands in the columns of one line.
pub(super) fn line(columns: &[(Column, usize)], text: impl Fn(Column) -> String) -> String {
    let cell = |(column, width): &(Column, usize)| super::format::fitted(&text(*column), *width, column.alignment());
    columns.iter().map(cell).collect::<Vec<_>>().join(&" ".repeat(GAP))
}
