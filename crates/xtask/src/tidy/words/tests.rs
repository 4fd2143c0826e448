use super::check;
use crate::tidy::tests::tree;

#[test]
fn words_that_have_a_plainer_form_are_refused() {
    let check = |path: &str, text: &str, findings: usize| {
        assert_eq!(check(&tree(&[(path, text)], Vec::new())).len(), findings, "{path}: {text}");
    };
    let word = concat!("no", "body");
    check("README.md", concat!("Who", "ever sends so", " many events"), 2);
    check("src/hub.rs", &format!("// {word}'s\nlet text = \"{word}\";"), 2);
    check("src/hub.rs", &format!("let {word}_else = any{word};"), 1);
    check("src/hub.rs", concat!("fn it_waits_for", "_ever() {}"), 1);
    check("Cargo.toml", &format!("# {}", word.to_uppercase()), 1);
    check("README.md", "For every client that was heard often", 0);
    check("protocol-tests/recordings/hub.md", word, 0);
    check("client.js", word, 0);
}
