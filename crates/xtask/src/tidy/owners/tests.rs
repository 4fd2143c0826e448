use super::{check_dependencies, check_uses};
use crate::tidy::tests::{package, tree};
use crate::workspace::Purpose::{Always, Feature, Tests};

#[test]
fn a_dependency_stays_with_its_owner() {
    let check = |name: &str, dependency: &str, purpose, findings: usize| {
        let tree = tree(&[], vec![package(name, &[(dependency, purpose)])]);
        assert_eq!(check_dependencies(&tree).len(), findings, "{name} on {dependency}");
    };
    check("signalhub-connections", "tungstenite", Always, 0);
    check("signalhub-server", "tungstenite", Always, 1);
    check("signalhub-client", "tokio-tungstenite", Always, 0);
    check("signalhub-connections", "tokio-tungstenite", Tests, 0);
    check("signalhub-connections", "tokio-tungstenite", Feature, 1);
    check("signalhub", "jsonwebtoken", Always, 1);
    check("signalhub-server", "rusqlite", Always, 1);
    check("signalhub", "serde", Always, 0);
}

#[test]
fn a_use_stays_with_its_owner() {
    let check = |path: &str, text: &str, findings: usize| {
        assert_eq!(check_uses(&tree(&[(path, text)], Vec::new())).len(), findings, "{path}: {text}");
    };
    check("crates/signalhub-connections/src/server.rs", "use hyper::server::conn::http1;", 0);
    check("crates/signalhub-server/src/main.rs", "use hyper::server::conn::http1;", 1);
    check("crates/signalhub-server/src/tests.rs", "use hyper::server::conn::http1;", 0);
    check("crates/signalhub-server/src/token.rs", "jsonwebtoken::encode(&header, &claims, &key)", 0);
    check("crates/signalhub-server/src/token.rs", "jsonwebtoken::decode(token, &key, &validation)", 1);
}
