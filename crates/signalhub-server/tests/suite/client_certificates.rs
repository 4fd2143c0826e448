//! Publishers with client certificates, which curl presents. The certificates are made here.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{KEY, Running, configuration};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType,
    date_time_ymd,
};
use time::OffsetDateTime;
use tokio::process::Command;

const BOTH_KEY: &str = "shk_key-of-a-client-with-a-certificate";

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An authority, and a folder for its certificates, which is removed with it.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("signalhub-clients-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate whose subject is its issuer for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, format!("authority {number}"));
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, folder };
        fs::write(authority.path("ca.pem"), authority.issuer.pem()).unwrap();
        authority
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Writes `NAME.pem` and `NAME-key.pem`, and returns the fingerprint.
    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        fs::write(self.path(&format!("{name}.pem")), certificate.pem()).unwrap();
        fs::write(self.path(&format!("{name}-key.pem")), key.serialize_pem()).unwrap();
        sha256(certificate.der())
    }

    /// Signs the certificate of a client with this DNS name.
    fn sign_dns(&self, name: &str, dns: &str) {
        self.sign(name, |params| params.subject_alt_names = vec![SanType::DnsName(dns.try_into().unwrap())]);
    }

    /// Signs the certificate of the server, and gives the settings for it.
    fn settings(&self, more: &str) -> String {
        self.sign("server", |params| {
            params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
        });
        let (chain, key, ca) = (self.path("server.pem"), self.path("server-key.pem"), self.path("ca.pem"));
        format!("[tls]\ncertificate = \"{chain}\"\nkey = \"{key}\"\nclient_ca = \"{ca}\"\n{more}\n")
    }

    /// The arguments of curl with a certificate of this authority.
    fn certificate(&self, name: &str) -> Vec<String> {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}-key.pem"));
        vec!["--cert".to_owned(), self.path(&certificate), "--key".to_owned(), self.path(&key)]
    }

    /// What curl gets from a URL: the status, or 000 where the handshake failed, and the body.
    async fn curl(&self, url: &str, arguments: &[String]) -> (String, String) {
        let url = url.replace("http://", "https://");
        let mut command = Command::new("curl");
        command.args(["--silent", "--max-time", "20", "--cacert", &self.path("ca.pem"), "-w", "\n%{http_code}"]);
        let output = command.args(arguments).arg(url).stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    }

    async fn publish(&self, node: &Running, arguments: &[String], organisation: &str) -> (String, String) {
        let body = format!(r#"{{"e":"portos.licence.activated","p":{{}},"org":"{organisation}"}}"#);
        let own = ["-H", "Content-Type: application/json", "-d", &body].map(str::to_owned);
        self.curl(&format!("{}/api/v1/publish", node.publish_url), &[&own, arguments].concat()).await
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn has_curl() -> bool {
    let found = std::process::Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("curl is not installed, so client certificates are not run");
    }
    found
}

fn with_key(key: &str) -> Vec<String> {
    vec!["-H".to_owned(), format!("X-API-Key: {key}")]
}

/// Starts a node whose clients may each publish for the organisation of their name.
async fn start(authority: &Authority, auth: &str, fingerprint: &str) -> Running {
    let client = |name: &str, more: &str| {
        format!("[[publish.clients]]\nname = \"{name}\"\norganisations = [\"{name}\"]\n{more}\n")
    };
    let settings = authority.settings(&format!("client_auth = \"{auth}\""))
        + "[limits]\nfailed_authentications = \"unlimited\"\n[publish]\nlisten = \"127.0.0.1:0\"\n"
        + &client("dns", "certificate = \"billing.acme.internal\"")
        + &client("uri", "certificate = \"spiffe://acme/billing\"")
        + &client("print", &format!("certificate = \"sha256:{fingerprint}\""))
        + &client("past", "certificate = \"past.acme.internal\"\nexpires = 2020-01-01")
        // Two entries know this certificate, and the first one has expired.
        + &client("renewed", "certificate = \"renewed.acme.internal\"\nexpires = 2020-01-01")
        + &client("renewed", "certificate = \"spiffe://acme/renewed\"")
        + &client(
            "both",
            &format!("certificate = \"both.acme.internal\"\nkey_sha256 = \"{}\"", sha256(BOTH_KEY.as_bytes())),
        );
    Running::start(configuration(&settings)).await
}

#[tokio::test]
async fn a_publisher_is_recognised_by_a_name_or_the_fingerprint_of_its_certificate() {
    if !has_curl() {
        return;
    }
    let (authority, foreign) = (Authority::new(), Authority::new());
    authority.sign_dns("dns", "billing.acme.internal");
    authority.sign_dns("case", "Billing.ACME.internal");
    authority.sign_dns("both", "both.acme.internal");
    authority.sign_dns("past", "past.acme.internal");
    authority.sign_dns("wildcard", "*.acme.internal");
    authority.sign_dns("stranger", "stranger.acme.internal");
    foreign.sign_dns("foreign", "billing.acme.internal");
    let uri = |uri: &'static str| vec![SanType::URI(uri.try_into().unwrap())];
    authority.sign("uri", |params| params.subject_alt_names = uri("spiffe://acme/billing"));
    authority.sign("longer", |params| params.subject_alt_names = uri("spiffe://acme/billing/2"));
    authority.sign("subject", |params| params.distinguished_name.push(DnType::CommonName, "billing.acme.internal"));
    authority.sign("for-servers", |params| {
        params.subject_alt_names = vec![SanType::DnsName("billing.acme.internal".try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    authority.sign("expired", |params| {
        params.subject_alt_names = vec![SanType::DnsName("billing.acme.internal".try_into().unwrap())];
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    authority.sign("renewed", |params| {
        params.subject_alt_names = uri("spiffe://acme/renewed");
        params.subject_alt_names.push(SanType::DnsName("renewed.acme.internal".try_into().unwrap()));
    });
    let fingerprint = authority.sign("print", |_| ());
    let certificate = |name: &str| authority.certificate(name);
    let both = |name: &str, key: &str| [certificate(name), with_key(key)].concat();
    for auth in ["optional", "required"] {
        let node = start(&authority, auth, &fingerprint).await;
        let without = if auth == "optional" { "401" } else { "000" };
        for (arguments, organisation, expected) in [
            (certificate("dns"), "dns", "202"),
            (certificate("dns"), "uri", "403"),
            (certificate("case"), "dns", "202"),
            (certificate("uri"), "uri", "202"),
            (certificate("longer"), "uri", "401"),
            (certificate("print"), "print", "202"),
            (certificate("past"), "past", "401"),
            (certificate("renewed"), "renewed", "202"),
            (certificate("wildcard"), "dns", "401"),
            (certificate("stranger"), "dns", "401"),
            (certificate("subject"), "dns", "401"),
            (certificate("for-servers"), "dns", "000"),
            (certificate("expired"), "dns", "000"),
            (foreign.certificate("foreign"), "dns", "000"),
            (Vec::new(), "dns", without),
            (both("both", BOTH_KEY), "both", "202"),
            (certificate("both"), "both", "401"),
            (both("dns", BOTH_KEY), "both", "401"),
            (both("dns", BOTH_KEY), "dns", "401"),
            (with_key(BOTH_KEY), "both", without),
            (both("dns", KEY), "any", "202"),
            (both("dns", "a-key-that-is-not-known"), "dns", "401"),
        ] {
            let (status, body) = authority.publish(&node, &arguments, organisation).await;
            assert_eq!(status, expected, "{auth} {arguments:?} {body}");
        }
        // A key without its certificate looks like an unknown one.
        let (_, known) = authority.publish(&node, &both("dns", BOTH_KEY), "both").await;
        let (_, unknown) = authority.publish(&node, &both("dns", "a-key-that-is-not-known"), "both").await;
        assert_eq!(known, unknown);
        // Other clients are not asked.
        assert_eq!(authority.curl(&format!("{}/health", node.url), &[]).await.0, "200");
        assert_eq!(authority.curl(&format!("{}/health", node.publish_url), &[]).await.0 == "200", auth == "optional");
        node.stop().await;
    }
}

#[tokio::test]
async fn without_a_listener_of_publishers_all_clients_are_asked() {
    if !has_curl() {
        return;
    }
    let authority = Authority::new();
    authority.sign_dns("dns", "billing.acme.internal");
    let settings = authority.settings("client_auth = \"required\"\ninternal = true")
        + "[[publish.clients]]\nname = \"dns\"\ncertificate = \"billing.acme.internal\"";
    let node = Running::start(configuration(&settings)).await;
    assert_eq!(authority.publish(&node, &authority.certificate("dns"), "any").await.0, "202");
    for path in ["/health", "/signalr/v1/mainHub"] {
        assert_eq!(authority.curl(&format!("{}{path}", node.url), &[]).await.0, "000", "{path}");
    }
    assert_eq!(
        authority.curl(&format!("{}/health/ready", node.internal), &[]).await.0,
        "200",
        "operators are not asked"
    );
    node.stop().await;
}

#[tokio::test]
async fn the_recipe_of_the_page_makes_a_certificate_that_publishes() {
    let has_openssl = std::process::Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_ok();
    if !has_openssl || !has_curl() {
        eprintln!("openssl or curl is not installed, so the recipe is not run");
        return;
    }
    let authority = Authority::new();
    let page = include_str!("../../../../docs/tls.md");
    let (_, recipe) = page.split_once("make an authority and a certificate:\n\n```sh\n").unwrap();
    let (recipe, _) = recipe.split_once("```").unwrap();
    let made = Command::new("sh").args(["-e", "-c", recipe]).current_dir(&authority.folder).output().await.unwrap();
    assert!(made.status.success(), "{made:?}");
    let settings = authority.settings("client_auth = \"required\"").replace("/ca.pem", "/client-ca.pem");
    for name in ["billing.acme.internal", "spiffe://acme/billing"] {
        let client = format!("[[publish.clients]]\nname = \"billing\"\ncertificate = \"{name}\"");
        let node = Running::start(configuration(&(settings.clone() + &client))).await;
        assert_eq!(authority.publish(&node, &authority.certificate("billing"), "any").await.0, "202", "{name}");
        node.stop().await;
    }
}

async fn until(condition: impl AsyncFn() -> bool) {
    let looking = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap();
}

#[tokio::test]
async fn changed_authorities_are_used_and_garbage_is_not() {
    if !has_curl() {
        return;
    }
    let (old, new) = (Authority::new(), Authority::new());
    old.sign_dns("dns", "billing.acme.internal");
    new.sign_dns("dns", "billing.acme.internal");
    fs::copy(old.path("ca.pem"), old.path("clients.pem")).unwrap();
    let settings =
        old.settings("client_auth = \"required\"\nreload_interval = \"100ms\"").replace("/ca.pem", "/clients.pem")
            + "[publish]\nlisten = \"127.0.0.1:0\"\n\
           [[publish.clients]]\nname = \"dns\"\ncertificate = \"billing.acme.internal\"";
    let node = Running::start(configuration(&settings)).await;
    let publishes =
        async |authority: &Authority| old.publish(&node, &authority.certificate("dns"), "any").await.0 == "202";
    let failures = async || {
        let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let request = http::Request::get(format!("{}/metrics", node.internal));
        let response =
            client.request(request.body(http_body_util::Full::<bytes::Bytes>::default()).unwrap()).await.unwrap();
        let page = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
        let page = str::from_utf8(&page).unwrap();
        let (_, count) = page.split_once("signalhub_tls_reloads_total{outcome=\"failed\"} ").unwrap();
        count.lines().next().unwrap().parse::<u32>().unwrap()
    };
    assert!(publishes(&old).await && !publishes(&new).await);
    for (count, garbage) in [(1, "garbage"), (2, "")] {
        fs::write(old.path("clients.pem"), garbage).unwrap();
        until(async || failures().await == count).await;
        assert!(publishes(&old).await, "the old authorities are kept");
    }
    fs::copy(new.path("ca.pem"), old.path("clients.pem")).unwrap();
    until(async || publishes(&new).await).await;
    assert!(!publishes(&old).await);
    node.stop().await;
}

#[tokio::test]
async fn a_certificate_that_expires_while_its_connection_is_open_publishes_no_longer() {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let authority = Authority::new();
    authority.sign("short", |params| {
        params.subject_alt_names = vec![SanType::DnsName("billing.acme.internal".try_into().unwrap())];
        params.not_after = OffsetDateTime::now_utc() + Duration::from_secs(3);
    });
    let settings = authority.settings("client_auth = \"required\"")
        + "[[publish.clients]]\nname = \"dns\"\ncertificate = \"billing.acme.internal\"";
    let node = Running::start(configuration(&settings)).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let certificate = CertificateDer::from_pem_file(authority.path("short.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(authority.path("short-key.pem")).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_client_auth_cert(vec![certificate], key).unwrap();
    let socket = tokio::net::TcpStream::connect(node.publish_url.trim_start_matches("http://")).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    let mut socket = connector.connect(ServerName::try_from("127.0.0.1").unwrap(), socket).await.unwrap();
    let body = r#"{"e":"portos.licence.activated","p":{}}"#;
    let head = "POST /api/v1/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let mut statuses = Vec::new();
    while statuses.last().is_none_or(|status| status != "401") {
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut bytes = vec![0; 4096];
        let count = socket.read(&mut bytes).await.unwrap();
        statuses.push(str::from_utf8(&bytes[..count]).unwrap()[9..12].to_owned());
        assert!(statuses.len() < 1_000, "it did not expire");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(statuses[0], "202");
    drop(socket);
    node.stop().await;
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_with_the_key() {
    let authority = Authority::new();
    authority.settings("");
    fs::write(authority.path("garbage.pem"), "garbage").unwrap();
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(authority.path("bad.pem"), bad).unwrap();
    let set = |key: &str, name: &str| format!("tls.{key}={}", authority.path(name));
    let (certificate, key, ca) =
        (set("certificate", "server.pem"), set("key", "server-key.pem"), set("client_ca", "ca.pem"));
    let required = "tls.client_auth=required".to_owned();
    let client = r#"publish.clients=[{"name":"a","certificate":"a"}]"#.to_owned();
    let rows: [(&[&String], i32, &str); 9] = [
        (&[&certificate, &key, &ca, &required], 0, "listen.public will need a certificate"),
        (&[&certificate, &key, &ca, &required, &client], 0, "the configuration can be used, with "),
        (&[&certificate, &key, &required], 1, "\"tls.client_auth\" needs \"tls.client_ca\""),
        (&[&certificate, &key, &ca], 1, "\"tls.client_ca\" needs \"tls.client_auth\""),
        (&[&ca, &required], 1, "\"tls.client_auth\" needs \"tls.certificate\""),
        (
            &[&certificate, &key, &set("client_ca", "none.pem"), &required],
            1,
            "none.pem: it cannot be read: No such file",
        ),
        (
            &[&certificate, &key, &set("client_ca", "garbage.pem"), &required],
            1,
            "garbage.pem: there is no certificate in PEM",
        ),
        (
            &[&certificate, &key, &set("client_ca", "bad.pem"), &required],
            1,
            "bad.pem: one of its certificates cannot be read",
        ),
        (&[&client], 1, "\"publish.clients[0].certificate\" needs \"tls.client_auth\""),
    ];
    for (settings, code, expected) in rows {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalhub"));
        command.args(["config", "check"]).env_clear().current_dir(env!("CARGO_TARGET_TMPDIR"));
        for setting in settings {
            command.args(["--set", setting]);
        }
        let output = command.output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{settings:?} {text}");
        assert!(text.contains(expected), "{expected}: {text}");
    }
}
