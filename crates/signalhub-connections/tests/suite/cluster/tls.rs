//! TLS between the nodes.

#![cfg(feature = "tls")]

use rcgen::{CertificateParams, KeyPair};
use rustls::{ClientConfig, RootCertStore};

use super::*;

/// The certificate of a node, which signs itself, and the client that trusts it and no other.
fn certificate() -> (Tls, Arc<ClientConfig>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = builder.with_root_certificates(roots).with_no_client_auth();
    let loaded = TlsCertificate::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap();
    (Tls::new(loaded), Arc::new(client))
}

/// A node that presents a certificate to others, and trusts this client's.
async fn node(shared: &Arc<Shared>, name: &str, tls: Tls, client: &Arc<ClientConfig>) -> ClusterNode {
    let client = Arc::clone(client);
    let cluster = Box::new(move |cluster: Cluster| cluster.tls(&tls, client).unwrap());
    ClusterNode::start(shared, name, Options { cluster, ..Options::default() }).await
}

#[tokio::test]
async fn nodes_forward_over_tls() {
    let shared = Arc::default();
    let ((of_a, trusts_a), (of_b, trusts_b)) = (certificate(), certificate());
    let a = node(&shared, "a", of_a, &trusts_b).await;
    let b = node(&shared, "b", of_b, &trusts_a).await;
    for [owner, other] in [[&a, &b], [&b, &a]] {
        let token = owner.negotiate("").await;
        assert_eq!(owner.ask("GET", &token).await.status, 200);
        assert_eq!(other.post(&token, "hello").await.status, 200);
        assert_eq!(other.ask("GET", &token).await.body, "hello");
        let token = owner.negotiate("&useStatefulReconnect=true").await;
        let (_, mut socket) = owner.upgrade(&token).await;
        echo(&mut socket, "one").await;
        let (status, mut socket) = other.upgrade(&token).await;
        assert_eq!(status, 101);
        expect_text(&mut socket, "one").await;
        echo(&mut socket, "two").await;
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_node_that_is_not_trusted() {
    let shared = Arc::default();
    let ((of_a, _), (of_b, trusts_b)) = (certificate(), certificate());
    let a = node(&shared, "a", of_a, &trusts_b).await;
    // It expects another certificate of `a`.
    let b = node(&shared, "b", of_b, &trusts_b).await;
    let token = a.negotiate("").await;
    assert_eq!(a.ask("GET", &token).await.status, 200);
    assert_eq!(b.post(&token, "hello").await.status, 502);
    assert_eq!(b.counts.forward_failures(), [(a.name.clone(), 1)]);
    // To one that speaks no TLS, `a` does not answer as a node.
    let c = ClusterNode::start(&shared, "c", Options::default()).await;
    assert_eq!(c.post(&token, "hello").await.status, 502);
    assert!(ForwardRefusal::ALL.iter().all(|reason| a.counts.refused_forwards(*reason) == 0));
}
