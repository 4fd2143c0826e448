use super::check;
use crate::tidy::tests::{package, tree};

/// Checks the findings in a package `hub` with these modules.
fn check_findings(files: &[(&str, &str)], expected: &[&str]) {
    let mut hub = package("hub", &[]);
    hub.roots = vec!["src/lib.rs".into()];
    let findings: Vec<String> = check(&tree(files, vec![hub])).iter().map(ToString::to_string).collect();
    assert_eq!(findings, expected);
}

#[test]
fn a_circle_fails_and_names_its_modules_and_their_uses() {
    let root = "mod calls; mod clients; mod options; mod session; pub use session::Session;";
    let files = [
        ("src/lib.rs", root),
        ("src/calls.rs", "use crate::clients::Clients;\nuse crate::options::Options;"),
        ("src/clients.rs", "pub struct Clients;\n\nuse crate::Session;"),
        ("src/options.rs", "pub struct Options;"),
        ("src/session.rs", "pub struct Session;\nfn call() { super::calls::call() }"),
    ];
    check_findings(
        &files,
        &["hub: calls, clients, session use each other in a circle: \
        calls -> clients (src/calls.rs:1 uses crate::clients::Clients); \
        clients -> session (src/clients.rs:3 uses crate::Session); \
        session -> calls (src/session.rs:2 uses super::calls::call)"],
    );
}

#[test]
fn circles_of_modules_inside_a_module_are_found() {
    let files = [
        ("src/lib.rs", "mod session;"),
        ("src/session.rs", "mod inbound; mod running; mod ending;"),
        ("src/session/inbound.rs", "use super::running::Calls;"),
        ("src/session/running.rs", "use super::inbound::Kind;"),
        ("src/session/ending.rs", "use super::inbound::Kind;"),
    ];
    check_findings(
        &files,
        &["hub: session::inbound, session::running use each other in a circle: \
        session::inbound -> session::running (src/session/inbound.rs:1 uses super::running::Calls); \
        session::running -> session::inbound (src/session/running.rs:1 uses super::inbound::Kind)"],
    );
}

#[test]
fn a_module_and_what_is_inside_it_are_no_circle() {
    let files = [
        ("src/lib.rs", "mod session; mod calls;"),
        ("src/session.rs", "mod inbound; pub struct Session; use inbound::Kind; use crate::calls::Call;"),
        ("src/session/inbound.rs", "use super::Session;"),
        ("src/calls.rs", "pub struct Call;\n#[cfg(test)]\nmod tests { use crate::session::Session; }"),
    ];
    check_findings(&files, &[]);
}
