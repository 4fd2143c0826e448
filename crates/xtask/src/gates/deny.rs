//! Licences, sources, duplicate versions and advisories of what we depend on, where cargo-deny is installed.

use std::io;

use crate::command::{cargo, run as run_command, say, works};
use crate::counts::Counts;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    if !works(&mut cargo(&["deny", "--version"])) {
        say("cargo-deny is not installed, so licences, sources and advisories are not checked")?;
        return Ok(Counts::default());
    }
    let mut counts = Counts::default();
    // Apart, because advisories are fetched: without a network only these fail.
    for checks in [&["bans", "licenses", "sources"][..], &["advisories"]] {
        let mut command = cargo(&["deny", "check", "--hide-inclusion-graph"]);
        let result = run_command(command.args(checks).current_dir(&workspace.root));
        counts += if result.is_ok() { Counts::PASSED } else { Counts::FAILED };
    }
    Ok(counts)
}
