//! The routes of the admin API: one line for each.

use std::sync::Arc;

use http::Method;
use signalhub::connections::BoxFuture;

use super::access::Right::{self, Acting, Reading};
use super::call::{Answer, Call};
use super::log;
use super::operated::Operated;
use super::{
    cluster, config, connections, explain, mis_keys, overview, process, publish, recent_events, revocations,
    subscriptions, tail, tokens,
};

/// One method of one path.
pub(super) struct Route {
    pub(super) method: Method,
    /// The path behind [`PREFIX`](super::PREFIX). The segment `{id}` stands for any one.
    pub(super) path: &'static str,
    pub(super) right: Right,
    pub(super) answer: fn(Arc<Operated>, Call) -> BoxFuture<Answer>,
}

/// Defines the routes.
macro_rules! routes {
    ($( $method:ident $path:literal needs $right:ident: $answer:path; )+) => {
        pub(super) const ROUTES: &[Route] = &[
            $( Route {
                method: Method::$method,
                path: $path,
                right: $right,
                answer: |operated, call| Box::pin($answer(operated, call)),
            }, )+
        ];
    };
}

routes! {
    GET "overview" needs Reading: overview::show;
    GET "cluster" needs Reading: cluster::show;
    GET "connections" needs Reading: connections::list;
    GET "connections/{id}" needs Reading: connections::show;
    DELETE "connections/{id}" needs Acting: connections::remove;
    POST "connections:disconnect" needs Acting: connections::disconnect;
    GET "config" needs Reading: config::show;
    POST "reload" needs Acting: process::reload;
    POST "drain" needs Acting: process::drain;
    GET "events/recent" needs Reading: recent_events::recent;
    GET "events/tail" needs Reading: tail::tail;
    GET "subscriptions" needs Reading: subscriptions::list;
    POST "explain" needs Acting: explain::explain;
    POST "publish" needs Acting: publish::publish;
    POST "tokens" needs Acting: tokens::sign;
    POST "revocations" needs Acting: revocations::revoke;
    GET "miskeys" needs Acting: mis_keys::list;
    POST "miskeys" needs Acting: mis_keys::change;
    PUT "log" needs Acting: log::change;
}

/// What there is for a request.
pub(super) enum Found {
    /// The route, and what stands for its parameter.
    Route(&'static Route, String),
    /// The path has these methods only.
    OtherMethods(String),
    Nothing,
}

/// Finds the route of a request, whose path is that behind the prefix.
pub(super) fn find(method: &Method, path: &str) -> Found {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    let with_path = || ROUTES.iter().filter_map(|route| Some((route, parameter(route.path, path)?)));
    if let Some((route, parameter)) = with_path().find(|(route, _)| route.method == *method) {
        return Found::Route(route, parameter.to_owned());
    }
    let mut methods: Vec<&str> = with_path().map(|(route, _)| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.sort_unstable();
    if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods.join(", ")) }
}

/// Returns what stands in a path for the parameter of a pattern, empty if it has none; `None` for another path.
fn parameter<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let Some(start) = pattern.strip_suffix("{id}") else { return (pattern == path).then_some("") };
    path.strip_prefix(start).filter(|rest| !rest.is_empty() && !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_finds_its_route_and_its_parameter() {
        assert_eq!(parameter("connections/{id}", "connections/aB-_1"), Some("aB-_1"));
        assert_eq!(parameter("connections", "connections"), Some(""));
        for (pattern, path) in [
            ("connections/{id}", "connections/"),
            ("connections/{id}", "connections"),
            ("connections/{id}", "connections/a/b"),
            ("connections", "connections:disconnect"),
            ("connections", "connections/"),
        ] {
            assert_eq!(parameter(pattern, path), None, "{pattern} {path}");
        }
        let allowed = |method| match find(&method, "miskeys") {
            Found::Route(route, _) => route.method.to_string(),
            Found::OtherMethods(methods) => format!("not {methods}"),
            Found::Nothing => String::new(),
        };
        assert_eq!(allowed(Method::HEAD), "GET");
        assert_eq!(allowed(Method::DELETE), "not GET, HEAD, POST");
    }

    #[test]
    fn no_method_of_a_path_stands_there_twice_and_every_change_needs_the_right_to_act() {
        for (index, route) in ROUTES.iter().enumerate() {
            let same = |other: &Route| other.method == route.method && other.path == route.path;
            assert!(!ROUTES[..index].iter().any(same), "{} {}", route.method, route.path);
            assert!(route.right == Acting || route.method == Method::GET, "{} {}", route.method, route.path);
        }
    }
}
