//! The file of defaults and the reference page are made of the keys, and true.

use super::*;
use crate::documents::check;

#[test]
fn the_reference_page_is_true() {
    check("configuration.md", &reference_page());
}

#[test]
fn the_file_of_defaults_is_complete_and_changes_nothing() {
    let text = defaults_text();
    let mut configuration = Configuration::default();
    configuration.read_toml("defaults", &text).unwrap();
    assert_eq!(changed(&configuration), [""; 0]);
    for key in KEYS {
        if !key.table.is_empty() {
            assert!(text.contains(&format!("\n# [[{}]]\n", key.path())));
            assert!(key.table.iter().all(|key| text.contains(&format!("\n# {} =", key.name))), "{}", key.path());
            continue;
        }
        let line = if key.default_text().is_empty() { "# " } else { "" };
        assert!(text.contains(&format!("\n{line}{} =", key.name)), "{}", key.path());
    }
    assert!(text.lines().all(|line| line.len() <= WIDTH + 10), "{text}");
    let mut edited = Configuration::default();
    edited.read_toml("edited", &text.replace("unknown = false", "unknown = true")).unwrap();
    assert_eq!(changed(&edited), ["events.allow_unknown=true"]);
}

#[test]
fn what_was_changed_is_told_without_secrets() {
    let mut configuration = Configuration::default();
    let secret = "0123456789abcdef0123456789abcdef";
    let file = format!("[auth]\nsecret = \"{secret}\"\n[publish]\nkeys = [\"k\"]\n[listen]\ninternal = \"\"");
    configuration.read_toml("file", &file).unwrap();
    let expected = ["listen.internal=\"\"", "auth.secret=\"(secret)\"", "publish.keys=[\"(secret)\"]"];
    assert_eq!(changed(&configuration), expected);
}
