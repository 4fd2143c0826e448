//! The program, on a terminal and in a log.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

#[path = "../../../signalhub-server/tests/common/terminal_output.rs"]
mod terminal_output;

use std::path::Path;
use std::process::Command;

use terminal_output::TerminalOutput;

/// Runs the fastest gate. Whether it passes does not matter here.
fn test() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["test", "--only", "fmt"]);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    command
}

#[test]
fn a_terminal_shows_the_running_gate_and_its_elapsed_time() {
    let terminal = TerminalOutput::open();
    let mut command = test();
    let mut child = command.stdout(terminal.stream()).stderr(terminal.stream()).spawn().unwrap();
    drop(command);
    let shown = terminal.read();
    child.wait().unwrap();
    let shown = shown.join().unwrap();
    assert!(shown.contains("\r\u{1b}[K[ 1/1] fmt 0 s"), "{shown:?}");
    // The result takes the place of the line.
    assert!(shown.contains("\r\u{1b}[K[ 1/1] fmt  "), "{shown:?}");
}

#[test]
fn a_log_gets_plain_lines() {
    let output = test().output().unwrap();
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(log.starts_with("=== fmt\n") && log.contains("\n=== fmt ended after "), "{log:?}");
    assert!(!log.contains(['\r', '\u{1b}']), "{log:?}");
}
