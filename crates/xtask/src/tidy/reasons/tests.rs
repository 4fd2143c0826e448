use super::check;
use crate::tidy::tests::tree;

#[test]
fn every_dependency_of_others_has_its_reason() {
    let check = |line: &str, findings: usize| {
        let manifest =
            format!("[workspace]\nmembers = []\n\n[workspace.dependencies]\n{line}\n\n[profile.dev]\ndebug = 0\n");
        assert_eq!(check(&tree(&[("Cargo.toml", &manifest)], Vec::new())).len(), findings, "{line}");
    };
    check("bytes = \"1\" # frames are shared", 0);
    check("bytes = \"1\"", 1);
    check("bytes = \"1\" # ", 1);
    check("bytes = { version = \"1\", features = [\"std\"] }", 1);
    check("ours = { path = \"crates/ours\" }", 0);
    check("# a comment with a = sign", 0);
}
