//! Pages: answers of an application to requests that are for no endpoint.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};

use crate::handler::BoxFuture;
use crate::http::answers;
use crate::http::body::Body;
use crate::http::request_body::RequestBody;

/// Answers the HTTP requests that are for no endpoint, in an application's own way.
///
/// [`Server::get`](crate::Server::get) is simpler where a [`Page`] is enough.
///
/// ```
/// use std::sync::Arc;
/// use signalhub_connections::{Body, BoxFuture, HttpRequest, HttpResponse, Page, RequestBody, Respond, StatusCode};
///
/// /// Answers all requests that are for no endpoint and no page.
/// struct NotFound;
///
/// impl Respond for NotFound {
///     fn respond(self: Arc<Self>, request: HttpRequest<RequestBody>) -> BoxFuture<HttpResponse<Body>> {
///         let page = Page::text(format!("{} is not here", request.uri().path())).status(StatusCode::NOT_FOUND);
///         Box::pin(async move { page.into() })
///     }
/// }
/// ```
pub trait Respond: Send + Sync + 'static {
    /// Answers one request. If it panics, the client gets 500.
    fn respond(self: Arc<Self>, request: Request<RequestBody>) -> BoxFuture<Response<Body>>;
}

/// A simple response: a status, a content type and a body.
///
/// `"ok"` and `String`s can be used as pages as well, with the meaning of [`Page::text`].
#[derive(Debug)]
pub struct Page {
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
}

impl Page {
    /// Makes a page of any content type, with status 200.
    pub fn new(content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, content_type, body: body.into() }
    }

    /// Makes a page of plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(HeaderValue::from_static("text/plain; charset=utf-8"), text.into())
    }

    /// Makes a page of HTML.
    pub fn html(html: impl Into<String>) -> Self {
        Self::new(HeaderValue::from_static("text/html; charset=utf-8"), html.into())
    }

    /// Makes a page of JSON, which is given as text.
    pub fn json(json: impl Into<String>) -> Self {
        Self::new(HeaderValue::from_static("application/json"), json.into())
    }

    /// Sets the status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

impl From<&'static str> for Page {
    fn from(text: &'static str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Page {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Page> for Response<Body> {
    fn from(page: Page) -> Self {
        Response::<Bytes>::from(page).map(Body::from)
    }
}

impl From<Page> for Response<Bytes> {
    fn from(Page { status, content_type, body }: Page) -> Self {
        let mut response = Self::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

/// Answers `GET` and `HEAD` with the page that a function makes.
pub(crate) struct Get<F>(pub(crate) F);

impl<F, Made, P> Respond for Get<F>
where
    F: Fn(Parts) -> Made + Send + Sync + 'static,
    Made: Future<Output = P> + Send + 'static,
    P: Into<Page>,
{
    fn respond(self: Arc<Self>, request: Request<RequestBody>) -> BoxFuture<Response<Body>> {
        Box::pin(async move {
            let (head, _) = request.into_parts();
            if ![Method::GET, Method::HEAD].contains(&head.method) {
                let mut response = answers::empty(StatusCode::METHOD_NOT_ALLOWED);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                return response;
            }
            (self.0)(head).await.into().into()
        })
    }
}
