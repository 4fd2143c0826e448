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

/// Marks that stand in every value that is a secret.
const MARK: &str = "0123456789abcdefghijklmnopqrstuvwxyz-MARK";

#[test]
fn no_secret_of_any_key_is_in_the_effective_configuration() {
    let text = format!(
        "[auth]\nsecret = \"{MARK}\"\n[[auth.issuers]]\nissuer = \"a\"\naudience = [\"b\"]\nsecret = \"{MARK}\"\n\
         [admin]\ntoken = \"{MARK}\"\n\
         [publish]\nkeys = [\"{MARK}\"]\n[[publish.clients]]\nname = \"a\"\nkey = \"{MARK}\"\n\
         [[publish.clients]]\nname = \"b\"\nkey_sha256 = \"{}\"\n\
         [[dialects.smc.accounts]]\nname = \"a\"\nkey = \"{MARK}\"\n\
         [cluster]\nsecret = [\"{MARK}\"]\nredis_password = \"{MARK}\"\nredis = [\"redis://{MARK}:{MARK}@a\"]\n",
        "ab".repeat(32)
    );
    let mut configuration = Configuration::default();
    configuration.read_toml("test", &text).unwrap();
    let shown = format!("{:?}", effective(&configuration));
    assert!(!shown.contains("MARK") && !shown.contains("abab"), "{shown}");
    assert_eq!(shown.matches("***").count(), 9, "{shown}");
    // A key that sounds like a secret is one of those above, or known to be none.
    let inner = KEYS.iter().flat_map(|key| key.table.iter().map(move |inner| format!("{}.{}", key.path(), inner.name)));
    let sounding = KEYS.iter().map(Key::path).chain(inner).filter(|path| {
        let name = path.rsplit('.').next().unwrap_or_default();
        ["key", "secret", "token", "password"].iter().any(|word| name.contains(word))
    });
    let covered = [
        "auth.secret",
        "auth.issuers.secret",
        "admin.token",
        "publish.keys",
        "publish.clients.key",
        "publish.clients.key_sha256",
        "dialects.smc.accounts.key",
        "dialects.smc.accounts.key_sha256",
        "cluster.secret",
        "cluster.redis_password",
    ];
    let files_and_counts = ["tls.key", "dialects.printfactory.keys", "publish.idempotency_keys"];
    let hashes = ["dialects.smc.accounts.password_hash"];
    for path in sounding {
        let known = covered.iter().chain(&files_and_counts).chain(&hashes).any(|known| *known == path);
        assert!(known, "{path} may be a secret");
    }
}
