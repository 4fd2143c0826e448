//! `cargo xtask dist`: builds what is released, in `target/dist`: archives, a Debian package, folders for images, and their checksums.
//!
//! Every file depends on the revision alone: times, owners, orders and paths of this machine are left out. `--twice` shows that.

mod archive;
mod cargo_lock;
mod compile;
mod debian;
mod documents;
mod folder;
mod image;
mod licences;
mod options;
mod parts;
mod release;
mod sbom;
mod target;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{run, run_read, say, works};
use crate::workspace::Workspace;
use archive::Contents;
use documents::Documents;
pub(crate) use options::Options;
use options::Rounds;
use release::Release;
use target::{TARGETS, Target};

/// The programs that are released.
const PROGRAMS: [&str; 2] = ["signalhub", "signalhub-conformance"];

/// The name of the file with the checksums.
const CHECKSUMS: &str = "SHA256SUMS";

/// How long packing may take, for how small a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    Small,
    /// For tests.
    Fast,
}

/// What tests get.
pub(crate) enum Made {
    /// A folder with one of each, made of the debug build.
    At(PathBuf),
    /// Nothing, for this reason.
    NotHere(&'static str),
}

/// Makes one of each of the debug build, without symbols, since nothing has to be compiled for that.
pub(crate) fn make_for_tests(workspace: &Workspace) -> io::Result<Made> {
    let target = TARGETS.iter().find(|target| target.triple == "x86_64-unknown-linux-gnu");
    let Some(target) = target.filter(|_| cfg!(all(target_os = "linux", target_arch = "x86_64"))) else {
        return Ok(Made::NotHere("this is no Linux on x86-64"));
    };
    if !works(Command::new("strip").arg("--version")) {
        return Ok(Made::NotHere("strip is not installed: apt-get install binutils"));
    }
    let release = Release::read(workspace)?;
    let out = workspace.target.join("dist-of-tests");
    folder::make_empty(&out)?;
    let programs = out.join("programs");
    fs::create_dir(&programs)?;
    for program in PROGRAMS {
        run(Command::new("strip").arg("-o").arg(programs.join(program)).arg(workspace.binary(program)))?;
    }
    let documents = Documents::make(workspace, &programs.join(PROGRAMS[0]), &out.join("documents"))?;
    let parts = parts::of(workspace, target.triple)?;
    let name = format!("signalhub-{}-{}", release.version, target.triple);
    sbom::write(&parts, &release, &out.join(format!("{name}.cdx.json")))?;
    let licences = licences::text(&parts)?;
    let contents =
        Contents { workspace, release: &release, documents: &documents, licences: &licences, programs: &programs };
    archive::write(&contents, &name, Compression::Fast, &out)?;
    debian::write(&contents, target, Compression::Fast, &out)?;
    image::prepare(&contents, target, &out)?;
    checksums(&out)?;
    Ok(Made::At(out))
}

/// Builds everything, and returns whether a second build gave the same, if one was asked for.
pub(crate) fn build(workspace: &Workspace, options: &Options) -> io::Result<bool> {
    let release = Release::read(workspace)?;
    if release.is_changed && !options.allows_changes() {
        return Err(io::Error::other("files differ from the last commit, so no revision can be named: --allow-dirty"));
    }
    if release.is_changed && options.rounds == Rounds::Two {
        return Err(io::Error::other("--twice builds what is committed, and files differ from that"));
    }
    say(&format!("signalhub {} of revision {}", release.version, release.revision))?;
    let first = build_once(workspace, options, &release)?;
    if options.rounds == Rounds::One {
        return Ok(true);
    }
    let second = build_once(&copied(workspace)?, options, &release)?;
    let same = first == second;
    say(if same { "both builds gave the same bytes" } else { "the builds differ; the first one gave:" })?;
    if !same {
        say(&first)?;
    }
    Ok(same)
}

/// Copies the commit into another folder, in which everything is compiled again: what depends on the folder shows.
fn copied(workspace: &Workspace) -> io::Result<Workspace> {
    let root = workspace.target.join("second-build");
    folder::make_empty(&root)?;
    run(Command::new("git").args(["clone", "--quiet"]).arg(&workspace.root).arg(&root))?;
    Ok(Workspace { target: root.join("target"), root, packages: workspace.packages.clone() })
}

/// Builds everything and returns the checksums.
fn build_once(workspace: &Workspace, options: &Options, release: &Release) -> io::Result<String> {
    let out = workspace.target.join("dist");
    folder::make_empty(&out)?;
    let mut built = Vec::new();
    for target in &options.targets {
        match target.missing() {
            Some(program) => say(&format!("not built: {} needs {program}", target.triple))?,
            None => built.push((*target, compile::build(workspace, target, release)?)),
        }
    }
    let printer = printer(workspace, &built)?;
    let documents = Documents::make(workspace, &printer, &out.join("documents"))?;
    for (target, programs) in &built {
        let parts = parts::of(workspace, target.triple)?;
        let name = format!("signalhub-{}-{}", release.version, target.triple);
        sbom::write(&parts, release, &out.join(format!("{name}.cdx.json")))?;
        let licences = licences::text(&parts)?;
        let contents = Contents { workspace, release, documents: &documents, licences: &licences, programs };
        archive::write(&contents, &name, Compression::Small, &out)?;
        debian::write(&contents, target, Compression::Small, &out)?;
        if target.is_static {
            image::prepare(&contents, target, &out)?;
        }
    }
    fs::remove_dir_all(out.join("documents"))?;
    checksums(&out)
}

/// A program that runs here and prints the documents: one that was built for a release, else that of the debug build.
fn printer(workspace: &Workspace, built: &[(&Target, PathBuf)]) -> io::Result<PathBuf> {
    let of_this_machine = built.iter().filter(|(target, _)| target.runs_here());
    let mut programs: Vec<PathBuf> = of_this_machine.map(|(_, folder)| folder.join(PROGRAMS[0])).collect();
    if programs.is_empty() {
        workspace.build_programs()?;
        programs.push(workspace.binary(PROGRAMS[0]));
    }
    match programs.iter().find(|program| !works(Command::new(program).arg("--version"))) {
        Some(broken) => Err(io::Error::other(format!("{} does not run", broken.display()))),
        None => Ok(programs.remove(0)),
    }
}

/// Writes the checksums of all files, and returns them.
fn checksums(out: &Path) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.push(entry.file_name());
        }
    }
    names.sort();
    let sums = run_read(Command::new("sha256sum").args(names).current_dir(out))?;
    if !sums.succeeded {
        return Err(io::Error::other("sha256sum failed"));
    }
    fs::write(out.join(CHECKSUMS), &sums.text)?;
    // What is in the folders is not in a file that has a sum.
    let folders =
        run_read(Command::new("sh").args(["-c", "find image -type f | sort | xargs -r sha256sum"]).current_dir(out));
    Ok(sums.text + &folders?.text)
}

/// Runs `tar` so that the archive depends on the files alone.
fn tar(release: &Release, compression: Compression, folder: &Path, name: &str, archive: &Path) -> io::Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=ustar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.arg(format!("--mtime=@{}", release.time)).arg(match compression {
        Compression::Small => "--use-compress-program=gzip -9n",
        Compression::Fast => "--use-compress-program=gzip -1n",
    });
    run(tar.arg("--file").arg(archive).arg("--directory").arg(folder).arg(name))
}
