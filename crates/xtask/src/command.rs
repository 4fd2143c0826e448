//! Child processes: their output is passed on line by line, and the test counts in it are read.

use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use crate::counts::Counts;
use crate::output::{joined, output};

/// The cargo that runs us, so that a gate uses no other toolchain.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Prints one line.
pub(crate) fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// Runs a command to its end; an exit code other than 0 is an error.
pub(crate) fn run(command: &mut Command) -> io::Result<()> {
    announce(command)?;
    let status = command.status().map_err(|error| cannot_start(command, &error))?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("{} ended with {status}", shown(command))))
}

/// Runs a command to its end and adds up what `count` reads in the lines of its standard output.
///
/// A command that fails without a failed case, because it did not compile or was killed, counts as one failed case. A command that
/// succeeds without any case has tested nothing, which is an error.
pub(crate) fn run_counted(command: &mut Command, count: fn(&str) -> Option<Counts>) -> io::Result<Counts> {
    announce(command)?;
    command.stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| cannot_start(command, &error))?;
    let mut sum = Counts::default();
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            io::stdout().write_all(&line)?;
            if let Some(counts) = count(String::from_utf8_lossy(&line).trim_end()) {
                sum += counts;
            }
            line.clear();
        }
    }
    judged(command, child.wait()?, sum)
}

/// Runs commands at the same time, prints what each has printed, one after another, and adds up their counts as [`run_counted`] does.
pub(crate) fn run_counted_together(commands: &mut [Command], count: fn(&str) -> Option<Counts>) -> io::Result<Counts> {
    thread::scope(|scope| {
        let running: Vec<_> = commands.iter_mut().map(|command| scope.spawn(|| (output(command), command))).collect();
        let mut sum = Counts::default();
        for command in running {
            let (ended, command) = joined(command.join().map(Ok))?;
            announce(command)?;
            let (status, lines) = ended.map_err(|error| cannot_start(command, &error))?;
            lines.iter().try_for_each(|line| say(line))?;
            let mut counts = Counts::default();
            lines.iter().filter_map(|line| count(line.trim_end())).for_each(|more| counts += more);
            sum += judged(command, status, counts)?;
        }
        Ok(sum)
    })
}

/// The counts of a command that has ended.
fn judged(command: &Command, status: ExitStatus, mut counts: Counts) -> io::Result<Counts> {
    match (status.success(), counts) {
        (true, counts) if counts.is_empty() => Err(io::Error::other(format!("{} tested nothing", shown(command)))),
        (false, Counts { failed: 0, .. }) => {
            say(&format!("{} ended with {status}", shown(command)))?;
            counts += Counts::FAILED;
            Ok(counts)
        }
        _ => Ok(counts),
    }
}

/// What a command printed on its standard output, and whether it succeeded.
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) succeeded: bool,
}

/// Runs a command to its end and reads its standard output, which is passed on.
pub(crate) fn run_read(command: &mut Command) -> io::Result<Output> {
    announce(command)?;
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| cannot_start(command, &error))?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            say(&line)?;
            text.push_str(&line);
            text.push('\n');
        }
    }
    Ok(Output { text, succeeded: child.wait()?.success() })
}

/// Whether a command is installed and succeeds. Its output is dropped.
pub(crate) fn works(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn announce(command: &Command) -> io::Result<()> {
    say(&format!("$ {}", shown(command)))
}

fn cannot_start(command: &Command, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot be started: {error}", shown(command)))
}

#[cfg(test)]
mod tests;
