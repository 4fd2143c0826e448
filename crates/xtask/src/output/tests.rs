use super::output;
use crate::command::cargo;

#[test]
fn both_streams_of_a_process_are_kept() {
    let (status, lines) = output(&mut cargo(&["--version"])).unwrap();
    assert!(status.success() && lines.iter().any(|line| line.starts_with("cargo ")), "{lines:?}");
    let (status, lines) = output(&mut cargo(&["no-such-command"])).unwrap();
    assert!(!status.success() && lines.iter().any(|line| line.contains("no-such-command")), "{lines:?}");
}
