//! Under which names the server answers.

use crate::common::{Running, configuration};
use signalhub_server::{Configuration, Development, HUB_PATH};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Asks in these very words, and gives the status.
async fn ask(url: &str, line: &str, hosts: &[&str]) -> u16 {
    let mut socket = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
    let request = format!("{line}\r\n{hosts}Content-Length: 0\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_internal_listener_answers_for_local_and_configured_hosts_alone() {
    let mut settings = configuration("");
    settings.listen.hosts.push(signalhub_server::configuration::HostName::new("metrics.example.com").unwrap());
    let node = Running::start(settings).await;
    let port = node.internal.rsplit(':').next().unwrap().to_owned();
    for path in ["/metrics", "/health/live", "/health/ready", "/nowhere"] {
        let good = if path == "/nowhere" { 404 } else { 200 };
        for (line, host, expected) in [
            ("GET {path} HTTP/1.1", format!("127.0.0.1:{port}"), good),
            ("GET {path} HTTP/1.1", format!("localhost:{port}"), good),
            ("GET {path} HTTP/1.1", "LOCALHOST.".to_owned(), good),
            ("GET {path} HTTP/1.1", format!("[::1]:{port}"), good),
            ("GET {path} HTTP/1.1", "Metrics.Example.com:9".to_owned(), good),
            ("GET http://localhost{path} HTTP/1.1", "localhost".to_owned(), good),
            ("GET {path} HTTP/1.1", format!("rebound.example:{port}"), 421),
            ("GET {path} HTTP/1.1", "localhost.rebound.example".to_owned(), 421),
            ("GET {path} HTTP/1.1", String::new(), 421),
            ("GET http://rebound.example{path} HTTP/1.1", "rebound.example".to_owned(), 421),
            ("GET http://rebound.example{path} HTTP/1.1", "localhost".to_owned(), 400),
            ("GET http://localhost{path} HTTP/1.1", "rebound.example".to_owned(), 400),
            ("GET http://localhost@rebound.example{path} HTTP/1.1", "localhost".to_owned(), 400),
            ("GET {path} HTTP/1.1", "localhost@rebound.example".to_owned(), 400),
            ("GET {path} HTTP/1.0", "rebound.example".to_owned(), 421),
        ] {
            let line = line.replace("{path}", path);
            assert_eq!(ask(&node.internal, &line, &[&host]).await, expected, "{line} for {host}");
        }
        let line = format!("GET {path} HTTP/1.1");
        assert_eq!(ask(&node.internal, &line, &[]).await, 400);
        assert_eq!(ask(&node.internal, &line, &["localhost", "localhost"]).await, 400);
        assert_eq!(
            ask(&node.internal, &line.replace("1.1", "1.0"), &[]).await,
            good,
            "simple checks of health say no host"
        );
    }
    node.stop().await;
}

#[tokio::test]
async fn in_development_mode_the_public_listener_does_so_too() {
    let mut development = Configuration::default();
    development.read_toml("test", "[listen]\npublic = \"127.0.0.1:0\"\ninternal = \"\"").unwrap();
    Development::begin(&mut development).await.unwrap().unwrap();
    for (settings, foreign) in [(development, 421), (configuration(""), 200)] {
        let node = Running::start(settings).await;
        let negotiate = format!("POST {HUB_PATH}/negotiate?negotiateVersion=1 HTTP/1.1");
        let publish = "POST /api/v1/publish HTTP/1.1";
        assert_eq!(ask(&node.url, "GET /health HTTP/1.1", &["rebound.example"]).await, foreign);
        let refused = if foreign == 421 { 421 } else { 401 };
        for line in [&negotiate, publish] {
            assert_eq!(ask(&node.url, line, &["rebound.example"]).await, refused, "{line}");
            assert_eq!(ask(&node.url, line, &["localhost"]).await, 401, "{line}");
            assert_eq!(ask(&node.url, line, &[]).await, 400, "{line}");
            assert_eq!(ask(&node.url, line, &["localhost", "localhost"]).await, 400, "{line}");
            assert_eq!(ask(&node.url, line, &["local host"]).await, 400, "{line}");
        }
        node.stop().await;
    }
}
