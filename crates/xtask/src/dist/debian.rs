//! The package for Debian.
//!
//! `dpkg-deb` packs a folder that is filled here. That is less than cargo-deb would need of settings, and nothing has to be installed.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::archive::Contents;
use super::documents::{COMPLETIONS, compress_manual};
use super::folder::{self, Mode};
use super::{Compression, PROGRAMS, Target};
use crate::command::{run, say, works};

/// Files that stay as the administrator has changed them.
const CONFIGURATION_FILES: &str = "/etc/signalhub/signalhub.toml\n";

/// Where the completions of each shell are found.
const COMPLETION_FOLDERS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions"),
    ("zsh", "usr/share/zsh/vendor-completions"),
    ("fish", "usr/share/fish/vendor_completions.d"),
];

/// Writes the package into a folder, if Debian knows the target.
pub(super) fn write(contents: &Contents<'_>, target: &Target, compression: Compression, out: &Path) -> io::Result<()> {
    let Some(architecture) = target.debian else { return Ok(()) };
    if !works(Command::new("dpkg-deb").arg("--version")) {
        return say("the Debian package is not built: dpkg-deb is not installed");
    }
    let stage = out.join(format!("debian-{architecture}"));
    folder::make_empty(&stage)?;
    fill(contents, &stage)?;
    control(contents, architecture, &stage)?;
    let package = out.join(format!("signalhub_{}_{architecture}.deb", contents.release.version));
    let mut pack = Command::new("dpkg-deb");
    pack.env("SOURCE_DATE_EPOCH", &contents.release.time).args(["--root-owner-group", "--build"]);
    pack.args(match compression {
        // With several threads the result would depend on their number.
        Compression::Small => &["-Zxz", "--threads-max=1"][..],
        Compression::Fast => &["-Znone"],
    });
    run(pack.arg(&stage).arg(&package))?;
    fs::remove_dir_all(stage)
}

fn fill(contents: &Contents<'_>, stage: &Path) -> io::Result<()> {
    let Contents { workspace, documents, licences, programs, .. } = contents;
    let text = |from: &str, to: &str| folder::copy(&workspace.root.join(from), &stage.join(to), Mode::Text);
    for program in PROGRAMS {
        folder::copy(&programs.join(program), &stage.join("usr/bin").join(program), Mode::Program)?;
    }
    text("deploy/systemd/signalhub.service", "usr/lib/systemd/system/signalhub.service")?;
    text("deploy/systemd/signalhub.sysusers", "usr/lib/sysusers.d/signalhub.conf")?;
    text("deploy/signalhub.toml", "etc/signalhub/signalhub.toml")?;
    for (shell, folder) in COMPLETION_FOLDERS {
        let file = COMPLETIONS.iter().find(|(other, _)| *other == shell).map_or("signalhub", |(_, file)| file);
        folder::copy(&documents.completions(shell), &stage.join(folder).join(file), Mode::Text)?;
    }
    compress_manual(documents, &stage.join("usr/share/man/man1"))?;
    let share = "usr/share/doc/signalhub";
    text("docs/installing.md", &format!("{share}/installing.md"))?;
    text("docs/configuration.md", &format!("{share}/configuration.md"))?;
    text("CHANGELOG.md", &format!("{share}/CHANGELOG.md"))?;
    folder::copy(&documents.defaults(), &stage.join(share).join("signalhub.defaults.toml"), Mode::Text)?;
    let read = |name: &str| fs::read_to_string(workspace.root.join(name));
    let copyright = format!(
        "signalhub is licensed under MIT or Apache-2.0, at your choice.\n\n{}\n{}\n{licences}",
        read("LICENSE-MIT")?,
        read("LICENSE-APACHE")?
    );
    folder::write(&stage.join(share).join("copyright"), copyright.as_bytes(), Mode::Text)
}

fn control(contents: &Contents<'_>, architecture: &str, stage: &Path) -> io::Result<()> {
    let scripts = contents.workspace.root.join("deploy/debian");
    for script in ["postinst", "prerm", "postrm"] {
        folder::copy(&scripts.join(script), &stage.join("DEBIAN").join(script), Mode::Program)?;
    }
    folder::write(&stage.join("DEBIAN/conffiles"), CONFIGURATION_FILES.as_bytes(), Mode::Text)?;
    let programs = PROGRAMS.map(|program| contents.programs.join(program));
    let mut library = (0, 0);
    let mut size = 0;
    for program in &programs {
        let bytes = fs::read(program)?;
        library = library.max(newest_library(&bytes));
        size += bytes.len() / 1024;
    }
    let control = format!(
        "Package: signalhub\nVersion: {}\nArchitecture: {architecture}\nMaintainer: signalhub <signalhub@signalhub.invalid>\n\
         Installed-Size: {size}\nDepends: libc6 (>= {}.{}), libgcc-s1, adduser\nRecommends: ca-certificates\n\
         Suggests: redis-server\nSection: net\nPriority: optional\nDescription: server for the clients of ASP.NET Core SignalR\n \
         Official SignalR clients connect unmodified; backends in any language publish\n with one HTTP call. One program \
         without other services, or a cluster on Redis.\n",
        contents.release.version, library.0, library.1
    );
    folder::write(&stage.join("DEBIAN/control"), control.as_bytes(), Mode::Text)
}

/// The newest version of the C library of which a program needs a symbol.
fn newest_library(program: &[u8]) -> (u32, u32) {
    const NAME: &[u8] = b"GLIBC_";
    let versions = program.windows(NAME.len()).enumerate().filter(|(_, window)| *window == NAME);
    let version = |start: usize| {
        let rest = program.get(start..start + 12).unwrap_or_default();
        let is_of_version = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
        let text: String = rest.iter().take_while(is_of_version).map(|byte| char::from(*byte)).collect();
        let mut numbers = text.split('.').map(str::parse);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    versions.filter_map(|(at, _)| version(at + NAME.len())).max().unwrap_or((2, 17))
}

#[cfg(test)]
mod tests {
    use super::newest_library;

    #[test]
    fn the_newest_symbol_tells_which_library_is_needed() {
        assert_eq!(newest_library(b"\0GLIBC_2.4\0GLIBC_2.34\0GLIBC_2.9\0GLIBC_PRIVATE\0"), (2, 34));
        assert_eq!(newest_library(b"nothing"), (2, 17));
    }
}
