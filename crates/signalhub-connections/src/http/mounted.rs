//! `Mounted`: an endpoint in a server, and how it refuses requests.

use std::fmt::Display;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{Response, StatusCode};
use tracing::{Instrument, Span};

use crate::auth::identity::{Identity, Owner, Principal};
use crate::auth::ticket::{Ticket, TicketHash};
use crate::connection::Connection;
use crate::counts::client_errors::ClientError;
use crate::http::access_rules::Refusal;
use crate::http::answers::{empty, not_offered, text, unknown};
use crate::http::body::Body;
use crate::http::endpoint::Endpoint;
use crate::http::refusals::{refuse_error, refuse_limit};
use crate::limits::limit::Limit;
use crate::limits::quota::QuotaKey;
use crate::registry::{AttachError, Found, Registry, TicketError, TicketUse};
use crate::request::opening_request::OpeningRequest;
use crate::request::query;
use crate::transport_kind::TransportKind;

/// An endpoint together with the registry of the server it is mounted in.
#[derive(Clone, Debug)]
pub(crate) struct Mounted {
    pub(crate) endpoint: Arc<Endpoint>,
    /// The number of the endpoint among those that share the registry.
    pub(crate) number: usize,
    pub(crate) registry: Arc<Registry>,
}

/// The connection that a request is for.
pub(crate) struct FoundConnection {
    pub(crate) token: String,
    pub(crate) attachment: Found,
}

/// A request whose client is admitted.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) identity: Arc<Identity>,
    /// The ticket that stood for the credentials.
    pub(crate) ticket: Option<TicketHash>,
}

impl Mounted {
    /// Authenticates a request by its ticket or its credentials, and checks the policies. A ticket must admit this use.
    pub(crate) async fn admit(&self, head: &Parts, wanted: TicketUse<'_>) -> Result<Admitted, Refusal> {
        let ticket = self.endpoint.offered_tickets().and_then(|_| TicketHash::of_request(head));
        let found = ticket.map(|ticket| self.registry.identity_of_ticket(ticket, wanted, self.number));
        let identity = self.endpoint.access().admit(head, found).await?;
        self.check_revocation(&identity)?;
        Ok(Admitted { identity, ticket })
    }

    /// Authenticates a request by the bearer token of a ticket that was opened, and checks the policies.
    pub(crate) async fn admit_bearer(&self, head: &Parts, bearer: &str) -> Result<Arc<Identity>, Refusal> {
        let mut with_bearer = head.clone();
        let mut header = HeaderValue::try_from(format!("Bearer {bearer}")).map_err(|_| Refusal::Forbidden)?;
        header.set_sensitive(true);
        with_bearer.headers.insert(AUTHORIZATION, header);
        let identity = self.endpoint.access().admit(&with_bearer, None).await?;
        self.check_revocation(&identity)?;
        Ok(identity)
    }

    /// Checks what a ticket stands for, and the policies.
    pub(crate) async fn admit_ticket(
        &self,
        head: &Parts,
        ticket: Result<Arc<Identity>, TicketError>,
    ) -> Result<Arc<Identity>, Refusal> {
        let identity = self.endpoint.access().admit(head, Some(ticket)).await?;
        self.check_revocation(&identity)?;
        Ok(identity)
    }

    /// Authenticates a request that brings new credentials for a connection, and checks the policies.
    pub(crate) async fn admit_renewal(&self, head: &Parts) -> Result<Arc<Identity>, Refusal> {
        let identity = self.endpoint.access().admit_renewal(head).await?;
        self.check_revocation(&identity)?;
        Ok(identity)
    }

    /// Every request passes this check, whichever credentials it has.
    fn check_revocation(&self, identity: &Identity) -> Result<(), Refusal> {
        match self.registry.is_revoked(identity) {
            true => Err(Refusal::Unauthenticated(ClientError::RevokedCredentials, "they were revoked".into())),
            false => Ok(()),
        }
    }

    /// Tells whether a request is authenticated by a bearer token, or a ticket, in its `Authorization` header alone.
    pub(crate) fn has_valid_bearer_token(&self, head: &Parts, wanted: TicketUse<'_>) -> bool {
        match self.endpoint.offered_tickets().and_then(|_| TicketHash::of_authorization(head)) {
            Some(hash) => match self.registry.node() {
                Some(node) => {
                    let ticket = Ticket::of_request(head);
                    ticket.is_some_and(|ticket| node.open_ticket(&ticket, self.number).is_some())
                }
                None => self.registry.identity_of_ticket(hash, wanted, self.number).is_ok(),
            },
            None => self.endpoint.access().has_valid_bearer_token(head),
        }
    }

    pub(crate) fn owner(&self, identity: &Identity) -> Owner {
        Owner { endpoint: self.number, principal: Principal::of(identity) }
    }

    pub(crate) fn quota_key(&self, identity: &Identity, head: &Parts) -> QuotaKey {
        QuotaKey::new(self.owner(identity), head)
    }

    /// Copies the request that opens a connection, if the handler keeps it.
    pub(crate) fn opening_request(&self, head: &Parts) -> OpeningRequest {
        match self.endpoint.keeps_opening_request() {
            true => OpeningRequest::new(head),
            false => OpeningRequest::default(),
        }
    }

    /// Refuses a request because of an error of its client, which is counted and logged.
    pub(crate) fn reject(&self, error: ClientError, detail: impl Display, response: Response<Body>) -> Response<Body> {
        refuse_error(&self.registry, error, detail, response)
    }

    pub(crate) fn refuse_attach(&self, error: AttachError, head: &Parts) -> Response<Body> {
        match error {
            AttachError::Unknown => self.unknown(),
            AttachError::OtherTransport => self.reject(
                ClientError::OtherTransport,
                "the connection has another transport",
                text(StatusCode::BAD_REQUEST, "Cannot change transports mid-connection"),
            ),
            AttachError::AlreadyAttached => self.reject(
                ClientError::AlreadyConnected,
                "the connection has its transport already",
                text(StatusCode::CONFLICT, ""),
            ),
            AttachError::TicketUsed => {
                let used = "the ticket was used".into();
                self.refuse(Refusal::Unauthenticated(ClientError::InvalidCredentials, used), head)
            }
            AttachError::Refused(limit) => refuse_limit(&self.registry, limit),
        }
    }

    pub(crate) fn unknown(&self) -> Response<Body> {
        self.reject(ClientError::UnknownConnection, "there is no connection with this id", unknown())
    }

    pub(crate) fn missing_id(&self) -> Response<Body> {
        let response = text(StatusCode::BAD_REQUEST, "Connection ID required");
        self.reject(ClientError::MissingConnectionId, "the query has no id", response)
    }

    pub(crate) fn not_offered(&self, kind: TransportKind) -> Response<Body> {
        self.reject(ClientError::TransportNotOffered, kind.name(), not_offered(kind))
    }

    pub(crate) fn refuse(&self, refusal: Refusal, head: &Parts) -> Response<Body> {
        match refusal {
            Refusal::Denied(answer) => {
                self.reject(ClientError::Forbidden, "the application denied it", answer.map(Body::from))
            }
            Refusal::Forbidden => {
                self.reject(ClientError::Forbidden, "a policy does not admit the user", empty(StatusCode::FORBIDDEN))
            }
            Refusal::TooManyGuesses(after) => {
                let mut response = refuse_limit(&self.registry, Limit::Guesses);
                let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                response
            }
            Refusal::Unauthenticated(error, why) => {
                let authenticator = self.endpoint.access().authenticator();
                let own = authenticator.and_then(|authenticate| authenticate.refusal(head));
                let mut response = own.map_or_else(|| empty(StatusCode::UNAUTHORIZED), |own| own.map(Body::from));
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                if let Some(challenge) = authenticator.and_then(|authenticate| authenticate.challenge()) {
                    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                }
                self.reject(error, why, response)
            }
        }
    }

    /// Finds the connection that a poll or the request of an event stream is for, with the checks in the original's
    /// order. The error is the answer.
    #[allow(clippy::result_large_err, reason = "the error is the answer that goes out next")]
    pub(crate) fn find_connection(
        &self,
        head: &Parts,
        identity: &Identity,
        kind: TransportKind,
    ) -> Result<FoundConnection, Response<Body>> {
        let token = token(head).ok_or_else(|| self.missing_id())?;
        let attachment = self.registry.find(&token, &self.owner(identity)).ok_or_else(|| self.unknown())?;
        if !self.endpoint.offered().contains(kind) {
            return Err(self.not_offered(kind));
        }
        Ok(FoundConnection { token, attachment })
    }

    /// Starts the task of a connection. Its span is inside that of the request that opened it. A span takes memory for as
    /// long as the connection lives, so it exists only if debug logs are enabled.
    pub(crate) fn spawn(&self, connection: Connection, request: &Span) {
        let endpoint = Arc::clone(&self.endpoint);
        let connection = connection.verifying_tokens_with(endpoint);
        connection.check_revocation();
        let span = tracing::debug_span!(parent: request, "connection", connection = connection.id().for_log());
        tokio::spawn(self.endpoint.handler().handle(connection).instrument(span));
    }
}

/// The token of the connection that a request is for; `None` if it is empty.
pub(crate) fn token(head: &Parts) -> Option<String> {
    query::value(head.uri.query(), "id").filter(|id| !id.is_empty())
}
