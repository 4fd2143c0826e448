//! Counts the instructions of a run of this program, under callgrind.

use std::env;
use std::io;
use std::process::Command;

/// What a run with these arguments costs.
pub(crate) fn instructions(arguments: &[&str]) -> io::Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(env::current_exe()?).args(arguments);
    let output = command.output()?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    match collected {
        Some(instructions) if output.status.success() => Ok(instructions),
        _ => Err(io::Error::other(format!("callgrind does not tell what {arguments:?} costs: {report}"))),
    }
}
