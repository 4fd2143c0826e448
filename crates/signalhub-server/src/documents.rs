//! Compares pages of the documents with what they are made of.

use std::fs;
use std::path::Path;

/// Says how to write the pages anew instead of comparing them.
const WRITE: &str = "WRITE_DOCUMENTS";

/// Compares a page with what it should be, or writes it where that is asked for.
pub(crate) fn check(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, expected).unwrap();
    }
    let page = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == expected,
        "docs/{name} is not what the code says: run this test with {WRITE}=1 and commit the page"
    );
}
