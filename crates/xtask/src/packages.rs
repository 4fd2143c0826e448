//! Packages of the operating system that a gate needs.

use std::io;
use std::process::Command;

use crate::command::{run, say, works};

/// Installs the packages where we may, as root of a Debian system; elsewhere says what is the matter without them.
pub(crate) fn provide(missing: &[&str], otherwise: &str) -> io::Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    if !may_install() {
        return say(&format!("missing, so {otherwise}: apt-get install {}", missing.join(" ")));
    }
    run(Command::new("apt-get").arg("update"))?;
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends"]).args(missing);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn may_install() -> bool {
    let id = Command::new("id").arg("-u").output();
    let is_root = id.is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    is_root && works(Command::new("apt-get").arg("--version"))
}
