//! Each fuzz target for ten seconds, where a nightly toolchain is installed.

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::command::{run as run_command, say, shown, works};
use crate::counts::Counts;
use crate::output::{joined, output};
use crate::workspace::Workspace;

/// Instruments branches for libFuzzer; without this it works blindly.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table --cfg fuzzing";

/// An explicit target keeps the flags away from build scripts.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Compiles the targets, where a nightly toolchain is installed.
pub(crate) fn prepare(workspace: &Workspace) -> io::Result<()> {
    if !works(&mut nightly(&["--version"])) {
        return Ok(());
    }
    let folder = workspace.root.join("fuzz");
    let mut build = nightly(&["build", "--release", "--target", TARGET]);
    run_command(build.env("RUSTFLAGS", COVERAGE).env("CARGO_TARGET_DIR", folder.join("target")).current_dir(&folder))
}

pub(crate) fn run(workspace: &Workspace) -> io::Result<Counts> {
    if !works(&mut nightly(&["--version"])) {
        say("no nightly toolchain is installed, so nothing is fuzzed")?;
        return Ok(Counts::default());
    }
    prepare(workspace)?;
    let folder = workspace.root.join("fuzz");
    let mut counts = Counts::default();
    // A target runs on one core.
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    for targets in targets(&folder)?.chunks(cores) {
        thread::scope(|scope| {
            let fuzz = |target: &String| {
                let mut command = fuzz(&folder, target)?;
                Ok::<_, io::Error>((shown(&command), output(&mut command)?))
            };
            let running: Vec<_> = targets.iter().map(|target| (target, scope.spawn(move || fuzz(target)))).collect();
            for (target, running) in running {
                say(&format!("fuzzing {target}"))?;
                let (command, (status, lines)) = joined(running.join())?;
                say(&format!("$ {command}"))?;
                lines.iter().try_for_each(|line| say(line))?;
                counts += if status.success() { Counts::PASSED } else { Counts::FAILED };
            }
            Ok::<_, io::Error>(())
        })?;
    }
    Ok(counts)
}

/// Runs a target for ten seconds.
fn fuzz(folder: &Path, target: &str) -> io::Result<Command> {
    let mut fuzz = Command::new(folder.join("target").join(TARGET).join("release").join(target));
    // What the fuzzer adds goes to the first folder, the seeds are read from the second.
    let found = folder.join("target").join("found").join(target);
    std::fs::create_dir_all(&found)?;
    let seeds = Path::new("corpus").join(target);
    fuzz.arg(found).arg(seeds).args(["-max_total_time=10", "-verbosity=0", "-print_final_stats=1"]);
    fuzz.current_dir(folder);
    Ok(fuzz)
}

fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    // The toolchain that runs this one would win over `+nightly`.
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO").arg("+nightly").args(arguments);
    command
}

/// The names of the targets: one file each.
fn targets(folder: &Path) -> io::Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(folder.join("fuzz_targets"))? {
        let path = entry?.path();
        if let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|extension| extension == "rs")) {
            targets.push(name.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}
