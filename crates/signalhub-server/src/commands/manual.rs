//! `signalhub manual`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;

use crate::commands::error::CommandError;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Writes the page of the program and one for each command into this directory instead
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// Prints the page of the program for `man`, or writes all pages.
pub(crate) fn run(mut command: Command, arguments: &Arguments) -> Result<(), CommandError> {
    // Without this, commands do not have the flags that all commands have.
    command.build();
    match &arguments.directory {
        None => io::stdout().write_all(&page(command).map_err(CommandError::no)?).map_err(CommandError::no),
        Some(directory) => fs::create_dir_all(directory)
            .and_then(|()| write(&command, directory))
            .map_err(|error| CommandError::No(format!("{}: {error}", directory.display()))),
    }
}

/// Writes the page of a command and those of the commands below it, except for `help`, which has nothing to explain.
fn write(command: &Command, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set()) {
        write(below, directory)?;
    }
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    fs::write(directory.join(format!("{name}.1")), page(command.clone())?)
}

fn page(command: Command) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // The version alone is in the footer: a revision is too long for it.
    Man::new(command).source(concat!("signalhub ", env!("CARGO_PKG_VERSION"))).render(&mut page)?;
    Ok(page)
}
