use super::{cargo, run, run_counted, shown, works};
use crate::counts::Counts;

fn one_a_line(_: &str) -> Option<Counts> {
    Some(Counts::PASSED)
}

fn none(_: &str) -> Option<Counts> {
    None
}

#[test]
fn cases_are_counted_in_what_a_command_prints() {
    let counts = run_counted(&mut cargo(&["--version"]), one_a_line).unwrap();
    assert_eq!(counts, Counts::PASSED);
}

#[test]
fn success_without_any_case_is_no_success() {
    let error = run_counted(&mut cargo(&["--version"]), none).unwrap_err();
    assert!(error.to_string().contains("tested nothing"), "{error}");
}

#[test]
fn a_command_that_breaks_off_is_one_failed_case() {
    assert_eq!(run_counted(&mut cargo(&["no-such-command"]), none).unwrap(), Counts::FAILED);
    assert!(run(&mut cargo(&["no-such-command"])).is_err());
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let mut command = std::process::Command::new("no-such-program");
    let error = run(command.arg("--please")).unwrap_err();
    assert!(error.to_string().starts_with("no-such-program --please cannot be started"), "{error}");
    assert!(!works(&mut command));
    assert!(works(&mut cargo(&["--version"])));
}

#[test]
fn commands_are_shown_without_the_path_of_their_program() {
    let mut command = std::process::Command::new("/opt/bin/npm");
    assert_eq!(shown(command.arg("ci")), "npm ci");
}
