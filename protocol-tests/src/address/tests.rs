use super::*;

#[test]
fn base_urls_are_taken_apart() {
    fn check(text: &str, host: &str, authority: &str, prefix: &str) {
        let address: Address = text.parse().unwrap();
        assert_eq!(
            (address.host(), address.authority().as_str(), address.target("/x").as_str()),
            (host, authority, prefix)
        );
    }
    check("http://127.0.0.1:5100", "127.0.0.1", "127.0.0.1:5100", "/x");
    check("http://hub.test/", "hub.test", "hub.test:80", "/x");
    check("http://hub.test:81/a/b/", "hub.test", "hub.test:81", "/a/b/x");
    check("http://[::1]:5100/x", "::1", "[::1]:5100", "/x/x");
    check("http://[::1]", "::1", "[::1]:80", "/x");
    check("https://hub.test/a", "hub.test", "hub.test:443", "/a/x");
}

#[test]
fn other_texts_are_refused() {
    for (text, error) in [
        ("ftp://hub.test", AddressError::Scheme),
        ("hub.test:80", AddressError::Scheme),
        ("http://:80", AddressError::Host),
        ("http:///x", AddressError::Host),
        ("http://hub.test:x", AddressError::Port),
        ("http://hub.test:65536", AddressError::Port),
        ("http://hub.test/?a=b", AddressError::Excess),
    ] {
        assert_eq!(text.parse::<Address>().err(), Some(error));
    }
}

#[test]
fn hubs_are_found_at_the_paths_that_the_server_has() {
    let address: Address = "http://hub.test/base".parse().unwrap();
    let address = address.with_hubs(["conformance=/chat/", "fast=/"].map(|hub| hub.parse().unwrap()));
    for (recorded, target) in [
        ("/conformance", "/base/chat"),
        ("/conformance/negotiate?negotiateVersion=1", "/base/chat/negotiate?negotiateVersion=1"),
        ("/conformance?id=1", "/base/chat?id=1"),
        ("/conformances", "/base/conformances"),
        ("/Conformance", "/base/Conformance"),
        ("/fast/negotiate", "/base/negotiate"),
        ("/detailed", "/base/detailed"),
    ] {
        assert_eq!(address.target(recorded), target);
    }
}

#[test]
fn hubs_without_a_path_are_refused() {
    for text in [
        "conformance",
        "conformance=",
        "=/chat",
        "conformance=chat",
        "a/b=/chat",
        "conformance=/a b",
        "conformance=/a?b",
    ] {
        assert_eq!(text.parse::<HubPath>(), Err(HubPathError), "{text}");
    }
}
