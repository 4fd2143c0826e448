//! The terminal while the table is on it, and how it is given back.

use std::io::{self, Stdout, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event};
use crossterm::style::{Attribute, Color, Print, ResetColor, SetAttribute, SetForegroundColor};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use tokio::sync::mpsc;

use super::format::{Alignment, fitted};
use super::screen::{Line, Size, Style};

/// The terminal in the mode for whole screens. Dropping it, or a panic in any thread, gives the terminal back as it was.
#[derive(Debug)]
pub(super) struct Terminal {
    out: Stdout,
    colours: Colours,
    size: Size,
    /// What is on the screen.
    shown: Vec<Line>,
}

/// Whether the terminal has to be given back. It is the one of the process. A second return would put the cursor where it was
/// before, and what was written since then, such as the report of a panic, would be overwritten.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Whether lines are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colours {
    Some,
    None,
}

impl Colours {
    /// Reads the variable `NO_COLOR`, which any content but none switches on.
    pub(super) fn wanted() -> Self {
        let has_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if has_none { Self::None } else { Self::Some }
    }
}

impl Terminal {
    /// Takes the terminal over.
    pub(super) fn enter(colours: Colours) -> io::Result<Self> {
        let size = current_size()?;
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::Release);
        // From here on its end gives the terminal back, also when the next step fails.
        let mut terminal = Self { out: io::stdout(), colours, size, shown: Vec::new() };
        restore_before_panics();
        execute!(terminal.out, EnterAlternateScreen, Hide, DisableLineWrap, Clear(ClearType::All))?;
        Ok(terminal)
    }

    /// Reads the size. This does not wait for the report of a change: crossterm takes one event of each look at the terminal and the
    /// signals, so that a report may be lost that comes at the same moment as a key, and the key be read with the next one.
    pub(super) fn size(&mut self) -> io::Result<Size> {
        let size = current_size()?;
        if size != self.size {
            self.size = size;
            self.shown.clear();
            queue!(self.out, Clear(ClearType::All))?;
        }
        Ok(size)
    }

    /// Shows these lines, and writes only those that have changed.
    pub(super) fn paint(&mut self, lines: Vec<Line>) -> io::Result<()> {
        queue!(self.out, BeginSynchronizedUpdate)?;
        for (row, line) in lines.iter().enumerate().take(self.size.height) {
            let Ok(at) = u16::try_from(row) else { break };
            if self.shown.get(row) != Some(line) {
                queue!(self.out, MoveTo(0, at))?;
                write_line(&mut self.out, line, self.size.width, self.colours)?;
            }
        }
        queue!(self.out, EndSynchronizedUpdate)?;
        self.out.flush()?;
        self.shown = lines;
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Writes a line over the whole width, so that nothing of the line before stays.
fn write_line(out: &mut impl Write, line: &Line, width: usize, colours: Colours) -> io::Result<()> {
    match line.style {
        Style::Plain => {}
        Style::Title => queue!(out, SetAttribute(Attribute::Bold))?,
        Style::Heading => queue!(out, SetAttribute(Attribute::Reverse))?,
        Style::Quiet => queue!(out, SetAttribute(Attribute::Dim))?,
        Style::Warning | Style::Alarm => {
            queue!(out, SetAttribute(Attribute::Bold))?;
            if colours == Colours::Some {
                let colour = if line.style == Style::Alarm { Color::Red } else { Color::Yellow };
                queue!(out, SetForegroundColor(colour))?;
            }
        }
    }
    queue!(out, Print(fitted(&line.text, width, Alignment::Left)), SetAttribute(Attribute::Reset))?;
    if colours == Colours::Some { queue!(out, ResetColor) } else { Ok(()) }
}

/// Receives what is typed, and changes of the size, in a thread that ends with the process.
pub(super) fn events() -> io::Result<mpsc::Receiver<io::Result<Event>>> {
    let (sender, receiver) = mpsc::channel(64);
    let read = move || {
        loop {
            let event = event::read();
            let is_last = event.is_err();
            if sender.blocking_send(event).is_err() || is_last {
                break;
            }
        }
    };
    thread::Builder::new().name("terminal".to_owned()).spawn(read)?;
    Ok(receiver)
}

/// Gives the terminal back before a panic is reported, so that the report can be read.
fn restore_before_panics() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        restore();
        report(panic);
    }));
}

/// Gives the terminal back. What fails here has no other place to be reported.
fn restore() {
    if !IS_TAKEN.swap(false, Ordering::AcqRel) {
        return;
    }
    let _ = execute!(io::stdout(), EndSynchronizedUpdate, EnableLineWrap, Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

fn current_size() -> io::Result<Size> {
    let (width, height) = size()?;
    Ok(Size { width: usize::from(width), height: usize::from(height) })
}

#[cfg(test)]
mod tests;
