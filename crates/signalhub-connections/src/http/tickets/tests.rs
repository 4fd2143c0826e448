use http::Request;

use super::*;
use crate::request::forwarded::{Scheme, Site};

/// A negotiation with header lines, and the scheme and forwarded host that the server saw.
fn negotiation(target: &str, headers: &[(&str, &str)], site: Option<(Scheme, Option<&str>)>) -> Parts {
    let builder =
        headers.iter().fold(Request::builder().uri(target), |builder, (name, value)| builder.header(*name, *value));
    let mut head = builder.body(()).unwrap().into_parts().0;
    if let Some((scheme, host)) = site {
        head.extensions.insert(Site::new(scheme, host.map(Box::from)));
    }
    head
}

#[test]
fn clients_are_sent_to_the_address_that_they_negotiated_at() {
    const HTTP: Option<(Scheme, Option<&str>)> = Some((Scheme::Http, None));
    const HTTPS: Option<(Scheme, Option<&str>)> = Some((Scheme::Https, None));
    let host = ("host", "a.example:3000");
    for (headers, site, expected) in [
        (&[host][..], HTTP, Some("http://a.example:3000/hub")),
        (&[host], HTTPS, Some("https://a.example:3000/hub")),
        (&[("host", "[::1]:3000")], HTTP, Some("http://[::1]:3000/hub")),
        (&[host], Some((Scheme::Https, Some("b.example"))), Some("https://b.example/hub")),
        (&[host], Some((Scheme::Https, Some("b/example"))), Some("https://a.example:3000/hub")),
        // A page of the server's own origin, whatever the proxies told.
        (
            &[host, ("origin", "https://c.example"), ("sec-fetch-site", "same-origin")],
            HTTP,
            Some("https://c.example/hub"),
        ),
        (
            &[host, ("origin", "https://c.example"), ("sec-fetch-site", "same-site")],
            HTTPS,
            Some("https://a.example:3000/hub"),
        ),
        (
            &[host, ("origin", "http://c.example"), ("sec-fetch-site", "cross-site")],
            HTTP,
            Some("http://a.example:3000/hub"),
        ),
        // A page without an origin of its own, or of an application.
        (&[host, ("origin", "null"), ("sec-fetch-site", "same-origin")], HTTP, Some("http://a.example:3000/hub")),
        (&[host, ("origin", "file://"), ("sec-fetch-site", "same-origin")], HTTP, Some("http://a.example:3000/hub")),
        // A page of HTTPS came through a proxy that speaks TLS, except on this machine and in applications.
        (&[host, ("origin", "https://c.example")], HTTP, Some("https://a.example:3000/hub")),
        (&[("host", "localhost:3000"), ("origin", "https://c.example")], HTTP, Some("http://localhost:3000/hub")),
        (&[("host", "127.0.0.1:3000"), ("origin", "https://c.example")], HTTP, Some("http://127.0.0.1:3000/hub")),
        (&[host, ("origin", "https://localhost")], HTTP, Some("http://a.example:3000/hub")),
        (&[host, ("origin", "capacitor://localhost")], HTTP, Some("http://a.example:3000/hub")),
        (&[host, ("origin", "null")], HTTP, Some("http://a.example:3000/hub")),
        (&[("host", "")], HTTP, None),
    ] {
        let head = negotiation("/hub/negotiate", headers, site);
        assert_eq!(Tickets::for_all().url(&head).as_deref(), expected, "{headers:?} {site:?}");
    }
}

#[test]
fn an_address_keeps_the_clients_path_and_query() {
    let tickets = Tickets::for_browsers().public_url("https://a.example/realtime/").unwrap();
    for (target, expected) in [
        ("/hub/negotiate", "https://a.example/realtime/hub"),
        ("/Hub/Negotiate/", "https://a.example/realtime/Hub"),
        ("/negotiate", "https://a.example/realtime"),
        ("/hub/negotiate?negotiateVersion=1", "https://a.example/realtime/hub"),
        (
            "/hub/negotiate?shop=7&negotiateVersion=1&useStatefulReconnect=true&x=%20",
            "https://a.example/realtime/hub?shop=7&x=%20",
        ),
        ("/hub/negotiate?access_token=a.b.c&id=9&ACCESS%5ftoken=d", "https://a.example/realtime/hub"),
    ] {
        assert_eq!(tickets.url(&negotiation(target, &[], None)).as_deref(), Some(expected), "{target}");
    }
}

#[test]
fn a_public_url_has_a_scheme_a_host_and_a_path() {
    for (text, expected) in [
        ("https://a.example", true),
        ("http://127.0.0.1:3000/x/y/", true),
        ("a.example", false),
        ("/realtime", false),
        ("wss://a.example", false),
        ("https://", false),
        ("https://a.example?x", false),
        ("https://a.example#x", false),
        ("https://me@a.example", false),
        ("https://a example", false),
        ("", false),
    ] {
        assert_eq!(Tickets::for_all().public_url(text).is_ok(), expected, "{text}");
    }
}

#[test]
fn browsers_are_known_by_their_origin() {
    let page = negotiation("/hub/negotiate", &[("origin", "null")], None);
    let other = negotiation("/hub/negotiate", &[], None);
    for (tickets, expected) in [(Tickets::for_browsers(), [true, false]), (Tickets::for_all(), [true, true])] {
        assert_eq!([&page, &other].map(|head| tickets.are_for(head)), expected, "{tickets:?}");
    }
}
