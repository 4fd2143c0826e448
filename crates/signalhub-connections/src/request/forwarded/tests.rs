use http::Request;

use super::*;

fn resolved(
    proxies: &TrustedProxies,
    socket: &str,
    headers: &[(&str, impl AsRef<[u8]>)],
) -> (String, &'static str, Option<String>) {
    let mut request = Request::builder().uri("/hub");
    for (name, value) in headers {
        request = request.header(*name, value.as_ref());
    }
    let mut head = request.body(()).unwrap().into_parts().0;
    proxies.resolve(&mut head, socket.parse().unwrap(), Scheme::Http);
    let address = head.extensions.get::<RemoteAddress>().unwrap().to_string();
    let site = head.extensions.get::<Site>().unwrap();
    (address, site.scheme().name(), site.host().map(str::to_owned))
}

#[test]
fn addresses_are_read_from_the_end_of_the_chain() {
    let proxies = TrustedProxies::none().trust("10.0.0.0/8").unwrap().trust("fd00::1").unwrap();
    for (socket, chain, expected) in [
        ("1.1.1.1", &["9.9.9.9"][..], "1.1.1.1"),
        ("10.1.2.3", &["9.9.9.9"], "9.9.9.9"),
        ("::ffff:10.1.2.3", &["9.9.9.9"], "9.9.9.9"),
        ("10.1.2.3", &[], "10.1.2.3"),
        ("10.1.2.3", &["6.6.6.6, 9.9.9.9"], "9.9.9.9"),
        ("10.1.2.3", &["6.6.6.6, 9.9.9.9, 10.0.0.9"], "9.9.9.9"),
        ("10.1.2.3", &["6.6.6.6", "9.9.9.9", "10.0.0.9"], "9.9.9.9"),
        ("10.1.2.3", &["10.0.0.8, 10.0.0.9"], "10.0.0.8"),
        ("10.1.2.3", &["9.9.9.9:1234"], "9.9.9.9"),
        ("10.1.2.3", &["[2001:db8::1]:1234"], "2001:db8::1"),
        ("10.1.2.3", &["2001:db8::1"], "2001:db8::1"),
        ("fd00::1", &["9.9.9.9"], "9.9.9.9"),
        ("fd00::2", &["9.9.9.9"], "fd00::2"),
        ("10.1.2.3", &["9.9.9.9, unknown"], "10.1.2.3"),
        ("10.1.2.3", &["9.9.9.9, nonsense, 10.0.0.9"], "10.0.0.9"),
        ("10.1.2.3", &[",, ,"], "10.1.2.3"),
    ] {
        let headers: Vec<_> = chain.iter().map(|line| ("x-forwarded-for", *line)).collect();
        assert_eq!(resolved(&proxies, socket, &headers).0, expected, "{chain:?} from {socket}");
    }
}

#[test]
fn scheme_and_host_are_those_of_the_nearest_proxy() {
    let proxies = TrustedProxies::none().trust("10.0.0.1").unwrap();
    let headers = [("x-forwarded-proto", "http, HTTPS"), ("x-forwarded-host", "evil.com, a.com")];
    let headers = [&headers[..], &[("forwarded", "for=6.6.6.6;proto=http;host=b.com")]].concat();
    let (address, scheme, host) = resolved(&proxies, "10.0.0.1", &headers);
    assert_eq!((address.as_str(), scheme, host.as_deref()), ("10.0.0.1", "https", Some("a.com")));
    let (_, scheme, host) = resolved(&proxies, "10.0.0.2", &headers);
    assert_eq!((scheme, host), ("http", None), "other addresses are not trusted");
}

#[test]
fn the_standard_header_is_read_if_it_was_chosen() {
    let proxies = TrustedProxies::none().trust("10.0.0.0/8").unwrap().using_forwarded();
    for (header, address, scheme, host) in [
        ("for=9.9.9.9", "9.9.9.9", "http", None),
        ("For=\"[2001:db8::1]:4711\";proto=https;host=\"a.com:8443\"", "2001:db8::1", "https", Some("a.com:8443")),
        ("for=6.6.6.6;host=evil.com, for=9.9.9.9;proto=https", "9.9.9.9", "https", None),
        ("for=\"6.6.6.6, for=7.7.7.7\", for=9.9.9.9", "9.9.9.9", "http", None),
        ("for=9.9.9.9, for=10.0.0.2", "9.9.9.9", "http", None),
        ("for=9.9.9.9, for=_hidden", "10.0.0.1", "http", None),
        ("for=9.9.9.9, by=10.0.0.2", "10.0.0.1", "http", None),
        ("nonsense", "10.0.0.1", "http", None),
    ] {
        let headers = [("forwarded", header), ("x-forwarded-for", "6.6.6.6")];
        let found = resolved(&proxies, "10.0.0.1", &headers);
        assert_eq!((found.0.as_str(), found.1, found.2.as_deref()), (address, scheme, host), "{header}");
    }
}

#[test]
fn what_the_nearest_proxy_appended_counts_whatever_its_client_wrote() {
    let proxies = TrustedProxies::none().trust("10.0.0.0/8").unwrap();
    let standard = proxies.clone().using_forwarded();
    for sent in [
        &b"203.0.113.7:\""[..],
        b"[2001:db8::7]\"",
        b"\"203.0.113.7",
        b"\"",
        b"\\",
        b"\\\"",
        b"203.0.113.7,",
        b"for=203.0.113.7;x=\"",
        b"for=203.0.113.7;x=\"a\", for=\"",
        b"for=203.0.113.7;x=\"\\",
        b"for=203.0.113.7;x=\"\\\"",
        b"for=\"[2001:db8::7]:1\";host=\"a",
        b"203.0.113.7\xff",
        b"\xff",
        b"for=203.0.113.7;x=\xff\"\xff",
    ] {
        for (seen, address) in [
            ("198.51.100.9", "198.51.100.9"),
            ("198.51.100.9:4711", "198.51.100.9"),
            ("2001:db8::9", "2001:db8::9"),
            ("[2001:db8::9]", "2001:db8::9"),
            ("[2001:db8::9]:4711", "2001:db8::9"),
        ] {
            for separator in [",", ", ", ",,"] {
                let appended = [sent, separator.as_bytes(), seen.as_bytes()].concat();
                let found = resolved(&proxies, "10.0.0.1", &[("x-forwarded-for", &appended)]);
                assert_eq!(found.0, address, "{}", appended.escape_ascii());
                let element = format!("for=\"{seen}\";proto=https;host=\"a.com, for=6.6.6.6;b=\"");
                let appended = [sent, separator.as_bytes(), element.as_bytes()].concat();
                let found = resolved(&standard, "10.0.0.1", &[("forwarded", &appended)]);
                assert_eq!((found.0.as_str(), found.1), (address, "https"), "{}", appended.escape_ascii());
            }
            let lines = [("x-forwarded-for", sent), ("x-forwarded-for", seen.as_bytes())];
            assert_eq!(resolved(&proxies, "10.0.0.1", &lines).0, address, "{}", sent.escape_ascii());
        }
        let headers =
            [("x-forwarded-proto", [sent, b", https"].concat()), ("x-forwarded-host", [sent, b", a.com"].concat())];
        let (_, scheme, host) = resolved(&proxies, "10.0.0.1", &headers);
        assert_eq!((scheme, host.as_deref()), ("https", Some("a.com")), "{}", sent.escape_ascii());
    }
}

#[test]
fn only_a_port_may_follow_an_address() {
    for (text, expected) in [
        ("203.0.113.7", Some("203.0.113.7")),
        ("203.0.113.7:1", Some("203.0.113.7")),
        ("203.0.113.7:65535", Some("203.0.113.7")),
        ("203.0.113.7:_hidden", Some("203.0.113.7")),
        ("2001:db8::7", Some("2001:db8::7")),
        ("[2001:db8::7]", Some("2001:db8::7")),
        ("[2001:db8::7]:1", Some("2001:db8::7")),
        ("[2001:db8::7]:_hid.d-en", Some("2001:db8::7")),
        ("::ffff:203.0.113.7", Some("203.0.113.7")),
        ("[::ffff:203.0.113.7]:1", Some("203.0.113.7")),
        ("", None),
        ("203.0.113.7:", None),
        ("203.0.113.7:\"", None),
        ("203.0.113.7:1x", None),
        ("203.0.113.7:1:1", None),
        ("203.0.113.7:-1", None),
        ("203.0.113.7:+1", None),
        ("203.0.113.7: 1", None),
        ("203.0.113.7:123456", None),
        ("203.0.113.7:_", None),
        ("203.0.113.7:_a\"", None),
        ("203.0.113.7 x", None),
        ("203.0.113.7]", None),
        ("[203.0.113.7]", None),
        ("2001:db8::7]", None),
        ("[2001:db8::7", None),
        ("[2001:db8::7]x", None),
        ("[2001:db8::7]\"", None),
        ("[2001:db8::7]1", None),
        ("[2001:db8::7]:", None),
        ("[2001:db8::7]:x", None),
        ("[2001:db8::7]:1]", None),
        ("[[2001:db8::7]]", None),
        ("unknown", None),
        ("_hidden", None),
    ] {
        assert_eq!(node_address(text), expected.map(|address| address.parse().unwrap()), "{text}");
    }
}

#[test]
fn quotes_of_a_parameter_are_read_as_the_standard_has_them() {
    let proxies = TrustedProxies::none().trust("10.0.0.0/8").unwrap().using_forwarded();
    for (header, address, host) in [
        (r#"for="[2001:db8::1]:4711""#, "2001:db8::1", None),
        (r#"for="\[2001:db8::1\]:4711""#, "2001:db8::1", None),
        (r#"for = "9.9.9.9:80" ; host = "a.com""#, "9.9.9.9", Some("a.com")),
        (r#"host="a\\";for=9.9.9.9"#, "9.9.9.9", Some(r"a\")),
        (r#"host="a\"b, c;for=6.6.6.6";for=9.9.9.9"#, "9.9.9.9", Some(r#"a"b, c;for=6.6.6.6"#)),
        (r#"for=6.6.6.6, host="\\\", for=6.6.6.6;x=\"";for=9.9.9.9"#, "9.9.9.9", Some(r#"\", for=6.6.6.6;x=""#)),
        (r#"for=9.9.9.9""#, "10.0.0.1", None),
        (r#"for="9.9.9.9"#, "10.0.0.1", None),
        (r#"for="9.9.9.9"x"#, "10.0.0.1", None),
        (r#"for=""9.9.9.9"""#, "10.0.0.1", None),
    ] {
        let found = resolved(&proxies, "10.0.0.1", &[("forwarded", header)]);
        assert_eq!((found.0.as_str(), found.2.as_deref()), (address, host), "{header}");
    }
}

#[test]
fn networks_are_addresses_with_a_prefix() {
    for (network, address, expected) in [
        ("0.0.0.0/0", "255.1.2.3", true),
        ("0.0.0.0/0", "::1", false),
        ("::/0", "2001:db8::1", true),
        ("192.168.4.0/22", "192.168.7.255", true),
        ("192.168.4.0/22", "192.168.8.0", false),
        ("192.168.4.1", "192.168.4.1", true),
        ("192.168.4.1/32", "192.168.4.2", false),
        ("2001:db8::/32", "2001:db8:ffff::1", true),
        ("2001:db8::/32", "2001:db9::1", false),
    ] {
        let network = Network::parse(network).unwrap();
        assert_eq!(network.contains(address.parse().unwrap()), expected, "{address} in {network:?}");
    }
    for text in ["", "localhost", "10.0.0.0/33", "::/129", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8/8", "*"] {
        assert!(TrustedProxies::none().trust(text).is_err(), "{text}");
    }
}
