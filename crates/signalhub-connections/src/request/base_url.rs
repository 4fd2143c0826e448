//! The URL of a server, as the client of a request wrote it.

use http::request::Parts;

use crate::request::forwarded::{Scheme, Site};
use crate::request::hosts::{RequestedHost, requested};

/// The scheme and the host of a request as its client sent them, such as `https://example.com:8443`, for links in answers.
/// `None` if the request names no host.
///
/// Behind a [trusted proxy](crate::TrustedProxies) they are those that the proxy names. A client can name any host, unless the
/// server [checks hosts](crate::Server::hosts), so a link with it is for that client alone.
pub fn base_url(request: &Parts) -> Option<String> {
    let site = request.extensions.get::<Site>();
    let forwarded = site.and_then(Site::host).and_then(RequestedHost::parse);
    let host = forwarded.or_else(|| requested(request).ok().flatten()).filter(|host| !host.host().is_empty())?;
    Some(format!("{}://{host}", site.map_or(Scheme::Http, Site::scheme).name()))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(host: &str, site: Option<Site>, expected: Option<&str>) {
        let mut head = Request::get("/").header("Host", host).body(()).unwrap().into_parts().0;
        if let Some(site) = site {
            head.extensions.insert(site);
        }
        assert_eq!(base_url(&head).as_deref(), expected, "{host}");
    }

    #[test]
    fn the_url_is_the_one_that_the_client_wrote() {
        check("hub.example.com:8082", None, Some("http://hub.example.com:8082"));
        check("[::1]:8082", Some(Site::new(Scheme::Https, None)), Some("https://[::1]:8082"));
        check("inner", Some(Site::new(Scheme::Https, Some("a.example".into()))), Some("https://a.example"));
        check("inner", Some(Site::new(Scheme::Http, Some("a\"b".into()))), Some("http://inner"));
        check("", None, None);
    }
}
