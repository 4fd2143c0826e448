//! Files and folders of what is built.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Who may run a file, beside reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Text,
    Program,
}

/// Makes a folder with nothing in it.
pub(super) fn make_empty(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)
}

/// Copies a file, and makes the folder that it goes to. Its mode does not depend on the umask.
pub(super) fn copy(from: &Path, to: &Path, mode: Mode) -> io::Result<()> {
    let content =
        fs::read(from).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", from.display())))?;
    write(to, &content, mode)
}

/// Writes a file, and makes its folder.
pub(super) fn write(file: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, content)?;
    let mode = if mode == Mode::Program { 0o755 } else { 0o644 };
    fs::set_permissions(file, fs::Permissions::from_mode(mode))
}

/// Copies the files of a folder, which has no folders in it.
pub(super) fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()), Mode::Text)?;
    }
    Ok(())
}
