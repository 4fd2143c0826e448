//! The log, on the standard error stream.
//!
//! Logging never blocks the server: a finished line is put into a bounded queue, and a thread of the log writes it. When the stream
//! fails or blocks, lines are dropped and counted.

mod fields;
mod filter;
mod lines;
mod queue;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::format;

use self::fields::EscapedFields;
pub(crate) use self::filter::change as change_filter;
pub(crate) use self::lines::ACCESS;
use self::lines::{Lines, Warnings};
pub(crate) use self::queue::dropped_lines;
use self::queue::{JsonLines, LogQueue};
use crate::configuration::{Log, LogFormat};

/// How long the process waits for a stream that blocks before it ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes what is still queued when it is dropped, as far as the stream accepts it within a second.
#[derive(Debug)]
pub(crate) struct LogGuard(Option<LogQueue>);

impl Drop for LogGuard {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.flush(FLUSH_TIMEOUT);
        }
    }
}

/// Starts the log; `RUST_LOG` wins over the configured level. A log that was started before stays.
pub(crate) fn start(log: &Log) -> LogGuard {
    let filter = filter::with_access(&filter::configured(log), filter::access(log));
    let Ok(queue) = LogQueue::start(io::stderr()) else {
        // Without a thread to write it there is no log, but the server runs.
        return LogGuard(None);
    };
    // Without this, tracing reports lines that it cannot write on the same stream, and panics if that fails.
    let builder = tracing_subscriber::fmt().log_internal_errors(false);
    let started = match log.format {
        LogFormat::Text => {
            let is_terminal = io::stderr().is_terminal();
            let lines = Lines {
                lines: format().with_ansi(is_terminal),
                access: format().with_ansi(is_terminal),
                warnings: Warnings::default(),
            };
            let builder = builder.fmt_fields(EscapedFields).with_ansi(is_terminal).event_format(lines);
            let builder = builder.with_writer(queue.clone()).with_env_filter(filter).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.try_init().map(|()| filter::remember(log, move |filter| handle.reload(filter).is_ok()))
        }
        LogFormat::Json => {
            let access = format().json().flatten_event(true).with_current_span(false).with_span_list(false);
            let lines = Lines { lines: format().json(), access, warnings: Warnings::default() };
            let builder = builder.json().event_format(lines).with_writer(JsonLines(queue.clone()));
            let builder = builder.with_env_filter(filter).with_filter_reloading();
            let handle = builder.reload_handle();
            builder.try_init().map(|()| filter::remember(log, move |filter| handle.reload(filter).is_ok()))
        }
    };
    if let Err(error) = started {
        tracing::debug!(%error, "the log runs already");
        return LogGuard(None);
    }
    panic::set_hook(Box::new(log_panic));
    LogGuard(Some(queue))
}

/// Logs a panic like everything else: the standard hook would wait for a stream that blocks.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let payload = panic.payload();
    let message = payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref().map(String::as_str));
    let message = message.unwrap_or("a value that is no text");
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    match backtrace.status() {
        BacktraceStatus::Captured => tracing::error!(panic = message, place, %backtrace, "a task panicked"),
        _ => tracing::error!(panic = message, place, "a task panicked"),
    }
}

/// Escapes what cannot be seen, but for the ends of lines: a text may repeat what a server has answered.
pub(crate) fn escaped_lines(text: &str) -> String {
    text.split('\n').map(fields::escaped).collect::<Vec<_>>().join("\n")
}

/// Writes to a stream that may fail or block, and waits a second at most.
pub(crate) fn write_with_timeout(mut out: impl Write + Send + 'static, text: String) {
    let (done, written) = mpsc::sync_channel(1);
    let write = move || {
        // There is no other place to report the error to.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        let _ = done.send(());
    };
    if thread::Builder::new().name("print".to_owned()).spawn(write).is_ok() {
        let _ = written.recv_timeout(FLUSH_TIMEOUT);
    }
}

#[cfg(test)]
mod tests;
