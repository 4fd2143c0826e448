//! The folder from which the image is built, with `deploy/Containerfile`, and the image itself where buildah is installed.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::archive::Contents;
use super::folder::{self, Mode};
use super::{PROGRAMS, Target};
use crate::command::{run, run_read, say, works};

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
    let made = store.join("made.tar");
    run(buildah(&["push", &tag]).arg(format!("docker-archive:{}:{tag}", made.display())))?;
    write_without_chance(&made, &store.join("files"), archive)?;
    fs::remove_dir_all(store)
}

/// Writes an image that buildah has made once more, without the random id and host name of the container in which it was made.
fn write_without_chance(made: &Path, files: &Path, archive: &Path) -> io::Result<()> {
    folder::make_empty(files)?;
    run(Command::new("tar").arg("--extract").arg("--file").arg(made).arg("--directory").arg(files))?;
    let read = |name: &str| -> io::Result<Value> { Ok(serde_json::from_slice(&fs::read(files.join(name))?)?) };
    let mut manifest = read("manifest.json")?;
    let mut config = read(manifest[0]["Config"].as_str().unwrap_or_default())?;
    forget_container(&mut config);
    let text = config.to_string();
    fs::write(files.join("config.json"), &text)?;
    let sum = run_read(Command::new("sha256sum").arg("config.json").current_dir(files))?.text;
    let name = format!("{}.json", sum.split(' ').next().unwrap_or_default());
    fs::rename(files.join("config.json"), files.join(&name))?;
    manifest[0]["Config"] = name.clone().into();
    fs::write(files.join("manifest.json"), manifest.to_string())?;
    let layers = manifest[0]["Layers"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut tar = Command::new("tar");
    tar.args(["--create", "--format=ustar", "--owner=0", "--group=0", "--numeric-owner", "--mode=644", "--mtime=@0"]);
    tar.arg("--file").arg(archive).arg("--directory").arg(files).args(["manifest.json", &name]);
    run(tar.args(layers))
}

/// Removes what describes the container in which an image was made.
fn forget_container(config: &mut Value) {
    if let Some(members) = config.as_object_mut() {
        members.remove("container");
        members.remove("container_config");
    }
    if let Some(settings) = config["config"].as_object_mut() {
        settings.remove("Hostname");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_container_of_a_build_leaves_nothing_in_the_image() {
        let config = |container: &str| {
            let settings = serde_json::json!({ "Hostname": container, "User": "1" });
            serde_json::json!({ "os": "linux", "container": container, "container_config": settings, "config": settings })
        };
        let [mut first, mut second] = [config("a"), config("b")];
        forget_container(&mut first);
        forget_container(&mut second);
        assert_eq!(first, second);
        assert_eq!(first, serde_json::json!({ "os": "linux", "config": { "User": "1" } }));
    }
}
