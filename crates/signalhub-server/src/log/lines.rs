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
pub(super) struct Warnings(Mutex<HashMap<(Identifier, u64), Warned>>);

#[derive(Debug)]
struct Warned {
    at: Instant,
    hidden: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Admitted {
    Shown { hidden: u64 },
    Hidden,
}

impl Warnings {
    /// Decides whether a line is written. Two warnings are the same if the same code gives the same message; their fields may differ.
    fn admit(&self, event: &Event<'_>, now: Instant) -> Admitted {
        if *event.metadata().level() != Level::WARN {
            return Admitted::Shown { hidden: 0 };
        }
        let mut message = Message(DefaultHasher::new());
        event.record(&mut message);
        let key = (event.metadata().callsite(), message.0.finish());
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(warned) = warned.get_mut(&key) {
            if now.duration_since(warned.at) < INTERVAL {
                warned.hidden += 1;
                return Admitted::Hidden;
            }
            warned.at = now;
            return Admitted::Shown { hidden: std::mem::take(&mut warned.hidden) };
        }
        if warned.len() >= REMEMBERED {
            warned.retain(|_, warned| now.duration_since(warned.at) < INTERVAL);
        }
        if warned.len() < REMEMBERED {
            warned.insert(key, Warned { at: now, hidden: 0 });
        }
        Admitted::Shown { hidden: 0 }
    }
}

/// Hashes the message of a line.
struct Message(DefaultHasher);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            format!("{value:?}").hash(&mut self.0);
        }
    }
}
