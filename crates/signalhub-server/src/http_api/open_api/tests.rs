//! The description against an official validator, and against the definitions that it is made of.

use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

#[test]
fn every_problem_and_content_type_is_described() {
    let document = document();
    let publish = &document["paths"]["/api/v1/publish"]["post"];
    let codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    assert_eq!(codes.len(), ProblemCode::ALL.len());
    for code in ProblemCode::ALL {
        let response = &publish["responses"][code.status().as_str()];
        assert!(response["description"].as_str().unwrap().contains(code.code()), "{}", code.code());
    }
    for media in MediaType::ALL {
        assert!(publish["requestBody"]["content"][media.name()]["schema"].is_object(), "{}", media.name());
    }
}

#[test]
fn the_official_validator_finds_nothing_wrong() {
    if Command::new("python3").arg("--version").output().is_err() {
        eprintln!("not run: there is no python3");
        return;
    }
    let program = std::env::current_exe().unwrap();
    // Tests lie in target/debug/deps; the environment beside them is made once.
    let environment = program.ancestors().nth(3).unwrap().join("openapi-spec-validator");
    let validator = environment.join("bin/openapi-spec-validator");
    if let Err(missing) = install(&environment, &validator) {
        eprintln!("not run: openapi-spec-validator could not be installed from PyPI: {missing}");
        return;
    }
    let file = environment.join("openapi.json");
    for (text, good) in [(document().to_string(), true), (document().to_string().replace("3.1.0", "3.1.x"), false)] {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(&validator).arg(&file).output().unwrap();
        assert_eq!(output.status.success(), good, "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Puts the validator into an environment of its own. The environment is only kept when it answers: one that was left
/// half made is made anew.
fn install(environment: &Path, validator: &Path) -> Result<(), String> {
    if run(Command::new(validator).arg("--help")).is_ok() {
        return Ok(());
    }
    let _ = std::fs::remove_dir_all(environment);
    run(Command::new("python3").args(["-m", "venv"]).arg(environment))?;
    run(Command::new(environment.join("bin/pip")).args(["install", "--quiet", "openapi-spec-validator==0.7.2"]))?;
    run(Command::new(validator).arg("--help"))
}

/// Runs a step of the installation, or gives the last line of what stands against it.
fn run(command: &mut Command) -> Result<(), String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            Err(String::from_utf8_lossy(&said).lines().rfind(|line| !line.is_empty()).unwrap_or_default().to_owned())
        }
        Err(error) => Err(error.to_string()),
    }
}
