//! A server asks its clients for certificates, and its pages see them.

#![cfg(feature = "tls")]
use std::io;
use std::sync::Arc;

use crate::support::{Running, answer, start_with};
use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore};
use signalhub_connections::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate and its key.
struct Made {
    certificate: Certificate,
    key: KeyPair,
}

/// An authority that signs certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self, change: impl FnOnce(&mut CertificateParams)) -> Made {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        Made { certificate: params.signed_by(&key, &self.0).unwrap(), key }
    }

    fn accepted(&self) -> ClientAuthorities {
        ClientAuthorities::from_pem(self.0.pem().as_bytes()).unwrap()
    }
}

/// A server whose page tells what it sees of the client's certificate.
struct Asking {
    running: Running,
    roots: RootCertStore,
    tls: Tls,
}

impl Asking {
    async fn start(authorities: &ClientAuthorities, auth: ClientAuth) -> Self {
        let authority = Authority::new();
        let made = authority.sign(|_| ());
        let (chain, key) = (made.certificate.pem(), made.key.serialize_pem());
        let certificate = TlsCertificate::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        let tls = Tls::new(certificate).client_certificates(authorities, auth);
        let page = async |head: RequestHead| match head.extensions.get::<ClientCertificate>() {
            None => "none".to_owned(),
            Some(certificate) => {
                let (names, uris): (Vec<_>, Vec<_>) = (certificate.dns_names().collect(), certificate.uris().collect());
                format!("{} {} {:02x?}", names.join(","), uris.join(","), certificate.sha256())
            }
        };
        let running = start_with(|endpoint| endpoint, |server| server.tls(&tls).unwrap().get("/who", page)).await;
        let mut roots = RootCertStore::empty();
        roots.add(authority.0.der().clone()).unwrap();
        Self { running, roots, tls }
    }

    /// The configuration of a client with this certificate, if it has one.
    fn client(&self, made: Option<&Made>) -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(self.roots.clone());
        Arc::new(match made {
            None => builder.with_no_client_auth(),
            Some(Made { certificate, key }) => {
                let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
                builder.with_client_auth_cert(vec![certificate.der().clone()], key).unwrap()
            }
        })
    }

    async fn connect(&self, config: &Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.running.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::clone(config)).connect(name, socket).await
    }

    /// What the page tells; `None` if the server refused the certificate, of which a client of TLS 1.3 learns after its own
    /// part of the handshake.
    async fn seen(&self, config: &Arc<ClientConfig>) -> Option<String> {
        let mut socket = self.connect(config).await.ok()?;
        who(&mut socket).await
    }
}

async fn who(socket: &mut TlsStream<TcpStream>) -> Option<String> {
    let mut byte = [0];
    socket.write_all(b"GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n").await.ok()?;
    // An alert is an error of the first read.
    socket.read_exact(&mut byte).await.ok()?;
    assert_eq!(&byte, b"H");
    Some(answer(socket).await.body)
}

/// A client's certificate for these names.
fn named(authority: &Authority, dns: &str, uri: &str) -> Made {
    authority.sign(|params| {
        params.subject_alt_names =
            vec![SanType::DnsName(dns.try_into().unwrap()), SanType::URI(uri.try_into().unwrap())];
    })
}

#[tokio::test]
async fn a_page_sees_the_names_and_the_fingerprint_of_a_client() {
    let authority = Authority::new();
    let made = named(&authority, "billing.acme.internal", "spiffe://acme/billing");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, made.certificate.der());
    for auth in [ClientAuth::Optional, ClientAuth::Required] {
        let server = Asking::start(&authority.accepted(), auth).await;
        let seen = server.seen(&server.client(Some(&made))).await.unwrap();
        assert_eq!(seen, format!("billing.acme.internal spiffe://acme/billing {:02x?}", digest.as_ref()), "{auth:?}");
        // Each request of a connection has it.
        let mut socket = server.connect(&server.client(Some(&made))).await.unwrap();
        for _ in 0..3 {
            assert_eq!(who(&mut socket).await, Some(seen.clone()));
        }
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_ends_the_handshake() {
    let authority = Authority::new();
    let expired = authority.sign(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let early = authority.sign(|params| params.not_before = date_time_ymd(2999, 1, 1));
    let foreign = Authority::new().sign(|_| ());
    for auth in [ClientAuth::Optional, ClientAuth::Required] {
        let server = Asking::start(&authority.accepted(), auth).await;
        for made in [&expired, &early, &foreign] {
            assert_eq!(server.seen(&server.client(Some(made))).await, None, "{auth:?}");
        }
        let without = server.seen(&server.client(None)).await;
        let expected = (auth == ClientAuth::Optional).then(|| "none".to_owned());
        assert_eq!(without, expected, "{auth:?}");
        let failed = if auth == ClientAuth::Optional { 3 } else { 4 };
        assert_eq!(server.tls.handshakes().failed, failed);
    }
}

#[tokio::test]
async fn sessions_with_client_certificates_are_not_resumed() {
    let authority = Authority::new();
    let made = authority.sign(|_| ());
    let server = Asking::start(&authority.accepted(), ClientAuth::Required).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let key = PrivateKeyDer::try_from(made.key.serialize_der()).unwrap();
        let builder = builder.with_root_certificates(server.roots.clone());
        let config = Arc::new(builder.with_client_auth_cert(vec![made.certificate.der().clone()], key).unwrap());
        for _ in 0..3 {
            let mut socket = server.connect(&config).await.unwrap();
            assert!(who(&mut socket).await.is_some());
            let (_, connection) = socket.get_ref();
            let is_version = |expected| connection.protocol_version() == Some(expected);
            assert!(is_version(ProtocolVersion::TLSv1_2) || is_version(ProtocolVersion::TLSv1_3));
            assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full), "{version:?}");
        }
    }
}

#[tokio::test]
async fn replaced_authorities_count_for_the_next_handshakes() {
    let (old, new) = (Authority::new(), Authority::new());
    let authorities = old.accepted();
    let server = Asking::start(&authorities, ClientAuth::Required).await;
    let (of_old, of_new) = (server.client(Some(&old.sign(|_| ()))), server.client(Some(&new.sign(|_| ()))));
    let mut open = server.connect(&of_old).await.unwrap();
    assert!(who(&mut open).await.is_some());
    assert_eq!(server.seen(&of_new).await, None);
    authorities.replace(&new.accepted());
    assert!(server.seen(&of_new).await.is_some());
    assert_eq!(server.seen(&of_old).await, None);
    assert!(who(&mut open).await.is_some(), "an open connection is not affected");
}

#[test]
fn authorities_are_certificates_in_pem() {
    let error = |text: &str| ClientAuthorities::from_pem(text.as_bytes()).unwrap_err();
    assert_eq!(error(""), ClientAuthoritiesError::NoCertificate);
    assert_eq!(error("garbage"), ClientAuthoritiesError::NoCertificate);
    let bad = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(error(bad), ClientAuthoritiesError::InvalidCertificate);
    let good = Authority::new().0.pem();
    assert_eq!(error(&format!("{good}{bad}")), ClientAuthoritiesError::InvalidCertificate);
    assert!(ClientAuthorities::from_pem(format!("{good}{}", Authority::new().0.pem()).as_bytes()).is_ok());
}
