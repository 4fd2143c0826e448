#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::net::SocketAddr;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority, and what it says about each server.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn params(years: (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
    params
}

/// Serves handshakes with a certificate, until the test ends.
async fn server(certificate: &Certificate, key: &KeyPair) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(socket).await {
                let _ = stream.shutdown().await;
            }
        }
    });
    address
}

async fn outcome(client: &TlsClient, host: &str, address: SocketAddr) -> Result<(), TlsProblem> {
    let socket = TcpStream::connect(address).await.unwrap();
    client.connect(host, socket).await.map(drop).map_err(|error| TlsProblem::of(&error).unwrap())
}

#[tokio::test]
async fn a_server_is_accepted_by_its_authority_name_and_time() {
    let authority = authority();
    let trusting = TlsClient::with_ca(authority.pem().as_bytes()).unwrap();
    let other = TlsClient::with_ca(self::authority().pem().as_bytes()).unwrap();
    let wrong_name = |host: &str| {
        let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
        Err(TlsProblem::WrongName { host: host.to_owned(), names })
    };
    let rows = [
        ((2000, 2100), &trusting, "127.0.0.1", Ok(())),
        ((2000, 2100), &trusting, "localhost", Ok(())),
        ((2000, 2100), &trusting, "[::1]", wrong_name("::1")),
        ((2000, 2100), &trusting, "other.example", wrong_name("other.example")),
        ((2000, 2100), &other, "127.0.0.1", Err(TlsProblem::UnknownIssuer)),
        ((2000, 2100), &TlsClient::with_system_roots(), "127.0.0.1", Err(TlsProblem::UnknownIssuer)),
        ((2000, 2001), &trusting, "127.0.0.1", Err(TlsProblem::Expired)),
        ((2099, 2100), &trusting, "127.0.0.1", Err(TlsProblem::NotValidYet)),
    ];
    for (years, client, host, expected) in rows {
        let key = KeyPair::generate().unwrap();
        let certificate = params(years).signed_by(&key, &authority).unwrap();
        let address = server(&certificate, &key).await;
        let name = format!("{years:?} {host}");
        assert_eq!(outcome(client, host, address).await, expected, "{name}");
        assert_eq!(client.accepts(certificate.pem().as_bytes(), host), expected, "{name}");
    }
}

#[tokio::test]
async fn a_certificate_of_the_server_itself_can_be_trusted() {
    // The last kind is what openssl req -x509 makes.
    for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
        let make = |years| {
            let key = KeyPair::generate().unwrap();
            let mut params = params(years);
            params.is_ca = is_ca;
            (params.self_signed(&key).unwrap(), key)
        };
        let ((good, key), (old, old_key)) = (make((2000, 2100)), make((2000, 2001)));
        let client = TlsClient::with_ca(format!("{}{}", good.pem(), old.pem()).as_bytes()).unwrap();
        let address = server(&good, &key).await;
        assert_eq!(outcome(&client, "localhost", address).await, Ok(()), "{is_ca:?}");
        let wrong = outcome(&client, "other.example", address).await;
        assert!(matches!(wrong, Err(TlsProblem::WrongName { .. })), "{is_ca:?}: {wrong:?}");
        let expired = outcome(&client, "localhost", server(&old, &old_key).await).await;
        assert_eq!(expired, Err(TlsProblem::Expired), "{is_ca:?}");
        let (another, another_key) = make((2000, 2100));
        let unknown = outcome(&client, "localhost", server(&another, &another_key).await).await;
        assert!(matches!(unknown, Err(TlsProblem::UnknownIssuer)), "{is_ca:?}: {unknown:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_recognised() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let client = TlsClient::with_system_roots();
    assert_eq!(outcome(&client, "localhost", address).await, Err(TlsProblem::NotTls));
}

#[test]
fn authorities_must_be_certificates() {
    let error = |pem: &str| TlsClient::with_ca(pem.as_bytes()).err();
    let key = KeyPair::generate().unwrap().serialize_pem();
    assert_eq!(error(""), Some(CaError::NoCertificate));
    assert_eq!(error(&key), Some(CaError::NoCertificate));
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(error(garbage), Some(CaError::InvalidCertificate));
    assert_eq!(error(&format!("{key}{}", authority().pem())), None);
}
