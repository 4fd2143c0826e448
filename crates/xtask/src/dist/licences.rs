//! The licences of what is compiled into the programs.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::parts::Part;

/// How the names of files with licences begin.
const BEGINNINGS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// Folders of packages with the code of others, which has licences of its own.
const INSIDE: [&str; 3] = ["aws-lc", "jemalloc", "sqlite3"];

/// What no package of cargo has.
const OTHERS: &str = "\
The standard library of Rust: MIT OR Apache-2.0, https://www.rust-lang.org/policies/licenses
musl, in static programs: MIT, https://git.musl-libc.org/cgit/musl/tree/COPYRIGHT
SQLite: in the public domain, https://sqlite.org/copyright.html
";

/// Lists the packages of others with their licences, and then each text once.
pub(super) fn text(parts: &[Part]) -> io::Result<String> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut text = format!("signalhub contains the work of others.\n\n{OTHERS}\n");
    let others = || parts.iter().filter(|part| part.checksum.is_some());
    for part in others() {
        if part.licence.is_empty() {
            return Err(io::Error::other(format!("{} names no licence", part.name)));
        }
        text += &format!("{} {}: {}\n", part.name, part.version, part.licence);
        for folder in std::iter::once(part.folder.clone()).chain(INSIDE.map(|name| part.folder.join(name))) {
            for licence in files(&folder)? {
                texts.entry(licence).or_default().push(format!("{} {}", part.name, part.version));
            }
        }
    }
    let without = others()
        .filter(|part| !texts.values().flatten().any(|name| *name == format!("{} {}", part.name, part.version)));
    let names: Vec<String> = without.map(|part| part.name.clone()).collect();
    if !names.is_empty() {
        text += &format!("\nThese packages have no file with their licence: {}.\n", names.join(", "));
    }
    for (licence, mut packages) in texts {
        packages.dedup();
        text += &format!("\n{}\n{}\n\n{}\n", "=".repeat(80), packages.join(", "), licence.trim_end());
    }
    Ok(text)
}

/// The texts of the licences in a folder, in the order of their names.
fn files(folder: &Path) -> io::Result<Vec<String>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().to_uppercase()).unwrap_or_default();
        let is_code = [".RS", ".C", ".H", ".PY"].iter().any(|end| name.ends_with(end));
        if path.is_file() && !is_code && BEGINNINGS.iter().any(|beginning| name.starts_with(beginning)) {
            paths.push(path);
        }
    }
    paths.sort();
    let text = |path| Ok(String::from_utf8_lossy(&fs::read(path)?).replace("\r\n", "\n"));
    paths.into_iter().map(text).collect()
}
