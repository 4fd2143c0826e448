//! Compares pages of the documentation with the code that they describe.

use std::fs;
use std::path::Path;

/// The variable that makes the tests write the pages instead of comparing them.
const WRITE: &str = "WRITE_DOCUMENTS";

/// Compares a page with its expected content, or writes it if `WRITE_DOCUMENTS` is set.
pub(crate) fn check(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap_or_default();
    assert!(page == expected, "docs/{name} does not match the code: run this test with {WRITE}=1 and commit the page");
}
