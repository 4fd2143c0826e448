use super::check;
use crate::tidy::tests::tree;

#[test]
fn places_are_found_in_every_file_but_the_lock_file() {
    let host = format!("https://index.crates{}/", ".io");
    let check = |path: &str, text: &str, findings: usize| {
        assert_eq!(check(&tree(&[(path, text)], Vec::new())).len(), findings, "{path}: {text}");
    };
    check("README.md", "cargo run", 0);
    check("README.md", &host, 1);
    check("js-client-tests/package-lock.json", &format!("\n\"resolved\": \"{host}\""), 1);
    check("Cargo.lock", &host, 0);
    check("src/lib.rs", &format!("//! See {}main.", "/wo".to_owned() + "rk/"), 1);
    check("src/lib.rs", "//! The network/ and the framework/ are fine.", 0);
}
