//! The folder from which the image is built, with `deploy/Containerfile`, and the image itself where buildah is installed.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::archive::Contents;
use super::folder::{self, Mode};
use super::{PROGRAMS, Target};
use crate::command::{run, say, works};

/// The authorities that the image trusts, for keys of issuers at https URLs: those of this machine.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Fills `image/<triple>`, and has buildah make an archive of the image.
pub(super) fn prepare(contents: &Contents<'_>, target: &Target, out: &Path) -> io::Result<()> {
    let stage = out.join("image").join(target.triple);
    fill(contents, &stage)?;
    let archive = out.join(format!("signalhub-{}-{}-image.tar", contents.release.version, target.triple));
    match works(Command::new("buildah").arg("--version")) {
        true => build(contents, &stage, &archive),
        false => say("the image is not built, its folder is: apt-get install buildah"),
    }
}

/// Puts into a folder what the Containerfile copies.
pub(super) fn fill(contents: &Contents<'_>, stage: &Path) -> io::Result<()> {
    folder::make_empty(stage)?;
    for program in PROGRAMS {
        folder::copy(&contents.programs.join(program), &stage.join(program), Mode::Program)?;
    }
    let root = &contents.workspace.root;
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        folder::copy(&root.join(file), &stage.join("licences").join(file), Mode::Text)?;
    }
    folder::write(&stage.join("licences/THIRD-PARTY-LICENSES.txt"), contents.licences.as_bytes(), Mode::Text)?;
    folder::copy(Path::new(AUTHORITIES), &stage.join("ca-certificates.crt"), Mode::Text)?;
    folder::write(
        &stage.join("passwd"),
        b"signalhub:x:65532:65532:signalhub:/var/lib/signalhub:/sbin/nologin\n",
        Mode::Text,
    )?;
    folder::write(&stage.join("group"), b"signalhub:x:65532:\n", Mode::Text)?;
    // A folder with one file, since git and archives do not have empty ones.
    folder::write(&stage.join("state/.keep"), b"", Mode::Text)
}

/// Builds the image and writes it as one file. Nothing runs in it, so this needs no network and no other image.
pub(super) fn build(contents: &Contents<'_>, stage: &Path, archive: &Path) -> io::Result<()> {
    let store = contents.workspace.target.join("image-store");
    folder::make_empty(&store)?;
    let buildah = |arguments: &[&str]| {
        let mut buildah = Command::new("buildah");
        buildah.arg("--storage-driver").arg("vfs").arg("--root").arg(store.join("root"));
        buildah.arg("--runroot").arg(store.join("run")).args(arguments);
        buildah
    };
    let tag = format!("signalhub:{}", contents.release.version);
    let mut build =
        buildah(&["build", "--isolation", "chroot", "--format", "docker", "--timestamp", &contents.release.time]);
    for (name, value) in [("VERSION", &contents.release.version), ("REVISION", &contents.release.revision)] {
        build.arg("--build-arg").arg(format!("{name}={value}"));
    }
    build.args(["--tag", &tag, "--file"]).arg(contents.workspace.root.join("deploy/Containerfile")).arg(stage);
    run(&mut build)?;
    run(buildah(&["push", &tag]).arg(format!("docker-archive:{}:{tag}", archive.display())))?;
    fs::remove_dir_all(store)
}
