//! How far a command is, on stderr: one line that changes on a terminal, and now and then a line elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

/// How often the line of a terminal changes.
const REFRESH: Duration = Duration::from_millis(200);

/// How often a line is written where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(5);

/// Shows how far a command is. Dropping it removes the line of a terminal.
#[derive(Debug)]
pub(crate) struct Progress {
    start: Instant,
    shown: Instant,
    style: Style,
    is_line_open: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// One line, written again and again.
    Terminal,
    /// A log.
    Lines,
    /// Nothing.
    Off,
}

impl Progress {
    /// Shows the progress on stderr.
    pub(crate) fn on_stderr() -> Self {
        Self::new(if io::stderr().is_terminal() { Style::Terminal } else { Style::Lines })
    }

    /// Shows it on stderr, but not if the terminal shows the output of the command as well.
    pub(crate) fn beside_output() -> Self {
        if io::stdout().is_terminal() { Self::new(Style::Off) } else { Self::on_stderr() }
    }

    fn new(style: Style) -> Self {
        let now = Instant::now();
        Self { start: now, shown: now, style, is_line_open: false }
    }

    /// Shows a text with the elapsed time, unless one was shown a moment ago.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        let interval = match self.style {
            Style::Terminal => REFRESH,
            Style::Lines => INTERVAL,
            Style::Off => return,
        };
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        let line = format!("{} s  {}", self.start.elapsed().as_secs(), text());
        // A closed stderr shows nothing, and is no reason to stop.
        match self.style {
            Style::Terminal => {
                let _ = write!(io::stderr(), "\r\x1b[K{line}").and_then(|()| io::stderr().flush());
                self.is_line_open = true;
            }
            Style::Lines | Style::Off => drop(writeln!(io::stderr(), "{line}")),
        }
    }

    /// Does something of which only the elapsed time is known.
    pub(crate) fn during<T>(mut self, text: &str, work: impl FnOnce() -> T) -> T {
        let (done, end) = sync_channel::<()>(0);
        thread::scope(|scope| {
            scope.spawn(move || {
                while end.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
                    self.show(|| text.to_owned());
                }
            });
            let result = work();
            drop(done);
            result
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_line_open {
            let _ = write!(io::stderr(), "\r\x1b[K").and_then(|()| io::stderr().flush());
        }
    }
}
