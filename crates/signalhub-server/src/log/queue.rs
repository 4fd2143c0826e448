//! A bounded queue of log lines, and a thread that writes them to their stream.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

use super::fields::escape_json;

/// How many bytes may wait to be written; further lines are dropped. As many may be in the thread at the same time.
const CAPACITY: usize = 1024 * 1024;

/// A buffer that has grown beyond this for a burst is not kept.
const KEPT: usize = 64 * 1024;

/// After what time a stream that would block is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// Lines that were not written, since the process began.
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Counts the lines of the log that were dropped so far, because its stream failed or took too little.
pub(crate) fn dropped_lines() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Takes lines without waiting.
#[derive(Clone, Debug)]
pub(super) struct LogQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<Lines>,
    /// Woken when there is something to write, and when all was written.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    /// Whether the thread is writing what it took before.
    is_writing: bool,
}

impl LogQueue {
    /// Starts the thread that writes.
    pub(super) fn start(stream: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Writer { shared: Arc::clone(&shared), stream, torn: false, told: dropped_lines() };
        thread::Builder::new().name("log".to_owned()).spawn(|| writer.run())?;
        Ok(Self(shared))
    }

    pub(super) fn push(&self, line: &[u8]) {
        let mut lines = self.0.lock();
        if lines.waiting.len() + line.len() > CAPACITY {
            DROPPED.fetch_add(1, Ordering::Relaxed);
            return;
        }
        lines.waiting.extend_from_slice(line);
        drop(lines);
        self.0.changed.notify_all();
    }

    /// Waits until everything is written, at most for this time.
    pub(super) fn flush(&self, timeout: Duration) {
        let is_busy = |lines: &mut Lines| lines.is_writing || !lines.waiting.is_empty();
        let _ = self.0.changed.wait_timeout_while(self.0.lock(), timeout, is_busy);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// A line comes in one piece.
impl Write for LogQueue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The same for lines of JSON.
#[derive(Clone, Debug)]
pub(super) struct JsonLines(pub(super) LogQueue);

impl<'a> MakeWriter<'a> for JsonLines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Write for JsonLines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(escape_json(&String::from_utf8_lossy(line)).as_bytes());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn count_dropped(lines: &[u8]) {
    DROPPED.fetch_add(lines.iter().filter(|byte| **byte == b'\n').count() as u64, Ordering::Relaxed);
}

/// The thread's side.
struct Writer<S> {
    shared: Arc<Shared>,
    stream: S,
    /// Whether the last line was cut off, so that the next one does not begin a line.
    torn: bool,
    /// How many dropped lines the log has reported.
    told: u64,
}

impl<S: Write> Writer<S> {
    fn run(mut self) {
        let mut taken = Vec::new();
        loop {
            {
                let mut lines = self.shared.lock();
                lines.is_writing = false;
                self.shared.changed.notify_all();
                let is_empty = |lines: &mut Lines| lines.waiting.is_empty();
                let mut lines = self.shared.changed.wait_while(lines, is_empty).unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut lines.waiting, &mut taken);
                lines.is_writing = true;
            }
            if self.write(&taken) {
                self.tell_dropped();
            }
            taken.clear();
            taken.shrink_to(KEPT);
        }
    }

    /// Writes lines, and counts those that the stream does not take; `false` when there are such.
    fn write(&mut self, lines: &[u8]) -> bool {
        if self.torn && self.write_some(b"\n") == 0 {
            count_dropped(lines);
            return false;
        }
        let written = self.write_some(lines);
        self.torn = written > 0 && lines[written - 1] != b'\n';
        count_dropped(&lines[written..]);
        written == lines.len()
    }

    /// Writes as much as the stream takes before it fails.
    fn write_some(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(count) if count > 0 => written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(RETRY),
                Ok(_) | Err(_) => break,
            }
        }
        written
    }

    /// Reports dropped lines in the log once it can be written again.
    fn tell_dropped(&mut self) {
        let dropped = dropped_lines();
        let lines = dropped - self.told;
        if lines > 0 {
            self.told = dropped;
            tracing::warn!(
                lines,
                "lines of the log were dropped, because it could not be written fast enough or at all"
            );
        }
    }
}
