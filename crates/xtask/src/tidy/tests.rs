use super::tree::{File, Tree};
use super::{Finding, functions, length, long_files};
use crate::workspace::{Dependency, Package, Purpose};

/// A tree of a few files and packages.
pub(super) fn tree(files: &[(&str, &str)], packages: Vec<Package>) -> Tree {
    let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
    Tree { files: files.iter().map(file).collect(), packages }
}

/// A package with these dependencies.
pub(super) fn package(name: &str, dependencies: &[(&str, Purpose)]) -> Package {
    let dependency = |(name, purpose): &(&str, Purpose)| Dependency { name: (*name).to_owned(), purpose: *purpose };
    Package { name: name.to_owned(), dependencies: dependencies.iter().map(dependency).collect(), ..Package::default() }
}

#[test]
fn findings_say_where() {
    assert_eq!(Finding::at("src/hub.rs", 6, "too long").to_string(), "src/hub.rs:7: too long");
    assert_eq!(Finding::new("hub", "no lints").to_string(), "hub: no lints");
}

#[test]
fn files_are_short_or_counted_or_refused() {
    let check = |path: &str, lines: usize, long: usize, findings: usize| {
        let tree = tree(&[(path, &"\n".repeat(lines))], Vec::new());
        assert_eq!((long_files(&tree), length::check(&tree).len()), (long, findings), "{path} of {lines}");
    };
    check("src/hub.rs", 400, 0, 0);
    check("src/hub.rs", 401, 1, 0);
    check("src/hub.rs", 601, 1, 1);
    check("recordings/hub.json", 601, 0, 0);
}

#[test]
fn long_functions_are_refused_outside_tests() {
    let check = |path: &str, body: usize, findings: usize| {
        let text = format!("fn call() {{\n{}}}\n", "    next();\n".repeat(body));
        assert_eq!(functions::check(&tree(&[(path, &text)], Vec::new())).len(), findings, "{path} of {body}");
    };
    check("src/hub.rs", 58, 0);
    check("src/hub.rs", 59, 1);
    check("src/hub/tests.rs", 59, 0);
    check("tests/hub.rs", 59, 0);
}
