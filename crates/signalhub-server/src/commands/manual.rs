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
    /// Prints the page of the documentation instead, with what --help tells of each command
    #[arg(long, conflicts_with = "directory")]
    markdown: bool,
}

/// Prints the page of the program for `man`, or writes all pages.
pub(crate) fn run(mut command: Command, arguments: &Arguments) -> Result<(), CommandError> {
    // Without this, commands do not have the flags that all commands have.
    command.build();
    if arguments.markdown {
        let page = markdown(&mut command);
        return io::stdout().write_all(page.as_bytes()).map_err(CommandError::no);
    }
    match &arguments.directory {
        None => io::stdout().write_all(&page(command).map_err(CommandError::no)?).map_err(CommandError::no),
        Some(directory) => fs::create_dir_all(directory)
            .and_then(|()| write(&command, directory))
            .map_err(|error| CommandError::No(format!("{}: {error}", directory.display()))),
    }
}

/// Returns the page `docs/command-line.md`.
fn markdown(command: &mut Command) -> String {
    let mut page = String::from(
        "# Command line\n\nThis page is what `signalhub manual --markdown` prints: what `--help` tells of each command. `signalhub manual` \
         prints the page for `man`.\n",
    );
    add(command, &mut page);
    page
}

/// Adds the section of a command, and those of the commands below it.
fn add(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.render_long_help().to_string();
    page.push_str(&format!("\n## {name}\n\n```text\n{}\n```\n", help.trim_end()));
    for below in command.get_subcommands_mut().filter(|below| is_shown(below)) {
        add(below, page);
    }
}

/// Tells whether a command has a page. `help` has nothing to explain.
fn is_shown(command: &Command) -> bool {
    command.get_name() != "help" && !command.is_hide_set()
}

/// Writes the page of a command and those of the commands below it.
fn write(command: &Command, directory: &Path) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| is_shown(below)) {
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
