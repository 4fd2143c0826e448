//! The routes of a server: its endpoints and pages by path, and the checks before them.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::HeaderValue;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use tracing::Instrument;

#[cfg(feature = "tls")]
use super::tls::Acceptor;
use crate::cluster::forward_header::{ACCEPTED, ForwardHeader, FromNode, SIGNALHUB_FORWARDED};
use crate::cluster::this_node::ThisNode;
use crate::counts::client_errors::ClientError;
use crate::http::answers;
use crate::http::body::Body;
use crate::http::dispatch::{self, Route};
use crate::http::mounted::Mounted;
use crate::http::origins::{OriginCheck, Origins};
use crate::http::page::Respond;
use crate::http::panics;
use crate::http::refusals::{add_cors_headers, refuse_error, refuse_limit, refuse_page};
use crate::http::request_body::RequestBody;
use crate::limits::limit::Limit;
use crate::registry::Registry;
use crate::request::forwarded::{Scheme, Site, TrustedProxies};
use crate::request::hosts::Hosts;
use crate::request::remote_address::RemoteAddress;
use crate::request::request_id::RequestId;
use crate::request::{hosts, path, request_id};

/// The endpoints and pages of a server, and the settings that apply to all of them.
#[derive(Clone, Default)]
pub(super) struct Routes {
    pub(super) endpoints: Vec<EndpointRoute>,
    pub(super) pages: Vec<PageRoute>,
    /// Answers all other paths.
    pub(super) otherwise: Option<Arc<dyn Respond>>,
    pub(super) origins: Option<Origins>,
    pub(super) hosts: Option<Hosts>,
    pub(super) proxies: TrustedProxies,
    /// Whose requests are answered.
    pub(super) senders: Senders,
    /// What performs TLS handshakes, if the server speaks TLS.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<Acceptor>>,
    pub(super) registry: Arc<Registry>,
}

/// Whose requests a listener answers.
#[derive(Clone, Default)]
pub(super) enum Senders {
    #[default]
    Clients,
    /// Other nodes of the cluster, which forward requests to this one.
    Nodes(Arc<ThisNode>),
}

/// An endpoint and its path.
#[derive(Clone)]
pub(super) struct EndpointRoute {
    pub(super) path: Arc<str>,
    pub(super) mounted: Mounted,
}

/// Why the head of a request was refused before its endpoint was looked up.
struct BadHead {
    error: ClientError,
    /// Details for the log.
    detail: String,
    response: Response<Body>,
}

/// A page and its path.
#[derive(Clone)]
pub(super) struct PageRoute {
    pub(super) path: Arc<str>,
    pub(super) respond: Arc<dyn Respond>,
}

impl Routes {
    /// The scheme of requests that come directly.
    pub(super) fn scheme(&self) -> Scheme {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return Scheme::Https;
        }
        Scheme::Http
    }

    /// The routes of the listener for requests that other nodes forward to this one: the same endpoints, and no pages.
    pub(super) fn for_nodes(&self, node: &Arc<ThisNode>) -> Self {
        let (pages, otherwise, proxies) = (Vec::new(), None, TrustedProxies::none());
        let senders = Senders::Nodes(Arc::clone(node));
        #[cfg(feature = "tls")]
        let tls = None;
        Self {
            pages,
            otherwise,
            proxies,
            senders,
            #[cfg(feature = "tls")]
            tls,
            ..self.clone()
        }
    }

    /// Finds the address of the client that a request is from, and adds it to the request. The error is the answer.
    #[allow(clippy::result_large_err, reason = "the error is the answer that goes out next")]
    pub(super) fn client(&self, head: &mut Parts, socket: IpAddr) -> Result<IpAddr, Response<Body>> {
        match &self.senders {
            Senders::Clients => Ok(self.proxies.resolve(head, socket, self.scheme()).ip()),
            Senders::Nodes(node) => client_of_node(node, head, socket),
        }
    }

    /// Shows another node that this one has answered its request.
    pub(super) fn mark_answer(&self, response: &mut Response<Body>) {
        if let Senders::Nodes(_) = self.senders {
            response.headers_mut().insert(SIGNALHUB_FORWARDED, ACCEPTED);
        }
    }

    /// Tells whether a socket counts for the client of each request on it, and not for the address at its other end.
    pub(super) fn trusts(&self, socket: IpAddr) -> bool {
        matches!(self.senders, Senders::Nodes(_)) || self.proxies.trusts(socket)
    }

    /// Refuses a request that is beyond a limit, before anything else is checked.
    pub(super) fn refuse(&self, limit: Limit, head: &Parts) -> Response<Body> {
        let span = request_span(head, &RequestId::of(&head.headers));
        let mut response = span.in_scope(|| refuse_limit(&self.registry, limit));
        self.add_cors_headers(head, &mut response);
        response
    }

    /// Checks the host of a request and normalises its path. The error contains the response.
    #[allow(clippy::result_large_err, reason = "the error is the answer that goes out next")]
    fn check_head(&self, head: &mut Parts) -> Result<(), BadHead> {
        let malformed =
            |detail: String| BadHead { error: ClientError::MalformedRequest, detail, response: answers::malformed() };
        let requested = hosts::requested(head).map_err(|error| malformed(error.to_string()))?;
        if let (Some(hosts), Some(requested)) = (&self.hosts, requested)
            && !hosts.serve(requested)
        {
            let response = answers::text(StatusCode::MISDIRECTED_REQUEST, "This host is not served here.");
            return Err(BadHead { error: ClientError::ForeignHost, detail: requested.host().to_owned(), response });
        }
        path::normalise(&mut head.uri).map_err(|_| malformed(head.uri.path().to_owned()))
    }

    /// Answers a request.
    pub(super) async fn dispatch(&self, request: Request<RequestBody>) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        if let Err(BadHead { error, detail, response }) = self.check_head(&mut head) {
            let refuse = || refuse_error(&self.registry, error, detail, response);
            return request_span(&head, &RequestId::of(&head.headers)).in_scope(refuse);
        }
        if let Some((route, mounted)) = self.find(&head) {
            let request = Request::from_parts(head, body);
            return dispatch::answer(mounted, route, request, self.origins.as_ref()).await;
        }
        let id = RequestId::of(&head.headers);
        let span = request_span(&head, &id);
        head.extensions.insert(id);
        self.answer_otherwise(Request::from_parts(head, body)).instrument(span).await
    }

    /// Answers a request that is for no endpoint.
    async fn answer_otherwise(&self, request: Request<RequestBody>) -> Response<Body> {
        let (head, body) = request.into_parts();
        let cors = match self.origins.as_ref().map(|origins| origins.check(&head, || false)) {
            None => None,
            Some(OriginCheck::Accepted(cors)) => Some(cors),
            Some(OriginCheck::Preflight(response)) => return response,
            Some(OriginCheck::Foreign(response)) => return refuse_page(&self.registry, &head, response),
        };
        let is_asked = |page: &&PageRoute| Route::matching(&page.path, head.uri.path()) == Some(Route::Connect);
        let page = self.pages.iter().find(is_asked).map(|page| &page.respond);
        let response = match page.or(self.otherwise.as_ref()) {
            Some(respond) => {
                // `respond` may panic before it returns its future, so it is called inside the block.
                let answer = async { Arc::clone(respond).respond(Request::from_parts(head, body)).await };
                panics::catch(answer).await.unwrap_or_else(|failed| failed)
            }
            None => refuse_error(
                &self.registry,
                ClientError::UnknownPath,
                head.uri.path(),
                answers::empty(StatusCode::NOT_FOUND),
            ),
        };
        add_cors_headers(&self.registry, cors.as_ref(), response)
    }

    fn find(&self, head: &Parts) -> Option<(Route, &Mounted)> {
        self.endpoints.iter().find_map(|EndpointRoute { path, mounted }| {
            let route = Route::of(mounted, path, head.uri.path())?;
            mounted.endpoint.takes(head).then_some((route, mounted))
        })
    }

    /// Adds CORS headers to a response that is sent before other checks, so that an allowed page can read it.
    pub(super) fn add_cors_headers<B>(&self, head: &Parts, response: &mut Response<B>) {
        let own = self.find(head).and_then(|(_, mounted)| mounted.endpoint.own_origins());
        if let Some(OriginCheck::Accepted(cors)) =
            own.or(self.origins.as_ref()).map(|origins| origins.check(head, || false))
        {
            cors.write(response.headers_mut());
        }
    }
}

/// Restores the client of a request that another node forwards.
#[allow(clippy::result_large_err, reason = "the error is the answer that goes out next")]
fn client_of_node(node: &ThisNode, head: &mut Parts, socket: IpAddr) -> Result<IpAddr, Response<Body>> {
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    match node.check_forwarded(head.headers.get(SIGNALHUB_FORWARDED), &head.method, target) {
        Ok(ForwardHeader { from, client, scheme, .. }) => {
            head.extensions.insert(RemoteAddress::new(client));
            head.extensions.insert(Site::new(scheme, None));
            head.extensions.insert(FromNode(from));
            Ok(client)
        }
        Err(reason) => {
            node.counts.0.count_refused_forward(reason);
            tracing::debug!(reason = reason.label(), address = %socket, "a forwarded request was refused");
            let mut response = answers::text(StatusCode::FORBIDDEN, "");
            response.headers_mut().insert(SIGNALHUB_FORWARDED, HeaderValue::from_static(reason.label()));
            Err(response)
        }
    }
}

/// The span of the log lines about a request. Who answers it may record the trace that it belongs to.
fn request_span(head: &Parts, id: &RequestId) -> tracing::Span {
    let address = request_id::address(head);
    tracing::info_span!("request", request_id = %id, address, method = %head.method, trace_id = tracing::field::Empty)
}
