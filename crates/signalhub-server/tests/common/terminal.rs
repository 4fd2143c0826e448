//! A terminal that a test reads and types into.

#![allow(dead_code, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

/// How long something may take to be on the screen.
const LIMIT: Duration = Duration::from_secs(30);

/// A pseudo-terminal, and the screen that what is written to it makes.
pub(crate) struct PseudoTerminal {
    /// Our end.
    ours: File,
    /// The end of programs, which stays open here so that the modes can be read after them.
    theirs: File,
    output: mpsc::Receiver<Vec<u8>>,
    parser: vt100::Parser,
    pub(crate) was_in_alternate_screen: bool,
}

impl PseudoTerminal {
    pub(crate) fn open(rows: u16, columns: u16) -> Self {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = OpenOptions::new().read(true).write(true).open(name).unwrap();
        let ours = File::from(ours);
        let mut reader = ours.try_clone().unwrap();
        let (sender, output) = mpsc::channel(1024);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if sender.blocking_send(buffer[..read].to_vec()).is_err() {
                    break;
                }
            }
        });
        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        let mut terminal = Self { ours, theirs, output, parser, was_in_alternate_screen: false };
        terminal.resize(rows, columns);
        terminal
    }

    /// Starts a program whose controlling terminal this is, with these variables and no others.
    pub(crate) fn start(&self, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
        let stdio = || Stdio::from(self.theirs.try_clone().unwrap());
        let mut command = Command::new("setsid");
        command.args(["--ctty", program]).args(arguments).env_clear().current_dir(env!("CARGO_MANIFEST_DIR"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).envs(variables.iter().copied());
        command.stdin(stdio()).stdout(stdio()).stderr(stdio()).kill_on_drop(true).spawn().unwrap()
    }

    /// Waits until the text on the screen is as expected.
    pub(crate) async fn shows(&mut self, expected: impl Fn(&str) -> bool) {
        let wait = async {
            while !expected(&self.parser.screen().contents()) {
                let bytes = self.output.recv().await.unwrap();
                // One after another, since a program may enter the alternate screen and leave it within one read.
                for byte in bytes {
                    self.parser.process(&[byte]);
                    self.was_in_alternate_screen |= self.parser.screen().alternate_screen();
                }
            }
        };
        let in_time = tokio::time::timeout(LIMIT, wait).await.is_ok();
        assert!(in_time, "this is on the screen:\n{}", self.parser.screen().contents());
    }

    pub(crate) fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.ours.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&mut self, rows: u16, columns: u16) {
        self.parser.screen_mut().set_size(cells(rows), cells(columns));
        tcsetwinsize(&self.ours, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    /// How the terminal treats what is typed and written.
    pub(crate) fn modes(&self) -> String {
        let modes = tcgetattr(&self.theirs).unwrap();
        format!("{:?} {:?} {:?}", modes.local_modes, modes.input_modes, modes.output_modes)
    }
}

fn cells(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}
