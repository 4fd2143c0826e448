//! The REST routes: versions, login and logout, entry points, the current user, and the bodies of elements.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::json;
use signalhub_connections::{
    ApplicationLimit, Body, BodyError, BoxFuture, ClientError, ConnectionCounts, HeaderName, HeaderValue, HttpRequest,
    HttpResponse, Method, OpeningRequest, Page, RemoteAddress, RequestBody, RequestHead, Respond, StatusCode,
};

use super::accounts::{Account, Accounts};
use super::element::is_element_id;
use super::sessions::{LoginRefusal, Session};
use super::settings::SessionTracking;
use super::state::{COOKIE, SessionOf, State};
use super::version::Version;

/// The longest body of a request. Those of clients have a few dozen bytes.
const LONGEST_BODY: usize = 64 * 1024;

/// Answers all requests that open no socket.
pub(super) struct Routes {
    pub(super) state: Arc<State>,
    /// Where errors of clients are counted.
    pub(super) counts: ConnectionCounts,
}

impl Respond for Routes {
    fn respond(self: Arc<Self>, request: HttpRequest<RequestBody>) -> BoxFuture<HttpResponse<Body>> {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            // Every body is read: clients send one with `GET` as well, and their sockets stay open.
            let answer = match read(body).await {
                Ok(body) => self.answer(&head, &body).await,
                Err(refusal) => Err(refusal),
            };
            answer.unwrap_or_else(|refusal| {
                refusal.error.into_iter().for_each(|error| self.counts.count_client_error(error));
                refusal.limit.into_iter().for_each(|limit| self.counts.count_refusal(limit));
                refusal.into_response()
            })
        })
    }
}

async fn read(body: RequestBody) -> Result<Vec<u8>, Refusal> {
    match Limited::new(body, LONGEST_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => {
            let refusal = Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the body of the request is too long");
            Err(Refusal { limit: Some(ApplicationLimit::BodySize), ..refusal })
        }
        Err(error) => {
            let is_overdue = matches!(error.downcast_ref(), Some(<BodyError>::Overdue));
            let status = if is_overdue { StatusCode::REQUEST_TIMEOUT } else { StatusCode::BAD_REQUEST };
            Err(Refusal::new(status, "the body of the request did not arrive"))
        }
    }
}

impl Routes {
    async fn answer(&self, head: &RequestHead, body: &[u8]) -> Result<HttpResponse<Body>, Refusal> {
        let path = head.uri.path().trim_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
        let is_read = [Method::GET, Method::HEAD].contains(&head.method);
        if let ["api"] = segments[..] {
            return if is_read { Ok(self.versions(head)) } else { Err(Refusal::method("GET, HEAD")) };
        }
        let version =
            segments.first().and_then(|first| self.state.versions.iter().find(|known| known.as_str() == *first));
        let Some(version) = version else { return Err(Refusal::not_found("the server does not have this version")) };
        let (method, allowed) = match segments[1..] {
            ["login" | "lms_login"] => (head.method == Method::POST, "POST"),
            ["logout"] => (head.method == Method::PUT, "PUT"),
            ["api"] | ["current_user"] | ["current_user", "element"] | ["elements", _, _] => (is_read, "GET, HEAD"),
            ["notification", "socket"] => {
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "expected the handshake of a WebSocket"));
            }
            _ => return Err(Refusal::not_found("the server has no such resource")),
        };
        if !method {
            return Err(Refusal::method(allowed));
        }
        match segments[1..] {
            ["login"] => self.login(head, body),
            ["lms_login"] => self.login_with_password(head).await,
            ["logout"] => self.logout(head),
            ["api"] => self.entry_points(head, version),
            ["current_user"] => self.current_user(head, version),
            ["current_user", "element"] => self.current_user_element(head, version),
            ["elements", element_type, id] => self.element(head, element_type, id),
            _ => Err(Refusal::not_found("the server has no such resource")),
        }
    }

    /// The listed versions, oldest first: the vendor's client takes the first of them.
    fn versions(&self, head: &RequestHead) -> HttpResponse<Body> {
        let listed = self.state.versions.iter().filter(|version| version.is_listed());
        let version = |version: &Version| json!({ "rel": version.as_str(), "href": format!("{}/api", self.state.url(head, version)), "method": "GET" });
        json_page(StatusCode::OK, &json!({ "version": listed.map(version).collect::<Vec<_>>() }))
    }

    fn login(&self, head: &RequestHead, body: &[u8]) -> Result<HttpResponse<Body>, Refusal> {
        let Ok(Login { authenticationkey: key }) = serde_json::from_slice(body) else {
            let expected = "expected a JSON object with the member \"authenticationkey\"";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, expected));
        };
        let account = self.state.accounts.by_key(&key);
        // A short key can be guessed, so that too many wrong ones from an address refuse even the right one. A long one cannot, and its
        // client is not refused because of others.
        if account.is_none() || Accounts::is_guessable(&key) {
            self.check_guesses(head)?;
        }
        self.start(head, account)
    }

    async fn login_with_password(&self, head: &RequestHead) -> Result<HttpResponse<Body>, Refusal> {
        let query = OpeningRequest::new(head);
        let (Some(name), Some(password)) = (query.query_value("login"), query.query_value("pwd")) else {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "expected login and pwd in the query"));
        };
        self.check_guesses(head)?;
        let Some(turn) = self.state.accounts.turn().await else {
            let busy = "too many logins at once: try again later";
            let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE, busy);
            let limit = Some(ApplicationLimit::Sessions);
            return Err(Refusal { limit, ..refusal }.retry_after(Duration::from_secs(5)));
        };
        // Passwords that waited before this one may have been wrong. They are checked one after another, so that guesses sent
        // at once are limited as others.
        self.check_guesses(head)?;
        let account = turn.check(&name, &password).await;
        let answer = self.start(head, account);
        drop(turn);
        answer
    }

    fn check_guesses(&self, head: &RequestHead) -> Result<(), Refusal> {
        self.state.guesses.as_ref().map_or(Ok(()), |limit| limit.check(head)).map_err(Refusal::too_many_guesses)
    }

    /// Starts a session of an account, or refuses wrong credentials.
    fn start(&self, head: &RequestHead, account: Option<Arc<Account>>) -> Result<HttpResponse<Body>, Refusal> {
        let address = head.extensions.get::<RemoteAddress>().copied();
        let Some(account) = account else {
            tracing::debug!(address = address.map(tracing::field::display), "wrong credentials of an SMC client");
            self.state.guesses.as_ref().map_or(Ok(()), |limit| limit.count(head)).map_err(Refusal::too_many_guesses)?;
            return Err(Refusal::unauthenticated(ClientError::InvalidCredentials, "the credentials are not valid"));
        };
        let token = self.state.sessions.start(&account, address.map(RemoteAddress::network)).map_err(|refusal| {
            tracing::debug!(account = &*account.name, %refusal, "a login was refused");
            Refusal::of_login(refusal)
        })?;
        tracing::debug!(account = &*account.name, "an SMC client has logged in");
        let mut response = json_page(StatusCode::OK, &json!({}));
        let (name, value) = match self.state.tracking {
            // A session cookie without an end: when it lapsed, the vendor's client would believe that the server uses tokens.
            SessionTracking::Cookies => ("set-cookie", format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict")),
            SessionTracking::Tokens => ("authorization", token.to_string()),
        };
        let value = HeaderValue::from_str(&value).expect("a token is hexadecimal digits");
        response.headers_mut().insert(name, value);
        Ok(response)
    }

    fn logout(&self, head: &RequestHead) -> Result<HttpResponse<Body>, Refusal> {
        let (session, token) = self.session(head)?;
        tracing::debug!(account = &*session.account().name, "an SMC client has logged out");
        self.state.sessions.end(&token);
        let mut response = HttpResponse::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }

    fn session(&self, head: &RequestHead) -> Result<(Arc<Session>, String), Refusal> {
        match self.state.session(head) {
            SessionOf::Found(session, token) => Ok((session, token)),
            SessionOf::Unknown => {
                Err(Refusal::unauthenticated(ClientError::ExpiredCredentials, "the session has ended"))
            }
            SessionOf::Missing => {
                Err(Refusal::unauthenticated(ClientError::MissingCredentials, "the request has no session"))
            }
        }
    }

    /// The entry points: those of sessions, and one for each type of elements that the client sees.
    fn entry_points(&self, head: &RequestHead, version: &Version) -> Result<HttpResponse<Body>, Refusal> {
        let session = match (self.session(head), self.state.tracking) {
            (Ok((session, _)), _) => Some(session),
            // The vendor's client sends no token here.
            (Err(_), SessionTracking::Tokens) => None,
            (Err(refusal), SessionTracking::Cookies) => return Err(refusal),
        };
        let url = self.state.url(head, version);
        let point = |rel: &str, path: &str, method: &str| json!({ "rel": rel, "href": format!("{url}/{path}"), "method": method });
        let mut points = vec![
            point("current_user", "current_user", "GET"),
            point("login", "login", "POST"),
            point("lms_login", "lms_login", "POST"),
            point("logout", "logout", "PUT"),
        ];
        let sees = |name: &str| session.as_ref().is_none_or(|session| session.account().sees(name));
        let types = self.state.element_types.iter().map(|known| known.as_str()).filter(|name| sees(name));
        points.extend(types.map(|name| point(name, &format!("elements/{name}"), "GET")));
        Ok(json_page(StatusCode::OK, &json!({ "entry_point": points })))
    }

    fn current_user(&self, head: &RequestHead, version: &Version) -> Result<HttpResponse<Body>, Refusal> {
        self.session(head)?;
        let href = format!("{}/current_user/element", self.state.url(head, version));
        Ok(json_page(StatusCode::OK, &json!({ "value": href })))
    }

    fn current_user_element(&self, head: &RequestHead, version: &Version) -> Result<HttpResponse<Body>, Refusal> {
        let account = Arc::clone(self.session(head)?.0.account());
        let href = format!("{}/current_user/element", self.state.url(head, version));
        let link = json!([{ "href": href, "rel": "self", "type": account.element_type() }]);
        Ok(json_page(StatusCode::OK, &json!({ "name": &*account.name, "link": link })))
    }

    /// The body that the publisher gave with the last event of an element.
    fn element(&self, head: &RequestHead, element_type: &str, id: &str) -> Result<HttpResponse<Body>, Refusal> {
        let account = Arc::clone(self.session(head)?.0.account());
        let is_visible = account.sees(element_type) && is_element_id(id);
        let body =
            is_visible.then(|| self.state.bodies.get(account.organisation.as_deref(), element_type, id)).flatten();
        let body = body.ok_or_else(|| Refusal::not_found("the server does not have this element"))?;
        // Without parameters: the vendor's client compares the whole header.
        Ok(Page::new(HeaderValue::from_static("application/json"), body).into())
    }
}

/// The body of a login. Other members, such as `domain`, have no meaning here.
#[derive(Deserialize)]
struct Login {
    authenticationkey: String,
}

fn json_page(status: StatusCode, value: &serde_json::Value) -> HttpResponse<Body> {
    Page::json(value.to_string()).status(status).into()
}

/// A refused request.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    message: String,
    header: Option<(&'static str, HeaderValue)>,
    /// How it is counted. The server counts overdue bodies.
    error: Option<ClientError>,
    limit: Option<ApplicationLimit>,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let error = match status {
            StatusCode::BAD_REQUEST => Some(ClientError::BrokenBody),
            StatusCode::NOT_FOUND => Some(ClientError::UnknownPath),
            StatusCode::METHOD_NOT_ALLOWED => Some(ClientError::MethodNotAllowed),
            _ => None,
        };
        Self { status, message: message.into(), header: None, error, limit: None }
    }

    fn unauthenticated(error: ClientError, message: &str) -> Self {
        Self { error: Some(error), ..Self::new(StatusCode::UNAUTHORIZED, message) }
    }

    fn not_found(message: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    fn method(allowed: &'static str) -> Self {
        let header = Some(("allow", HeaderValue::from_static(allowed)));
        Self { header, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("expected {allowed}")) }
    }

    fn too_many_guesses(after: Duration) -> Self {
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong credentials from this address");
        Self { limit: Some(ApplicationLimit::FailedAuthentications), ..refusal }.retry_after(after)
    }

    fn of_login(refusal: LoginRefusal) -> Self {
        let status = match refusal {
            LoginRefusal::TooMany | LoginRefusal::NoRandom => StatusCode::SERVICE_UNAVAILABLE,
            LoginRefusal::TooManyOfAccount | LoginRefusal::TooManyOfAddress => StatusCode::TOO_MANY_REQUESTS,
        };
        let limit = Some(ApplicationLimit::Sessions).filter(|_| refusal != LoginRefusal::NoRandom);
        Self { limit, ..Self::new(status, refusal.to_string()) }.retry_after(Duration::from_secs(5))
    }

    fn retry_after(self, time: Duration) -> Self {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        Self { header: Some(("retry-after", HeaderValue::from(seconds))), ..self }
    }

    /// The keys are those that the vendor's client reads.
    fn into_response(self) -> HttpResponse<Body> {
        let Self { status, message, header, error, limit } = self;
        // Without a reason, the server itself has failed, or has logged that a body took too long.
        if let Some(reason) = error.map(ClientError::label).or(limit.map(ApplicationLimit::label)) {
            tracing::debug!(reason, status = status.as_u16(), message, "a request of an SMC client was refused");
        }
        let mut response = json_page(status, &json!({ "message": message, "details": "" }));
        response.headers_mut().extend(header.map(|(name, value)| (HeaderName::from_static(name), value)));
        response
    }
}
