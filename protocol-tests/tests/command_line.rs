//! The exit codes of `signalhub-conformance`.

use std::net::TcpListener;
use std::process::Command;

fn check(arguments: &[&str], code: i32, part: &str) {
    let run = Command::new(env!("CARGO_BIN_EXE_signalhub-conformance"))
        .args(arguments)
        .output()
        .expect("the binary is built with its tests");
    let text = String::from_utf8_lossy(&run.stdout) + String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(code), "{arguments:?}: {text}");
    assert!(text.contains(part), "{part:?} in {text}");
}

#[test]
fn usage_errors_are_2() {
    check(&[], 2, "BASE_URL");
    check(&["ftp://hub.test"], 2, "must begin with http://");
    check(&["http://127.0.0.1:1", "--supports", "streams,flying"], 2, "`flying`");
    check(&["http://127.0.0.1:1", "--only", "flying/"], 2, "`flying/`");
    check(&["http://127.0.0.1:1", "--recordings", "/does/not/exist"], 2, "/does/not/exist");
    check(&["http://127.0.0.1:1", "--deviations", "/does/not/exist"], 2, "/does/not/exist");
}

#[test]
fn a_server_that_is_not_there_is_1() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(&[&format!("http://{free}")], 1, "no server answers at");
}

#[test]
fn a_server_that_only_hangs_up_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().for_each(drop));
    check(&[&url, "--only", "negotiate/get"], 1, "1 failed, 0 not due");
    check(&[&url, "--only", "stream/", "--supports", ""], 0, "0 passed, 0 failed");
}
