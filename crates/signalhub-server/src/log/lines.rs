//! How lines are formatted: those of the access log with their members only, and the same warning once a second.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// The target of the access log: one line for each connection that ends, and for each notification of a publisher.
pub(crate) const ACCESS: &str = "signalhub::access";

/// For how long a warning that was written hides those that are the same.
const INTERVAL: Duration = Duration::from_secs(1);

/// How many warnings are remembered.
const REMEMBERED: usize = 1_024;

/// Formats lines with one of two formats.
pub(super) struct Lines<F, A> {
    pub(super) lines: F,
    pub(super) access: A,
    pub(super) warnings: Warnings,
}

impl<S, N, F, A> FormatEvent<S, N> for Lines<F, A>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
    A: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if event.metadata().target() == ACCESS {
            return self.access.format_event(context, writer, event);
        }
        match self.warnings.admit(event, Instant::now()) {
            Admitted::Hidden => Ok(()),
            Admitted::Shown { hidden: 0 } => self.lines.format_event(context, writer, event),
            Admitted::Shown { hidden } => {
                let mut line = String::new();
                self.lines.format_event(context, Writer::new(&mut line), event)?;
                writer.write_str(&with_hidden(&line, hidden))
            }
        }
    }
}

/// Adds to a finished line how many like it were hidden.
fn with_hidden(line: &str, hidden: u64) -> String {
    match line.strip_suffix("}\n").filter(|_| line.starts_with('{')) {
        Some(object) => format!("{object},\"hidden\":{hidden}}}\n"),
        None => format!("{} hidden={hidden}\n", line.trim_end_matches('\n')),
    }
}

/// The warnings that were written of late.
#[derive(Debug, Default)]
pub(super) struct Warnings(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    /// At most [`REMEMBERED`], by their code and by the hash of their message and fields.
    warnings: HashMap<(Identifier, u64), Warned>,
    /// What was hidden of each code without being told yet, because the warning itself is not remembered.
    others: HashMap<Identifier, Warned>,
}

#[derive(Debug)]
struct Warned {
    at: Instant,
    hidden: u64,
}

impl Warned {
    fn admit(&mut self, now: Instant) -> Admitted {
        if now.duration_since(self.at) < INTERVAL {
            self.hidden += 1;
            return Admitted::Hidden;
        }
        self.at = now;
        Admitted::Shown { hidden: std::mem::take(&mut self.hidden) }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Admitted {
    Shown { hidden: u64 },
    Hidden,
}

impl Warnings {
    /// Decides whether a line is written. Two warnings are the same if the same code gives the same message and fields, but for the
    /// fields that [`Identity`] leaves out. When too many are remembered, all further ones of the same code are the same.
    fn admit(&self, event: &Event<'_>, now: Instant) -> Admitted {
        if *event.metadata().level() != Level::WARN {
            return Admitted::Shown { hidden: 0 };
        }
        let mut identity = Identity(DefaultHasher::new());
        event.record(&mut identity);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).admit(
            event.metadata().callsite(),
            identity.0.finish(),
            now,
        )
    }
}

impl Remembered {
    fn admit(&mut self, code: Identifier, identity: u64, now: Instant) -> Admitted {
        let key = (code.clone(), identity);
        let mut admitted = if let Some(warned) = self.warnings.get_mut(&key) {
            warned.admit(now)
        } else {
            self.make_room(now);
            if self.warnings.len() >= REMEMBERED {
                return self.others.entry(code).or_insert(Warned { at: before(now), hidden: 0 }).admit(now);
            }
            self.warnings.insert(key, Warned { at: now, hidden: 0 });
            Admitted::Shown { hidden: 0 }
        };
        // The next line of the same code tells what the others have hidden.
        if let (Admitted::Shown { hidden }, Some(others)) = (&mut admitted, self.others.get_mut(&code)) {
            *hidden += std::mem::take(&mut others.hidden);
        }
        admitted
    }

    /// Forgets old warnings if there are too many, but not how many were hidden.
    fn make_room(&mut self, now: Instant) {
        if self.warnings.len() < REMEMBERED {
            return;
        }
        for ((code, _), old) in self.warnings.extract_if(|_, warned| now.duration_since(warned.at) >= INTERVAL) {
            if old.hidden > 0 {
                self.others.entry(code).or_insert(Warned { at: old.at, hidden: 0 }).hidden += old.hidden;
            }
        }
    }
}

/// A time at which a warning hides none of now.
fn before(now: Instant) -> Instant {
    now.checked_sub(INTERVAL).unwrap_or(now)
}

/// Hashes the message of a line and its fields, but for numbers, times and ids, of which each line may have another one.
struct Identity(DefaultHasher);

impl Visit for Identity {
    fn record_f64(&mut self, _: &Field, _: f64) {}

    fn record_i64(&mut self, _: &Field, _: i64) {}

    fn record_u64(&mut self, _: &Field, _: u64) {}

    fn record_i128(&mut self, _: &Field, _: i128) {}

    fn record_u128(&mut self, _: &Field, _: u128) {}

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // The id of a connection: a client can have as many as it likes.
        if field.name() == "connection" {
            return;
        }
        let text = format!("{value:?}");
        if !is_duration(&text) {
            (field.name(), text).hash(&mut self.0);
        }
    }
}

/// Tells whether this is a [`Duration`] as it is written in the log, such as `1.5s`.
fn is_duration(text: &str) -> bool {
    let unit = text.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
    unit.len() < text.len() && matches!(unit, "ns" | "\u{b5}s" | "ms" | "s")
}
