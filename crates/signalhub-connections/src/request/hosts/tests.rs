use http::{Request, Version};

use super::*;

fn head(version: Version, target: &str, hosts: &[&str]) -> Parts {
    let mut request = Request::get(target).version(version);
    for host in hosts {
        request = request.header("host", *host);
    }
    request.body(()).unwrap().into_parts().0
}

#[test]
fn requests_without_one_clear_host_are_refused() {
    use MalformedHost::{Contradicted, Invalid, Missing, Repeated};
    // As the original answers, but for the unbracketed rest of absolute targets, which it does not look at.
    for (target, hosts, expected) in [
        ("/", &[][..], Err(Missing)),
        ("/", &["a"], Ok("a")),
        ("/", &["a", "a"], Err(Repeated)),
        ("/", &["a", "b"], Err(Repeated)),
        ("/", &[""], Ok("")),
        ("/", &["a:80"], Ok("a")),
        ("/", &["a:99999"], Ok("a")),
        ("/", &["a:"], Err(Invalid)),
        ("/", &["a:x"], Err(Invalid)),
        ("/", &["a:1:2"], Err(Invalid)),
        ("/", &[":80"], Err(Invalid)),
        ("/", &["u@a"], Err(Invalid)),
        ("/", &["localhost@evil.example"], Err(Invalid)),
        ("/", &["u:p@a"], Err(Invalid)),
        ("/", &["a/b"], Err(Invalid)),
        ("/", &["a b"], Err(Invalid)),
        ("/", &["a,b"], Err(Invalid)),
        ("/", &["a%41"], Err(Invalid)),
        ("/", &["\"a\""], Err(Invalid)),
        ("/", &["a#b"], Err(Invalid)),
        ("/", &["a?b"], Err(Invalid)),
        ("/", &["*"], Err(Invalid)),
        ("/", &["a_b"], Ok("a_b")),
        ("/", &["localhost."], Ok("localhost.")),
        ("/", &["[::1]:80"], Ok("[::1]")),
        ("/", &["[::1]"], Ok("[::1]")),
        ("/", &["[::1]x"], Err(Invalid)),
        ("/", &["[::1]:"], Err(Invalid)),
        ("/", &["::1"], Err(Invalid)),
        ("/", &["[fe80::1%25eth0]"], Err(Invalid)),
        ("/", &["[::x]"], Err(Invalid)),
        ("/", &["[::1"], Err(Invalid)),
        ("/", &["[127.0.0.1]"], Err(Invalid)),
        ("http://a/", &["a"], Ok("a")),
        ("http://A/", &["a"], Ok("A")),
        ("http://a/", &["a:80"], Ok("a")),
        ("https://a/", &["a:443"], Ok("a")),
        ("https://a/", &["a:80"], Err(Contradicted)),
        ("http://a/", &["b"], Err(Contradicted)),
        ("http://a:81/", &["a"], Err(Contradicted)),
        ("http://a/", &[""], Err(Contradicted)),
        ("http://a/", &[], Err(Missing)),
        ("http://u@a/", &["a"], Ok("a")),
        ("http://localhost@evil.example/", &["localhost"], Err(Contradicted)),
        ("http://localhost@evil.example/", &["evil.example"], Ok("evil.example")),
    ] {
        let head = head(Version::HTTP_11, target, hosts);
        let found = requested(&head).map(|host| host.unwrap().host);
        assert_eq!(found, expected, "{target} {hosts:?}");
    }
    for (target, hosts, expected) in [
        ("/", &[][..], Ok(None)),
        ("http://a/", &[], Ok(Some("a"))),
        ("/", &["a b"], Err(Invalid)),
        ("/", &["a", "a"], Err(Repeated)),
    ] {
        let head = head(Version::HTTP_10, target, hosts);
        assert_eq!(requested(&head).map(|host| host.map(|host| host.host)), expected, "{target} {hosts:?}");
    }
    let mut bytes = head(Version::HTTP_11, "/", &[]);
    bytes.headers.insert(HOST, http::HeaderValue::from_bytes(b"h\xc3\xbc").unwrap());
    assert_eq!(requested(&bytes), Err(Invalid));
}

#[test]
fn only_local_hosts_and_those_of_the_list_are_served() {
    let hosts = Hosts::local().allow("Metrics.example.com.").unwrap().allow("signalhub").unwrap();
    for (host, expected) in [
        ("localhost", true),
        ("LocalHost", true),
        ("localhost.", true),
        ("localhost:3001", true),
        ("a.localhost", true),
        ("127.0.0.1:3001", true),
        ("10.1.2.3", true),
        ("[::1]:3001", true),
        ("[2001:DB8::1]", true),
        ("metrics.example.com", true),
        ("METRICS.example.com.:3001", true),
        ("signalhub:3001", true),
        ("", false),
        ("example.com", false),
        ("a.metrics.example.com", false),
        ("metrics.example.com.evil.example", false),
        ("localhost.evil.example", false),
        ("notlocalhost", false),
        ("localhost..", false),
        ("127.0.0.1.evil.example", false),
        ("127.1", false),
        ("0x7f000001", false),
        ("2130706433", false),
        ("127.0.0.1.", false),
    ] {
        let head = head(Version::HTTP_11, "/", &[host]);
        assert_eq!(hosts.serve(requested(&head).unwrap().unwrap()), expected, "{host}");
    }
    for text in ["", "a:80", "http://a", "a/b", "[::1]:80", "*", "*.example.com", "u@a"] {
        assert!(Hosts::local().allow(text).is_err(), "{text}");
    }
}
