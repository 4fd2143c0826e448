//! What the documents say is run: every publishing sample against a live server. The gate `docs` checks their links.

#[path = "../samples/publish.rs"]
#[allow(unreachable_pub, reason = "the page shows it as a reader would write it")]
mod rust_sample;
#[path = "../samples/publish_once.rs"]
#[allow(unreachable_pub, reason = "the page shows it as a reader would write it")]
mod rust_sample_with_a_key;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::{KEY, Running, configuration};
use portos_notifications::{Credentials, Notifier};
use signalhub_server::configuration::KEYS;

const PUBLISHING: &str = include_str!("../../../../docs/publishing.md");

/// The first sample of a page in one language.
fn sample(page: &str, language: &str) -> String {
    let start = page.find(&format!("```{language}\n")).expect("a sample") + language.len() + 4;
    let len = page[start..].find("```").expect("an end");
    page[start..start + len].to_owned()
}

/// Runs a sample with an interpreter.
async fn runs(language: &'static str, program: &'static str, file: &'static str) {
    if !is_installed(program) {
        return;
    }
    let node = Running::start(configuration("")).await;
    let path = written(&format!("docs-{language}"), file, &sample(PUBLISHING, language));
    let url = node.url.clone();
    let output = tokio::task::spawn_blocking(move || {
        Command::new(program).arg(&path).env("SIGNALHUB_URL", url).env("SIGNALHUB_KEY", KEY).output().unwrap()
    })
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{language}: {text} {}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains('0'), "{language} printed {text:?}");
    node.stop().await;
}

/// Tells whether there is such a program. Machines without it leave the sample to those that have it.
fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !is_there {
        eprintln!("not run: {program} is not installed");
    }
    is_there
}

/// Writes a sample into a file in a folder of its own.
fn written(folder: &str, file: &str, text: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(file);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn the_curl_sample_publishes() {
    runs("sh", "sh", "publish.sh").await;
}

#[tokio::test]
async fn the_python_sample_publishes() {
    runs("python", "python3", "publish.py").await;
}

#[tokio::test]
async fn the_javascript_sample_publishes() {
    runs("js", "node", "publish.mjs").await;
}

#[tokio::test]
async fn the_java_sample_publishes() {
    runs("java", "java", "Publish.java").await;
}

#[tokio::test]
async fn the_rust_sample_publishes() {
    for file in [include_str!("../samples/publish.rs"), include_str!("../samples/publish_once.rs")] {
        assert!(
            PUBLISHING.contains(&format!(
                "```rust
{file}```"
            )),
            "the page shows what is compiled here: {file}"
        );
    }
    let node = Running::start(configuration("")).await;
    assert_eq!(rust_sample::publish(&node.url, KEY).await.unwrap(), 0);
    assert_eq!(node.counts.published(), 1);
    let notifier = Notifier::http(&node.url, Credentials::ApiKey(KEY)).unwrap();
    let receipt = rust_sample_with_a_key::publish_once(&notifier, "17").await.unwrap();
    assert!(!receipt.duplicate);
    node.stop().await;
}

/// Every document for users, with its name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![("README.md".to_owned(), std::fs::read_to_string(root.join("README.md")).unwrap())];
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = format!("docs/{}", path.file_name().unwrap().to_string_lossy());
            pages.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
    assert!(pages.len() > 5);
    pages
}

/// What stands between single backquotes, outside of fenced blocks.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn keys_and_variables_that_documents_name_exist() {
    let paths: Vec<String> = KEYS.iter().map(|key| format!("{}.{}", key.section, key.name)).collect();
    let sections: Vec<&str> = KEYS.iter().map(|key| key.section).collect();
    let variables: Vec<String> = KEYS.iter().map(|key| key.variable()).collect();
    let mut named = 0;
    for (page, text) in pages() {
        for word in quoted(&text) {
            if let Some((section, name)) = word.split_once('.')
                && sections.contains(&section)
                // The file of the history has a name like a key.
                && name != "sqlite"
                && word.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_' || letter == '.')
            {
                named += 1;
                assert!(paths.iter().any(|path| path == word), "{page} names the key {word}");
            }
        }
        for word in text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_') {
            if word.starts_with("SIGNALHUB_") && word.contains("__") && !word.ends_with("__") {
                named += 1;
                assert!(variables.iter().any(|variable| variable == word), "{page} names the variable {word}");
            }
        }
    }
    assert!(named > 20, "{named}");
}

#[test]
fn commands_that_documents_show_exist() {
    let mut shown = 0;
    for (page, text) in pages() {
        let fenced = text.split("```sh").skip(1).flat_map(|block| block.split("```").next().unwrap().lines());
        for line in fenced.chain(quoted(&text)) {
            let Some(rest) = line.trim().strip_prefix("signalhub ") else { continue };
            let is_word = |word: &&str| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase());
            let words: Vec<&str> = rest.split([' ', '|']).take_while(is_word).collect();
            // `config check|defaults|doc` is three commands; `signalhub --version` is none.
            let has_commands = matches!(words.first(), Some(&("config" | "token")));
            let commands = words.iter().take(1 + usize::from(has_commands));
            let help = Command::new(env!("CARGO_BIN_EXE_signalhub")).args(commands).arg("--help").output();
            shown += 1;
            assert!(help.unwrap().status.success(), "{page}: {line}");
        }
    }
    assert!(shown > 5, "{shown}");
}

#[test]
fn tests_that_the_security_page_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut sources = String::new();
    let mut folders = vec![root.join("crates"), root.join("protocol-tests/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources += &std::fs::read_to_string(path).unwrap();
            }
        }
    }
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let names = quoted(&page).into_iter().filter(|word| {
        let is_of_name = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        word.matches('_').count() >= 3 && word.chars().all(is_of_name)
    });
    let mut named = 0;
    for name in names.filter(|name| !name.contains('.')) {
        named += 1;
        assert!(sources.contains(&format!("fn {name}(")), "there is no test {name}");
    }
    assert!(named > 10, "{named}");
}

/// Collects the files and folders under a folder, as paths from the root with `/`. What is built or installed is left out.
fn tree(root: &Path, folder: &Path, paths: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name == "node_modules" || path.is_symlink() {
            continue;
        }
        paths.push(path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/"));
        if path.is_dir() {
            tree(root, &path, paths);
        }
    }
}

#[test]
fn paths_that_the_architecture_names_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    tree(&root, &root, &mut paths);
    let page = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let is_path = |word: &&str| {
        let ends_like_a_file = [".rs", ".md", ".js", ".json", ".toml"].iter().any(|end| word.ends_with(end));
        (ends_like_a_file || word.contains('/') && !word.starts_with('/')) && !word.contains(' ')
    };
    let named: Vec<&str> = quoted(&page).into_iter().filter(is_path).collect();
    assert!(named.len() > 50, "{named:?}");
    let is_missing = |word: &&str| {
        let end = format!("/{}", word.trim_end_matches('/'));
        !paths.iter().any(|path| format!("/{path}").ends_with(&end))
    };
    let missing: Vec<&str> = named.into_iter().filter(is_missing).collect();
    assert_eq!(missing, [""; 0], "ARCHITECTURE.md names paths that do not exist");
}
