use super::*;

fn configuration(text: &str) -> Configuration {
    let mut configuration = Configuration::default();
    let secret = "0123456789abcdef0123456789abcdef";
    let text = format!("[auth]\nsecret = \"{secret}\"\n[cluster]\nredis = [\"redis://127.0.0.1\"]\n{text}");
    configuration.read_toml("file", &text.replace("SECRET", secret)).unwrap();
    configuration
}

#[test]
fn what_keeps_a_node_from_joining_is_named_with_its_key() {
    let listen = "secret = [\"SECRET\"]\nlisten = ";
    let rows = [
        ("listen = \"127.0.0.1:0\"".to_owned(), "\"cluster.secret\": a cluster needs a secret"),
        ("secret = [\"SECRET\"]".to_owned(), "\"cluster.redis\" needs \"cluster.listen\""),
        (format!("{listen}\"0.0.0.0:3002\""), "\"cluster.listen\" has no single address: set \"cluster.advertise\""),
        (format!("{listen}\"[::]:3002\""), "\"cluster.listen\" has no single address: set \"cluster.advertise\""),
        (format!("{listen}\"8.8.8.8:3002\""), "\"cluster.listen\": 8.8.8.8:3002 is not private: set \"cluster.tls\""),
        (format!("{listen}\"[2001:db8::1]:3002\""), "is not private"),
        (format!("{listen}\"127.0.0.1:0\"\ntls = true"), "\"cluster.tls\" needs \"tls.certificate\""),
        (
            format!("{listen}\"127.0.0.1:0\"\nredis_tls_ca = \"/no/such.pem\""),
            "\"cluster.redis_tls_ca\": /no/such.pem: ",
        ),
    ];
    for (text, expected) in rows {
        let error = check(&configuration(&text)).err().expect(&text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    for good in [
        "127.0.0.1:0",
        "10.0.0.7:3002",
        "[fd00::7]:3002",
        "node-1.internal:3002",
        "0.0.0.0:3002\"\nadvertise = \"10.0.0.7:3002",
    ] {
        assert!(check(&configuration(&format!("{listen}\"{good}\""))).is_ok(), "{good}");
    }
}

#[test]
fn a_cluster_needs_keys_that_all_nodes_have() {
    let mut configuration = configuration("secret = [\"SECRET\"]\nlisten = \"127.0.0.1:0\"");
    configuration.places.set_by_development_mode("auth.secret");
    assert!(matches!(check(&configuration), Err(ClusterError::DevelopmentMode)));
}

#[tokio::test]
async fn public_addresses_are_not_advertised_without_tls() {
    for address in [
        "127.0.0.1:1",
        "10.1.2.3:1",
        "172.16.0.1:1",
        "192.168.1.1:1",
        "100.64.0.1:1",
        "169.254.1.1:1",
        "[fd00::1]:1",
        "[fe80::1]:1",
        "[::ffff:10.0.0.1]:1",
    ] {
        assert!(check_private(&NodeAddress::new(address).unwrap()).await.is_ok(), "{address}");
    }
    for address in ["8.8.8.8:1", "172.32.0.1:1", "100.128.0.1:1", "[2001:db8::1]:1", "[::ffff:8.8.8.8]:1"] {
        let error = check_private(&NodeAddress::new(address).unwrap()).await.unwrap_err();
        assert!(matches!(error, ClusterError::Public { key: "cluster.advertise", .. }), "{address}: {error}");
    }
}
