//! The admin API of the internal listener: what operators see and do.
//!
//! Each resource is a file of this folder, and each route a line of `routes.rs`.

mod access;
mod call;
mod cluster;
mod config;
mod connections;
pub(super) mod description;
mod explain;
mod log;
mod mis_keys;
mod node_api;
mod operated;
mod overview;
mod parameters;
mod process;
mod publish;
mod recent_events;
mod revocations;
mod routes;
mod samples;
mod shown_event;
mod subscriptions;
mod tail;
mod tokens;

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use signalhub::connections::{Body, GuessLimit, RequestBody};

use self::access::{Access, Right};
use self::call::Call;
pub(crate) use self::node_api::NodeApi;
pub(crate) use self::operated::{AdminState, Clock, Listed, Operated};
use self::routes::Found;
use super::problem::Problem;
use super::request_body::BodyLimits;
use super::{method, not_found};
use crate::configuration::ByteSize;

/// The beginning of the paths of the admin API.
pub(super) const PREFIX: &str = "/admin/api/v1/";

/// How many bytes the body of a request may have.
const LONGEST_BODY: ByteSize = ByteSize::kibibytes(16);

/// Adds the headers that every answer to operators has, also a problem: it is not kept, and no browser guesses its type.
pub(super) fn add_headers(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// Answers the requests of the admin API.
#[derive(Debug)]
pub(crate) struct AdminApi {
    access: Access,
    body: BodyLimits,
    operated: Arc<Operated>,
}

impl AdminApi {
    /// Makes the API for the internal listener at this address.
    pub(crate) fn new(operated: Arc<Operated>, guesses: Option<GuessLimit>, address: IpAddr) -> Self {
        overview::start(&operated);
        Self {
            access: Access::new(&operated.configuration, guesses, address),
            body: BodyLimits {
                size: LONGEST_BODY,
                size_of: "the admin API",
                time: operated.configuration.limits.body_timeout,
                time_of: "limits.body_timeout",
            },
            operated,
        }
    }

    /// Answers a request whose path begins with [`PREFIX`].
    pub(super) async fn answer(&self, request: Request<RequestBody>) -> Result<Response<Body>, Problem> {
        let (head, body) = request.into_parts();
        let found = routes::find(&head.method, head.uri.path().strip_prefix(PREFIX).unwrap_or_default());
        let right = if let Found::Route(route, _) = &found { route.right } else { Right::of(&head.method) };
        self.access.check(&head, right).await?;
        match found {
            Found::Route(route, parameter) => {
                let call = Call { head, body, parameter, limits: self.body };
                (route.answer)(Arc::clone(&self.operated), call).await
            }
            Found::OtherMethods(methods) => Err(Problem::method_not_allowed(methods)),
            Found::Nothing => not_found("the admin API has no such path"),
        }
    }

    /// Answers with the description of the API, to those that may read.
    pub(super) async fn describe(&self, head: &Parts) -> Result<Response<Body>, Problem> {
        self.access.check(head, Right::of(&head.method)).await?;
        method::read_only(&head.method, description::response)
    }

    /// Checks that the console may be shown: a client can get the right to use it.
    pub(super) fn check_console(&self) -> Result<(), Problem> {
        self.access.check_configured()
    }
}
