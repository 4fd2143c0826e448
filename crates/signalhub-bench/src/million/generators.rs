//! The generators, as the command sees them: processes that get orders and give answers.

use std::env;
use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::ChildStdin;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::children::Children;
use super::orders::{Answer, Order, Setup};

/// The hidden command of this program that is a generator.
pub(super) const COMMAND: &str = "million-clients";

/// All generators.
pub(super) struct Generators {
    inputs: Vec<ChildStdin>,
    pub(super) processes: Vec<u32>,
    answers: Receiver<(usize, io::Result<Answer>)>,
    sender: Sender<(usize, io::Result<Answer>)>,
}

impl Default for Generators {
    fn default() -> Self {
        let (sender, answers) = channel(1024);
        Self { inputs: Vec::new(), processes: Vec::new(), answers, sender }
    }
}

impl Generators {
    pub(super) fn count(&self) -> usize {
        self.inputs.len()
    }

    /// The address that the connections of the next generator come from: one of its own, in 127.0.0.0/8.
    pub(super) fn next_source(&self) -> Ipv4Addr {
        let [.., high, low] = u32::try_from(self.count() + 1).unwrap_or_default().to_be_bytes();
        Ipv4Addr::new(127, 1, high, low)
    }

    /// Starts one more, which begins to open its connections.
    pub(super) async fn add(&mut self, children: &mut Children, setup: &Setup) -> io::Result<()> {
        let (number, sender) = (self.count(), self.sender.clone());
        let started = children.start(format!("generator {number}"), &env::current_exe()?, [COMMAND], &[])?;
        self.inputs.push(started.input);
        self.processes.push(started.process);
        let mut output = BufReader::new(started.output).lines();
        let mut errors = BufReader::new(started.errors).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = output.next_line().await {
                let answer = serde_json::from_str(&line).map_err(io::Error::other);
                if sender.send((number, answer)).await.is_err() {
                    return;
                }
            }
            let mut problem = format!("generator {number} has ended");
            while let Ok(Some(line)) = errors.next_line().await {
                problem = line;
            }
            // The command has ended, too.
            drop(sender.send((number, Err(io::Error::other(problem)))).await);
        });
        self.write(number, setup).await
    }

    /// Gives one of them an order.
    pub(super) async fn order(&mut self, number: usize, order: &Order) -> io::Result<()> {
        self.write(number, order).await
    }

    /// Gives all of them an order.
    pub(super) async fn order_all(&mut self, order: &Order) -> io::Result<()> {
        for number in 0..self.count() {
            self.order(number, order).await?;
        }
        Ok(())
    }

    /// Waits for the next answer. Returns `None` if the time is over.
    pub(super) async fn next(&mut self, time: Duration) -> io::Result<Option<(usize, Answer)>> {
        match timeout(time, self.answers.recv()).await {
            Ok(Some((number, answer))) => Ok(Some((number, answer?))),
            Ok(None) | Err(_) => Ok(None),
        }
    }

    /// Takes one answer of this kind from each generator, and drops others.
    pub(super) async fn all<T>(&mut self, time: Duration, pick: impl Fn(Answer) -> Option<T>) -> io::Result<Vec<T>> {
        let mut picked = Vec::new();
        while picked.len() < self.count() {
            let Some((_, answer)) = self.next(time).await? else {
                let missing = self.count() - picked.len();
                return Err(io::Error::other(format!("{missing} generators did not answer")));
            };
            picked.extend(pick(answer));
        }
        Ok(picked)
    }

    async fn write(&mut self, number: usize, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        self.inputs[number].write_all(&line).await
    }
}
