use super::check;
use crate::tidy::tests::{package, tree};
use crate::workspace::Purpose::{Always, Feature, Tests};

#[test]
fn calls_go_down_only() {
    let check = |name: &str, dependency: &str, purpose, expected: Option<&str>| {
        let known = package(dependency, &[]);
        let tree = tree(&[], vec![package(name, &[(dependency, purpose)]), known]);
        let findings: Vec<String> = check(&tree).iter().map(ToString::to_string).collect();
        assert_eq!(findings, Vec::from_iter(expected), "{name} on {dependency}");
    };
    check("signalhub", "signalhub-events", Always, None);
    check("signalhub-events", "signalhub", Always, Some("signalhub-events: may not depend on signalhub"));
    check("signalhub-events", "signalhub", Tests, Some("signalhub-events: may not depend on signalhub"));
    check("portos-notifications", "signalhub-events", Feature, None);
    check(
        "portos-notifications",
        "signalhub-events",
        Always,
        Some("portos-notifications: signalhub-events must be behind a feature"),
    );
    check("signalhub-server", "protocol-tests", Tests, Some("signalhub-server: may not depend on protocol-tests"));
    check("protocol-tests", "signalhub-server", Tests, Some("protocol-tests: may not depend on signalhub-server"));
    check("xtask", "signalhub-protocol", Always, Some("xtask: may not depend on signalhub-protocol"));
}

#[test]
fn a_package_without_a_line_in_the_table_is_a_finding() {
    let tree = tree(&[], vec![package("signalhub-newcomer", &[])]);
    assert_eq!(check(&tree).len(), 1);
}
