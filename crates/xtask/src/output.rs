//! Child processes whose output is kept instead of passed on.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How many lines of output are kept: the last ones.
const KEPT_LINES: usize = 20_000;

/// What a process printed to both of its streams.
pub(crate) type Lines = VecDeque<String>;

/// What a thread that waited for a process returned.
pub(crate) fn joined<T>(result: thread::Result<io::Result<T>>) -> io::Result<T> {
    result.unwrap_or_else(|_| Err(io::Error::other("the thread that waited for a process panicked")))
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn output(command: &mut Command) -> io::Result<(ExitStatus, Lines)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let lines = Arc::default();
    let stdout = child.stdout.take().map(|stream| keep(stream, &lines));
    let stderr = child.stderr.take().map(|stream| keep(stream, &lines));
    let status = child.wait()?;
    for reader in stdout.into_iter().chain(stderr) {
        // If a reader panicked, the lines that it kept are still there.
        drop(reader.join());
    }
    let lines = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((status, lines))
}

/// Reads a stream to its end, line by line.
fn keep(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Lines>>) -> thread::JoinHandle<()> {
    let lines = Arc::clone(lines);
    thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == KEPT_LINES {
                lines.pop_front();
            }
            lines.push_back(String::from_utf8_lossy(&line).into_owned());
        }
    })
}

#[cfg(test)]
mod tests;
