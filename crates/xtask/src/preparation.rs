//! What gates install and compile, done beforehand while other gates run.
//!
//! Nothing depends on it: a gate does again what its preparation failed to do, and fails itself.

use std::io;
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use crate::command::works;
use crate::gate::Gate;
use crate::output::{Lines, output};
use crate::own_program;

/// The preparations of the gates of one run. They are done one after another, in the order of the gates, each in a process of
/// this program that yields the processor to everything else.
pub(crate) struct Preparations {
    /// What the preparations print, in the order of the gates.
    ended: Receiver<(&'static str, Lines)>,
    /// The gates whose preparations have not ended.
    waiting: Vec<&'static str>,
}

impl Preparations {
    /// Starts the preparations. A gate that runs alone needs none.
    pub(crate) fn start(gates: &[Gate]) -> io::Result<Self> {
        let program = own_program::PATH.clone();
        let prepared = gates.iter().filter(|gate| gates.len() > 1 && gate.prepare.is_some());
        let waiting: Vec<&'static str> = prepared.map(|gate| gate.name).collect();
        let (sender, ended) = sync_channel(waiting.len());
        let names = waiting.clone();
        thread::spawn(move || {
            for name in names {
                let mut command = yielding();
                command.arg(&program).args(["prepare", name]);
                let lines = match output(&mut command) {
                    Ok((_, lines)) => lines,
                    Err(error) => [format!("{name} is not prepared: {error}")].into(),
                };
                // The run ended with an error, which has been reported.
                drop(sender.send((name, lines)));
            }
        });
        Ok(Self { ended, waiting })
    }

    /// Waits until a gate is prepared, and returns what was printed since the last call.
    pub(crate) fn wait(&mut self, gate: &Gate) -> Lines {
        let mut printed = Lines::new();
        while self.waiting.contains(&gate.name) {
            let Ok((name, lines)) = self.ended.recv() else { break };
            self.waiting.retain(|waiting| *waiting != name);
            printed.push_back(format!("--- preparation of {name}"));
            printed.extend(lines);
        }
        printed
    }
}

/// What runs a program in the time that no other program needs: with a low priority alone it still takes a good part of the
/// processor from gates that compile, while it finds enough of it beside those that wait.
fn yielding() -> Command {
    let (program, arguments) = match works(Command::new("chrt").args(["--idle", "0", "true"])) {
        true => ("chrt", ["--idle", "0"]),
        false => ("nice", ["-n", "19"]),
    };
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

#[cfg(test)]
mod tests;
