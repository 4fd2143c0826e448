//! What the documents say is run: every publishing sample against a live server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{KEY, Running, configuration};

/// The samples of the publishing page in one language.
fn sample(language: &str) -> String {
    let page = include_str!("../../../docs/publishing.md");
    let start = page.find(&format!("```{language}\n")).expect("a sample") + language.len() + 4;
    let len = page[start..].find("```").expect("an end");
    page[start..start + len].to_owned()
}

/// Runs a sample with an interpreter; machines without it leave the sample to those that have it.
async fn runs(language: &'static str, program: &'static str, file: &'static str) {
    if Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("{program} is not installed, so the {language} sample is not run");
        return;
    }
    let node = Running::start(configuration("")).await;
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-{language}"));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(file);
    std::fs::write(&path, sample(language)).unwrap();
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
