//! `signalhub top`.

mod answers;
mod column;
mod filter;
mod format;
mod sample;
mod screen;
mod server;
mod terminal;
mod view;

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use clap::Args;
use crossterm::event::{Event, KeyEventKind};
use tokio::sync::{mpsc, watch};

use crate::commands::admin_client::{AdminArguments, AdminError};
use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::configuration::parse_duration;
use crate::shutdown;
use column::Column;
use filter::Filter;
use sample::Sample;
use screen::Latest;
use server::Question;
use terminal::{Colours, Terminal};
use view::{Extent, Step, View};

/// The shortest time between two questions.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How long to wait between two looks at the server
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = interval)]
    interval: Duration,
    /// The column by which the table is sorted
    #[arg(long, value_name = "COLUMN", default_value = "queued")]
    sort: Column,
    /// The connections to show: the name of a user, or words such as organisation=acme, event=NAME, transport=ws, slow
    #[arg(long, default_value = "", value_parser = Filter::parse)]
    filter: Filter,
    /// How many connections to ask for
    #[arg(long, value_name = "NUMBER", default_value = "100", value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// Print the table once, as happens without a terminal
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

/// Shows the node and its connections, until the operator quits.
pub(crate) async fn run(sources: &Sources, arguments: Arguments) -> Result<(), CommandError> {
    let client = arguments.admin.client(sources)?;
    let mut view = View::new(arguments.sort);
    view.filter = arguments.filter;
    let question = Question::new(arguments.sort, view.filter.clone(), arguments.limit);
    if arguments.once || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        let sample = server::ask(&client, &question).await?;
        return print(&view, &sample);
    }
    let (ask, questions) = watch::channel(question);
    let (sender, answers) = mpsc::channel(1);
    let url = client.url().to_owned();
    tokio::spawn(server::ask_repeatedly(client, arguments.interval, questions, sender));
    let shutdown = shutdown::requested().map_err(CommandError::no)?;
    let terminal = Terminal::enter(Colours::wanted()).map_err(CommandError::no)?;
    let mut live = Live { url, view, latest: Latest::default(), terminal, ask, answers };
    tokio::select! {
        result = live.run() => result,
        () = shutdown => Ok(()),
    }
}

fn print(view: &View, sample: &Sample) -> Result<(), CommandError> {
    let width = if io::stdout().is_terminal() { crossterm::terminal::size().ok() } else { None };
    let text = screen::print(view, sample, width.map_or(usize::MAX, |(width, _)| width.into()));
    match io::stdout().write_all(text.as_bytes()) {
        // The reader, such as `head`, has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(CommandError::no),
    }
}

/// The table on a terminal.
struct Live {
    url: String,
    view: View,
    latest: Latest,
    terminal: Terminal,
    ask: watch::Sender<Question>,
    answers: mpsc::Receiver<Result<Sample, AdminError>>,
}

impl Live {
    /// Shows what the server answers and does what is typed, until the operator quits or the server refuses to answer.
    async fn run(&mut self) -> Result<(), CommandError> {
        let mut events = terminal::events().map_err(CommandError::no)?;
        loop {
            let size = self.terminal.size().map_err(CommandError::no)?;
            let lines = screen::draw(&mut self.view, &self.latest, size);
            self.terminal.paint(lines).map_err(CommandError::no)?;
            tokio::select! {
                event = events.recv() => {
                    // Without a reader no key would ever quit.
                    let Some(event) = event else { return Ok(()) };
                    let extent = screen::extent(&self.latest, size);
                    if self.receive(&event.map_err(CommandError::no)?, extent) == Step::Quit {
                        return Ok(());
                    }
                }
                answer = self.answers.recv() => match answer {
                    Some(answer) => self.take(answer)?,
                    None => return Err(CommandError::no("the server is no longer asked")),
                },
            }
        }
    }

    /// Does what a key stands for. A new size is seen when the screen is drawn again.
    fn receive(&mut self, event: &Event, extent: Extent) -> Step {
        let step = match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.view.press(*key, extent),
            _ => Step::Continue,
        };
        self.ask.send_if_modified(|question| {
            let next = Question {
                order: self.view.sort.column.server_order(),
                filter: self.view.filter.clone(),
                limit: question.limit,
                sampling: self.view.sampling,
            };
            let changes = *question != next;
            *question = next;
            changes
        });
        step
    }

    /// Takes an answer over. A server that does not answer may come back; one that refuses will refuse again.
    fn take(&mut self, answer: Result<Sample, AdminError>) -> Result<(), CommandError> {
        match answer {
            Ok(mut sample) => {
                if let Some(earlier) = &self.latest.sample {
                    sample.compare(earlier);
                }
                self.latest = Latest { sample: Some(sample), failure: None };
                Ok(())
            }
            Err(error) if error.is_refusal_of_credentials() => Err(error.into()),
            Err(error) => {
                let reason = match error {
                    AdminError::Unreachable { reason, .. } => reason,
                    error => error.to_string(),
                };
                self.latest.failure = Some(format!("no answer from {}: {reason}; trying again", self.url));
                Ok(())
            }
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).filter(|interval| *interval >= SHORTEST_INTERVAL);
    interval.ok_or_else(|| "expected a length of time of at least 100ms, such as 2s".to_owned())
}
