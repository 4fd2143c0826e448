//! What is made from the definition of the command line: the version, completions of shells and manual pages.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_signalhub");

/// What the program prints.
fn printed(arguments: &[&str]) -> String {
    let output = Command::new(PROGRAM).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that the help lists.
fn commands() -> BTreeSet<String> {
    let help = printed(&["--help"]);
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).filter(|name| name != "help").collect()
}

#[test]
fn the_version_tells_revision_features_target_and_compiler() {
    let version = printed(&["--version"]);
    let lines: Vec<&str> = version.lines().collect();
    assert_eq!(lines[0], concat!("signalhub ", env!("CARGO_PKG_VERSION")));
    let names: Vec<&str> = lines[1..].iter().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(names, ["revision", "features", "target", "rustc"]);
    let features = if cfg!(feature = "otlp") { "features: otlp" } else { "features: none" };
    assert_eq!(lines[2], features);
    assert_eq!(printed(&["-V"]).trim(), lines[0]);
}

#[test]
fn each_shell_accepts_its_completions_which_know_every_command() {
    let commands = commands();
    assert!(commands.len() > 12, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
        assert!(script.contains("reset-history"), "{shell}");
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("completions.{shell}"));
        std::fs::write(&file, script).unwrap();
        match Command::new(shell).arg("-n").arg(&file).output() {
            Ok(output) => {
                assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
            }
            Err(_) => eprintln!("not run: {shell} is not installed, so it has not read its completions"),
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manual");
    let _ = std::fs::remove_dir_all(&folder);
    printed(&["manual", "--directory", folder.to_str().unwrap()]);
    let page = std::fs::read_to_string(folder.join("signalhub.1")).unwrap();
    assert_eq!(printed(&["manual"]), page);
    assert!(page.contains(".TH signalhub 1"), "{page}");
    for command in commands() {
        assert!(page.contains(&format!("signalhub\\-{command}(1)")), "{command} is not in the page of the program");
        let page = std::fs::read_to_string(folder.join(format!("signalhub-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
    }
    assert!(folder.join("signalhub-token-create.1").exists());
    let serve = std::fs::read_to_string(folder.join("signalhub-serve.1")).unwrap();
    assert!(serve.contains("reset\\-history") && serve.contains("config"), "{serve}");
}

#[test]
fn the_page_of_the_command_line_is_what_the_program_prints() {
    let page = printed(&["manual", "--markdown"]);
    for command in commands() {
        assert!(page.contains(&format!("\n## signalhub {command}\n")), "{command}");
    }
    assert_eq!(page, include_str!("../../../../docs/command-line.md"));
}
