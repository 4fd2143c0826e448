//! Tells the program from which revision, by which compiler, for which machine and with which features it is built.

use std::env;
use std::fs;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SIGNALHUB_REVISION");
    let compiler = output(env::var("RUSTC").as_deref().unwrap_or("rustc"), &["--version"]);
    // "rustc 1.95.0 (…)"
    let version = compiler.as_deref().and_then(|text| text.split(' ').nth(1));
    set("SIGNALHUB_RUSTC", version);
    set("SIGNALHUB_REVISION", revision().as_deref());
    set("SIGNALHUB_TARGET", env::var("TARGET").ok().as_deref());
    set("SIGNALHUB_FEATURES", Some(&features()));
}

fn set(name: &str, value: Option<&str>) {
    println!("cargo::rustc-env={name}={}", value.unwrap_or("unknown"));
}

/// The revision that the environment gives, else that of the package, else that of the repository.
///
/// A debug build does not ask the repository: each commit would compile the program again.
fn revision() -> Option<String> {
    let given = env::var("SIGNALHUB_REVISION").ok().filter(|revision| !revision.is_empty());
    given.or_else(packaged).or_else(|| {
        let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
        let log = output("git", &["rev-parse", "--git-path", "logs/HEAD"]).filter(|_| is_release)?;
        println!("cargo::rerun-if-changed={log}");
        output("git", &["rev-parse", "--short=12", "HEAD"])
    })
}

/// The revision that cargo wrote into the package, where this is one.
fn packaged() -> Option<String> {
    let text = fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let hash = text.split("\"sha1\"").nth(1)?.split('"').nth(1)?;
    Some(hash.chars().take(12).collect())
}

/// The features of the package that are on, in alphabetical order.
fn features() -> String {
    let names = env::vars().filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase()));
    let mut names: Vec<String> = names.filter(|name| name != "default").map(|name| name.replace('_', "-")).collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
