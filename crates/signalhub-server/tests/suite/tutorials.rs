//! The programs of `docs/backend.md` publish an event once, although their first tries fail.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{KEY, Running, configuration};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PAGE: &str = include_str!("../../../../docs/backend.md");

const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// The end of what each program publishes, behind which nothing is sent before an answer.
const END: &str = "\"open\"";

/// Serves in front of a server: the first connection gets no answer, the second one a 503, all others reach the server.
async fn failing_twice(server: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let earlier = count.fetch_add(1, Ordering::Relaxed);
            let server = server.clone();
            tokio::spawn(async move {
                if earlier >= 2 {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                    return;
                }
                let mut request = Vec::new();
                while !String::from_utf8_lossy(&request).contains(END) {
                    if client.read_buf(&mut request).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                if earlier == 1 {
                    client.write_all(UNAVAILABLE).await.unwrap();
                }
            });
        }
    });
    (url, accepted)
}

/// Writes the program of the page in this language into a file, if what runs it is installed.
fn program(language: &str, interpreter: &str, file: &str) -> Option<PathBuf> {
    if Command::new(interpreter).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        eprintln!("not run: {interpreter} is not installed");
        return None;
    }
    let (_, rest) = PAGE.split_once(&format!("```{language}\n")).expect("a program");
    let (text, _) = rest.split_once("```").expect("an end");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("backend-{language}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(file), text).unwrap();
    Some(folder.join(file))
}

/// Runs the command that the page names for a language twice, and checks that the second receipt is of the same event.
async fn publishes_once(language: &'static str, command: &'static [&'static str]) {
    let [interpreter, .., file] = *command else { panic!("{command:?} names no file") };
    assert!(PAGE.contains(&format!("`{} 17`", command.join(" "))), "the page shows another command");
    let Some(path) = program(language, interpreter, file) else { return };
    let node = Running::start(configuration("")).await;
    let (url, accepted) = failing_twice(node.url.trim_start_matches("http://").to_owned()).await;
    let mut receipts = Vec::new();
    for _ in 0..2 {
        let (url, path) = (url.clone(), path.clone());
        let output = tokio::task::spawn_blocking(move || {
            let mut run = Command::new(interpreter);
            run.args(&command[1..]).arg("17").current_dir(path.parent().unwrap());
            run.env("SIGNALHUB_URL", url).env("SIGNALHUB_KEY", KEY).output().unwrap()
        });
        let output = output.await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{language}: {text}{}", String::from_utf8_lossy(&output.stderr));
        receipts.push(receipt(&text));
    }
    assert!(accepted.load(Ordering::Relaxed) >= 4, "two tries failed, and two succeeded");
    assert_eq!(node.counts.published(), 1);
    let [first, second] = &receipts[..] else { panic!("{receipts:?}") };
    assert_eq!((&first["duplicate"], &second["duplicate"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!(first["id"], second["id"]);
    node.stop().await;
}

/// Reads a receipt as a language prints it: Python and JavaScript print objects of their own.
fn receipt(text: &str) -> Value {
    let json = text.replace('\'', "\"").replace("False", "false").replace("True", "true");
    let quoted = ["id", "position", "matched", "duplicate"]
        .iter()
        .fold(json, |json, name| json.replace(&format!(" {name}:"), &format!(" \"{name}\":")));
    serde_json::from_str(quoted.trim()).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn the_python_program_publishes_once_although_tries_fail() {
    publishes_once("python", &["python3", "publish.py"]).await;
}

#[tokio::test]
async fn the_go_program_publishes_once_although_tries_fail() {
    publishes_once("go", &["go", "run", "publish.go"]).await;
}

#[tokio::test]
async fn the_java_program_publishes_once_although_tries_fail() {
    publishes_once("java", &["java", "Publish.java"]).await;
}

#[tokio::test]
async fn the_javascript_program_publishes_once_although_tries_fail() {
    publishes_once("js", &["node", "publish.mjs"]).await;
}
