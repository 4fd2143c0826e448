//! A pseudo-terminal for the output of a program, byte for byte; it emulates no screen.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread::{self, JoinHandle};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A terminal, of which a program gets one end.
pub(crate) struct TerminalOutput {
    ours: OwnedFd,
    theirs: File,
}

impl TerminalOutput {
    pub(crate) fn open() -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
        Self { ours, theirs }
    }

    /// A stream of a program.
    pub(crate) fn stream(&self) -> Stdio {
        self.theirs.try_clone().unwrap().into()
    }

    /// Reads all that the program shows, once it has its streams. It ends when the program does.
    pub(crate) fn read(self) -> JoinHandle<String> {
        let Self { ours, theirs } = self;
        drop(theirs);
        thread::spawn(move || {
            let mut shown = Vec::new();
            // When no program has the other end any more, reading fails (EIO); what came before is there.
            let _ = File::from(ours).read_to_end(&mut shown);
            String::from_utf8_lossy(&shown).into_owned()
        })
    }
}
