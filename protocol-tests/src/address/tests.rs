use super::*;

#[test]
fn base_urls_are_taken_apart() {
    fn check(text: &str, host: &str, authority: &str, prefix: &str) {
        let address: Address = text.parse().unwrap();
        assert_eq!((address.host(), address.authority().as_str(), address.prefix()), (host, authority, prefix));
    }
    check("http://127.0.0.1:5100", "127.0.0.1", "127.0.0.1:5100", "");
    check("http://hub.test/", "hub.test", "hub.test:80", "");
    check("http://hub.test:81/a/b/", "hub.test", "hub.test:81", "/a/b");
    check("http://[::1]:5100/x", "::1", "[::1]:5100", "/x");
    check("http://[::1]", "::1", "[::1]:80", "");
    check("https://hub.test/a", "hub.test", "hub.test:443", "/a");
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
