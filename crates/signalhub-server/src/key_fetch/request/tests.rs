//! Fetches from servers of this machine, which answer in all the ways that a fetch must survive.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Instant;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::configuration::Configuration;

const KEYS: &str = r#"{"keys":[]}"#;

/// How a server answers a request for a path.
#[derive(Clone)]
enum Answer {
    /// With these bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// With this head, and then these bytes again and again.
    Endless(&'static str, &'static [u8]),
    /// With this head, and a byte every 100 ms.
    Trickle(&'static str),
    /// Not at all.
    Silence,
}

/// A provider, with a certificate of its own if it speaks TLS.
struct Provider {
    url: String,
    ca: Option<PemFile>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.ca.iter().for_each(|ca| std::fs::remove_file(ca.path()).unwrap());
    }
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket for S {}

fn ok(headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Bytes(format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes())
}

async fn serve(mut socket: impl Socket, requests: &Mutex<Vec<String>>, answer: impl Fn(&str) -> Answer) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    requests.lock().unwrap().push(head);
    match answer(&path) {
        Answer::Bytes(bytes) => {
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
        }
        Answer::Endless(head, bytes) => {
            let _ = socket.write_all(head.as_bytes()).await;
            while socket.write_all(bytes).await.is_ok() {}
        }
        Answer::Trickle(head) => {
            let _ = socket.write_all(head.as_bytes()).await;
            while socket.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Answer::Silence => {
            let _ = socket.read_u8().await;
        }
    }
}

impl Provider {
    /// Serves over TLS with a certificate for `name`.
    async fn encrypted(name: &str, answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        let path = std::env::temp_dir().join(format!("signalhub-{}-{:?}", std::process::id(), certificate.der().len()));
        let path = path.with_extension(format!("{}.pem", getrandom::u64().unwrap()));
        std::fs::write(&path, certificate.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let tls = (TlsAcceptor::from(Arc::new(config)), pem_file(path.to_str().unwrap()));
        Self::start(Some(tls), answer).await
    }

    async fn plain(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start(None, answer).await
    }

    /// `answer` gets the URL of the server and the path.
    async fn start(
        tls: Option<(TlsAcceptor, PemFile)>,
        answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (tls, ca) = tls.unzip();
        let own = url.clone();
        let (requests, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (tls, requests, answer, own) = (tls.clone(), Arc::clone(&kept), Arc::clone(&answer), own.clone());
                tokio::spawn(async move {
                    let answer = |path: &str| answer(&own, path);
                    match tls {
                        None => serve(socket, &requests, answer).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, &requests, answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { url, ca, requests }
    }

    async fn keys(&self) -> Result<Fetched, FetchError> {
        let url = KeyUrl::parse(&format!("{}/keys?a=b", self.url)).unwrap();
        KeyRequest { place: Place::At(url), ca: self.ca.clone() }.send().await
    }

    async fn discovered_keys(&self, issuer: &str) -> Result<Fetched, FetchError> {
        let url = KeyUrl::of_discovery(issuer).unwrap();
        let place = Place::Discovered { issuer: issuer.to_owned(), url };
        KeyRequest { place, ca: self.ca.clone() }.send().await
    }

    fn paths(&self) -> Vec<String> {
        self.requests.lock().unwrap().drain(..).map(|head| head.split(' ').nth(1).unwrap().to_owned()).collect()
    }
}

fn pem_file(path: &str) -> PemFile {
    let mut configuration = Configuration::default();
    configuration.read_toml("test", &format!("[tls]\ncertificate = \"{path}\"")).unwrap();
    configuration.tls.certificate.unwrap()
}

fn discovery(url: &str, jwks_uri: &str) -> Answer {
    ok("", &format!(r#"{{"issuer":"{url}","jwks_uri":"{jwks_uri}","x":1}}"#))
}

async fn check(answer: Answer, outcome: Outcome, reason: &str) {
    let provider = Provider::encrypted("127.0.0.1", move |_, _| answer.clone()).await;
    let error = provider.keys().await.unwrap_err();
    assert_eq!(error.to_string(), format!("{}/keys: {reason}", provider.url));
    assert_eq!(error.outcome(), outcome, "{reason}");
}

#[tokio::test]
async fn a_key_set_is_fetched_with_one_get_that_has_no_credentials() {
    let provider = Provider::encrypted("127.0.0.1", |_, _| ok("Cache-Control: public, max-age=60\r\n", KEYS)).await;
    let fetched = provider.keys().await.unwrap();
    assert_eq!(fetched, Fetched { text: KEYS.into(), max_age: Some(Duration::from_secs(60)) });
    let requests = provider.requests.lock().unwrap().clone();
    let host = provider.url.trim_start_matches("https://");
    let expected =
        format!("GET /keys?a=b HTTP/1.1\r\naccept: application/json, application/jwk-set+json\r\nhost: {host}\r\n\r\n");
    assert_eq!(requests, [expected]);
    // Plain HTTP is for this machine.
    let plain = Provider::plain(|_, _| ok("", KEYS)).await;
    assert_eq!(plain.keys().await.unwrap().text, KEYS);
    assert_eq!(KeyUrl::parse("http://login.acme.example/keys"), None);
}

#[tokio::test]
async fn long_and_endless_key_sets_are_refused_when_they_exceed_256_kib() {
    let whole = "x".repeat(256 * 1024);
    let provider = Provider::plain(move |_, _| ok("", &whole)).await;
    assert_eq!(provider.keys().await.unwrap().text.len(), 256 * 1024);
    let too_long = "the answer is longer than 256 KiB";
    check(ok("", &"x".repeat(1024 * 1024)), Outcome::Invalid, too_long).await;
    check(ok("", &"x".repeat(256 * 1024 + 1)), Outcome::Invalid, too_long).await;
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000)).leak().as_bytes();
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check(Answer::Endless(chunked, chunk), Outcome::Invalid, too_long).await;
    check(Answer::Endless("HTTP/1.0 200 OK\r\n\r\n", &[b' '; 4096]), Outcome::Invalid, too_long).await;
}

#[tokio::test]
async fn servers_that_are_silent_or_slow_have_five_seconds() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let answers = [Answer::Silence, Answer::Trickle(head), Answer::Trickle("HTTP/1.1 200 OK\r\nX-A: ")];
    let begun = Instant::now();
    let fetches = answers.into_iter().map(|answer| {
        tokio::spawn(async move {
            let provider = Provider::encrypted("127.0.0.1", move |_, _| answer.clone()).await;
            let error = provider.keys().await.unwrap_err();
            assert_eq!(
                (error.to_string().as_str(), error.outcome()),
                ("the answer took longer than 5 s", Outcome::Timeout)
            );
        })
    });
    let fetches: Vec<_> = fetches.collect();
    for fetch in fetches {
        fetch.await.unwrap();
    }
    assert!((5..7).contains(&begun.elapsed().as_secs()));
}

#[tokio::test]
async fn redirects_and_errors_are_not_followed() {
    for (status, reason) in [
        ("302 Found", "the answer was 302 Found, and redirects are not followed"),
        ("308 Permanent Redirect", "the answer was 308 Permanent Redirect, and redirects are not followed"),
        ("404 Not Found", "the answer was 404 Not Found"),
        ("204 No Content", "the answer was 204 No Content"),
    ] {
        let answer = format!("HTTP/1.1 {status}\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n");
        let provider = Provider::plain(move |_, _| Answer::Bytes(answer.clone().into_bytes())).await;
        let error = provider.keys().await.unwrap_err();
        assert_eq!(error.to_string(), format!("{}/keys: {reason}", provider.url));
        assert_eq!((error.outcome(), provider.paths()), (Outcome::Refused, vec!["/keys?a=b".to_owned()]));
    }
}

#[tokio::test]
async fn answers_that_are_no_http_or_end_early_are_refused() {
    let long_head = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "x".repeat(64 * 1024));
    for answer in ["garbage\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n1", "", &long_head] {
        let bytes = answer.as_bytes().to_vec();
        let provider = Provider::plain(move |_, _| Answer::Bytes(bytes.clone())).await;
        let error = provider.keys().await.unwrap_err();
        assert_eq!(error.outcome(), Outcome::Unreachable, "{error}");
    }
}

#[tokio::test]
async fn servers_without_a_trusted_certificate_for_their_name_are_refused() {
    let mut provider = Provider::encrypted("127.0.0.2", |_, _| ok("", KEYS)).await;
    let error = provider.keys().await.unwrap_err();
    let expected = "/keys: the certificate of the server is not for \"127.0.0.1\"";
    assert!(error.to_string().contains(expected), "{error}");
    // Without `ca`, those of the system are trusted, which this one is not.
    std::fs::remove_file(provider.ca.take().unwrap().path()).unwrap();
    let error = provider.keys().await.unwrap_err();
    let expected = "/keys: the certificate of the server is not from an authority that is trusted here";
    assert!(error.to_string().contains(expected), "{error}");
    assert_eq!((error.outcome(), provider.paths().len()), (Outcome::Unreachable, 0));
    let plain = Provider::plain(|_, _| ok("", KEYS)).await;
    let missing =
        KeyRequest { place: Place::At(KeyUrl::parse(&plain.url).unwrap()), ca: Some(pem_file("/there/is/none")) };
    let error = missing.send().await.unwrap_err();
    assert!(error.to_string().starts_with("/there/is/none: it cannot be read: "), "{error}");
    assert_eq!(plain.paths().len(), 0);
}

#[tokio::test]
async fn keys_are_where_the_configuration_of_the_same_issuer_says_over_https() {
    let path = "/realms/acme/.well-known/openid-configuration";
    let answer = |url: &str, path: &str| match path {
        "/realms/acme/.well-known/openid-configuration" => {
            discovery(&format!("{url}/realms/acme"), &format!("{url}/k?x=1"))
        }
        "/k?x=1" => ok("", KEYS),
        _ => Answer::Silence,
    };
    for provider in [Provider::encrypted("127.0.0.1", answer).await, Provider::plain(answer).await] {
        assert_eq!(provider.discovered_keys(&format!("{}/realms/acme", provider.url)).await.unwrap().text, KEYS);
        assert_eq!(provider.paths(), [path, "/k?x=1"]);
    }
    // The issuer of Auth0 ends with a slash, which is no part of the path.
    let slash = Provider::plain(|url, path| match path {
        "/.well-known/openid-configuration" => discovery(&format!("{url}/"), &format!("{url}/k")),
        _ => ok("", KEYS),
    });
    let slash = slash.await;
    assert!(slash.discovered_keys(&format!("{}/", slash.url)).await.is_ok());
    let error = slash.discovered_keys(&slash.url).await.unwrap_err().to_string();
    let expected = format!("it is the configuration of another issuer, \"{}/\"", slash.url);
    assert!(error.ends_with(&expected), "{error}");
}

#[tokio::test]
async fn a_configuration_that_names_another_issuer_or_plain_keys_is_refused() {
    let long = "x".repeat(300);
    for (text, reason) in [
        ("", "it is not a JSON object with \"issuer\" and \"jwks_uri\""),
        ("[]", "it is not a JSON object with \"issuer\" and \"jwks_uri\""),
        (r#"{"issuer":"URL"}"#, "it is not a JSON object with \"issuer\" and \"jwks_uri\""),
        (r#"{"issuer":["URL"],"jwks_uri":"URL"}"#, "it is not a JSON object with \"issuer\" and \"jwks_uri\""),
        (r#"{"issuer":"https://a\n","jwks_uri":"URL"}"#, "it is the configuration of another issuer, \"https://a\\n\""),
        (
            r#"{"issuer":"URL","jwks_uri":"http://127.0.0.1/k"}"#,
            "its jwks_uri is not an https URL: \"http://127.0.0.1/k\"",
        ),
        (
            r#"{"issuer":"URL","jwks_uri":"http://a.example/k"}"#,
            "its jwks_uri is not an https URL: \"http://a.example/k\"",
        ),
        (r#"{"issuer":"URL","jwks_uri":"/k"}"#, "its jwks_uri is not an https URL: \"/k\""),
        (r#"{"issuer":"URL","jwks_uri":"file:///k"}"#, "its jwks_uri is not an https URL: \"file:///k\""),
        (r#"{"issuer":"URL","jwks_uri":"LONG"}"#, &format!("its jwks_uri is not an https URL: {:?}", &long[..200])),
    ] {
        let text = text.replace("LONG", &long);
        let provider = Provider::encrypted("127.0.0.1", move |url, _| ok("", &text.replace("URL", url))).await;
        let error = provider.discovered_keys(&provider.url).await.unwrap_err();
        let expected = format!("{}/.well-known/openid-configuration: {reason}", provider.url);
        assert_eq!((error.to_string(), error.outcome()), (expected, Outcome::Invalid));
        assert_eq!(provider.paths().len(), 1);
    }
}

#[test]
fn max_age_is_read_as_http_defines_it() {
    for (values, seconds) in [
        (&["max-age=60"][..], Some(60)),
        (&["public, Max-Age=\"5\" , must-revalidate"], Some(5)),
        (&["no-cache", "s-maxage=1, max-age=7"], Some(7)),
        (&["max-age=99999999999999999999999"], Some(u64::MAX)),
        (&["max-age=-1"], None),
        (&["max-age", "max-age=", "max-age=x"], None),
        (&[], None),
    ] {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(CACHE_CONTROL, value.parse().unwrap());
        }
        assert_eq!(max_age(&headers), seconds.map(Duration::from_secs), "{values:?}");
    }
}
