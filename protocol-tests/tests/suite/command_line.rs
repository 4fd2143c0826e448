//! The exit codes of `signalhub-conformance`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

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
    check(&["https://127.0.0.1:1", "--ca", "/does/not/exist"], 2, "--ca: /does/not/exist: ");
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

/// A process that ends with the test.
struct Ending(Child);

impl Drop for Ending {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_with_tls_is_compared_if_its_certificate_is_trusted() {
    let folder = std::env::temp_dir().join(format!("signalhub-conformance-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    fs::write(path("chain.pem"), made.cert.pem()).unwrap();
    fs::write(path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let mut server = Command::new(env!("CARGO_BIN_EXE_conformance-server"));
    server.args(["--listen", "127.0.0.1:0", "--certificate", &path("chain.pem"), "--key", &path("key.pem")]);
    let mut server = Ending(server.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().trim_start_matches("listening on ");
    assert!(url.starts_with("https://"), "{line}");
    let deviations = concat!(env!("CARGO_MANIFEST_DIR"), "/deviations.json");
    check(&[url, "--ca", &path("chain.pem"), "--deviations", deviations], 0, " 0 failed");
    check(&[url], 1, "is not from an authority that is trusted here; --ca FILE names the certificate of its authority");
    check(&[&url.replace("127.0.0.1", "localhost"), "--ca", &path("chain.pem")], 1, "is not for \"localhost\"");
    check(&[&url.replace("https", "http")], 1, "");
    fs::remove_dir_all(&folder).unwrap();
}
