//! The processes that the command starts: they end with it, however it ends.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::{Signal, set_parent_process_death_signal};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// The child processes. Dropping this value kills them; [`stop`](Self::stop) waits until they have gone, too.
#[derive(Debug, Default)]
pub(super) struct Children {
    children: Vec<(String, Child)>,
}

/// A started process.
pub(super) struct Started {
    pub(super) process: u32,
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
}

impl Children {
    /// Starts a program with these arguments and variables.
    ///
    /// It is started by [`guarded`] of this program, so that it does not outlive this process even if that is killed. All processes must be
    /// started by the main thread: the kernel counts the end of the thread, not of the process.
    pub(super) fn start<S: AsRef<OsStr>>(
        &mut self,
        name: String,
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
        variables: &[(&str, String)],
    ) -> io::Result<Started> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("guarded").arg(program).args(arguments).kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("SIGNALHUB_") {
                command.env_remove(name);
            }
        }
        command.env_remove("RUST_LOG").envs(variables.iter().map(|(name, value)| (name, value)));
        command.current_dir(std::env::temp_dir());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let missing = || io::Error::other("a pipe is missing");
        let started = Started {
            process: child.id().ok_or_else(missing)?,
            input: child.stdin.take().ok_or_else(missing)?,
            output: child.stdout.take().ok_or_else(missing)?,
            errors: child.stderr.take().ok_or_else(missing)?,
        };
        self.children.push((name, child));
        Ok(started)
    }

    /// The name of a process that has ended.
    pub(super) fn ended(&mut self) -> Option<&str> {
        let ended = |child: &mut Child| !matches!(child.try_wait(), Ok(None));
        self.children.iter_mut().find_map(|(name, child)| ended(child).then_some(name.as_str()))
    }

    /// Kills all of them, and waits until they have gone.
    pub(super) async fn stop(&mut self) {
        for (_, child) in &mut self.children {
            // It has ended by itself.
            drop(child.start_kill());
        }
        for (_, mut child) in self.children.drain(..) {
            drop(child.wait().await);
        }
    }
}

/// Becomes another program, which the kernel kills when the process that has started this one ends. Returns only if that fails.
pub(crate) fn guarded(program: &Path, arguments: &[std::ffi::OsString]) -> io::Error {
    match set_parent_process_death_signal(Some(Signal::KILL)) {
        Ok(()) => std::process::Command::new(program).args(arguments).exec(),
        Err(error) => error.into(),
    }
}
