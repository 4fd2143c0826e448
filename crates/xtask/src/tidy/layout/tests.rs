use super::check;
use crate::tidy::tests::{package, tree};

#[test]
fn a_package_has_one_name_one_opening_and_our_lints() {
    let check = |folder: &str, manifest: &str, root: &str, findings: usize| {
        let mut hub = package("hub", &[]);
        hub.folder = folder.into();
        hub.roots = vec![format!("{folder}/src/lib.rs").into()];
        let files = [(format!("{folder}/Cargo.toml"), manifest), (format!("{folder}/src/lib.rs"), root)];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        assert_eq!(check(&tree(&files, vec![hub])).len(), findings, "{folder} {manifest} {root}");
    };
    let lints = "[package]\nname = \"hub\"\n\n[lints]\nworkspace = true\n";
    check("crates/hub", lints, "//! A hub.\n", 0);
    check("crates/the-hub", lints, "//! A hub.\n", 1);
    check("crates/hub", "[package]\nname = \"hub\"\n", "//! A hub.\n", 1);
    check("crates/hub", lints, "use std::io;\n", 1);
}

#[test]
fn modules_are_in_files_of_their_own_names() {
    let check = |file: &str, findings: usize| {
        let mut hub = package("hub", &[]);
        hub.folder = "crates/hub".into();
        hub.roots = vec!["crates/hub/src/lib.rs".into()];
        let files = [
            ("crates/hub/Cargo.toml", "[lints]\nworkspace = true\n"),
            ("crates/hub/src/lib.rs", "//! A hub.\n"),
            (file, ""),
        ];
        assert_eq!(check(&tree(&files, vec![hub])).len(), findings, "{file}");
    };
    check("crates/hub/src/session.rs", 0);
    check("crates/hub/src/session/mod.rs", 1);
    check("crates/hub/tests/support/mod.rs", 0);
}

#[test]
fn files_of_a_test_program_are_declared_in_its_main() {
    let check = |main: &str, file: &str, findings: usize| {
        let mut hub = package("hub", &[]);
        hub.folder = "crates/hub".into();
        hub.roots = vec!["crates/hub/src/lib.rs".into()];
        let files = [
            ("crates/hub/Cargo.toml", "[lints]\nworkspace = true\n"),
            ("crates/hub/src/lib.rs", "//! A hub.\n"),
            ("crates/hub/tests/suite/main.rs", main),
            (file, ""),
        ];
        assert_eq!(check(&tree(&files, vec![hub])).len(), findings, "{main} {file}");
    };
    check("mod calls;\nmod uploads;\n", "crates/hub/tests/suite/calls.rs", 0);
    check("mod uploads;\n", "crates/hub/tests/suite/calls.rs", 1);
    check("mod client_calls;\n", "crates/hub/tests/suite/calls.rs", 1);
    check("", "crates/hub/tests/suite/calls/counted.rs", 0);
    check("", "crates/hub/tests/calls.rs", 0);
}
