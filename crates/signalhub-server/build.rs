//! Tells the program which compiler has built it, and from which revision.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SIGNALHUB_REVISION");
    let compiler = output(env::var("RUSTC").as_deref().unwrap_or("rustc"), &["--version"]);
    // "rustc 1.95.0 (…)"
    let version = compiler.as_deref().and_then(|text| text.split(' ').nth(1));
    println!("cargo::rustc-env=SIGNALHUB_RUSTC={}", version.unwrap_or("unknown"));
    let given = env::var("SIGNALHUB_REVISION").ok().filter(|revision| !revision.is_empty());
    let revision = given.or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rustc-env=SIGNALHUB_REVISION={}", revision.as_deref().unwrap_or("unknown"));
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}
