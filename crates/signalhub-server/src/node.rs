//! A running server: the hub, the publish API and the broker between them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use signalhub::connections::{Body, BoxFuture, ExpiredCredentials, Respond};
use signalhub::events::{Broker, Catalogue, EventName, Grants, Resources, UnknownEvents};
use signalhub::{BearerToken, Endpoint, ErrorDetails, Hub, Server};

use crate::configuration::{Auth, Configuration, DefaultGrants, Events, SigningSecret};
use crate::health;
use crate::publish_api::problem::{Problem, ProblemCode};
use crate::publish_api::{self, PublishApi};

/// The path of the hub.
pub const HUB_PATH: &str = "/signalr/v1/mainHub";

/// A server that is ready to run.
#[derive(Debug)]
pub struct Node {
    server: Server,
    address: SocketAddr,
}

impl Node {
    /// Binds the listener and puts everything behind it.
    ///
    /// # Errors
    /// When there is no key to check tokens with, or the address cannot be bound.
    pub async fn bind(configuration: &Configuration) -> Result<Self, StartError> {
        let auth = &configuration.auth;
        let secret = auth.secret.as_ref().ok_or(StartError::NoSecret)?;
        let address = configuration.listen.public.as_str();
        let failed = |error| StartError::Listen { address: address.to_owned(), error };
        let broker = Broker::builder().catalogue(catalogue(&configuration.events)).build();
        let endpoint = Endpoint::new(hub(configuration, broker.clone()))
            .authenticate(bearer(auth, secret))
            .on_expired_credentials(ExpiredCredentials::Close);
        let publish = PublishApi::new(broker, bearer(auth, secret), &configuration.publish);
        let server = Server::bind(address).await.map_err(failed)?;
        let server = server.endpoint(HUB_PATH, endpoint).otherwise(Pages { publish });
        let address = server.local_addr().map_err(failed)?;
        Ok(Self { server, address })
    }

    /// Returns the address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` completes, then says goodbye to the clients and ends.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn run_until(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        self.server.run_until(shutdown).await
    }
}

/// Tells why the server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// There is no key to check tokens with.
    #[error("auth.secret is not configured")]
    NoSecret,
    /// Without a key, only this machine is served.
    #[error(
        "will not listen on {address} without a key: configure auth.secret (at least 32 bytes), or listen on a loopback address"
    )]
    BeyondLoopback {
        /// The address.
        address: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: String,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

/// What is not a hub.
struct Pages {
    publish: PublishApi,
}

impl Respond for Pages {
    fn respond(self: Arc<Self>, request: Request<Incoming>) -> BoxFuture<Response<Body>> {
        Box::pin(async move {
            match request.uri().path() {
                publish_api::PATH => self.publish.answer(request).await,
                health::PATH => health::answer(request.method()),
                _ => Problem::new(ProblemCode::NotFound, "the hub, the publish API and /health have other paths")
                    .into_response(),
            }
        })
    }
}

fn bearer(auth: &Auth, secret: &SigningSecret) -> BearerToken {
    let mut bearer = BearerToken::hs256(secret.reveal().as_bytes())
        .leeway(auth.leeway)
        .user_claim(&auth.user_claim)
        .organisation_claim(&auth.organisation_claim);
    if let Some(issuer) = &auth.issuer {
        bearer = bearer.issuer(issuer);
    }
    if let Some(audience) = &auth.audience {
        bearer = bearer.audience(audience);
    }
    bearer
}

/// Makes the judge of tokens that the server would use; `None` without a configured key.
pub(crate) fn configured_bearer(auth: &Auth) -> Option<BearerToken> {
    auth.secret.as_ref().map(|secret| bearer(auth, secret))
}

fn hub(configuration: &Configuration, broker: Broker) -> Hub {
    let limits = &configuration.hub;
    let default_grants = match configuration.auth.default_grants {
        DefaultGrants::All => Grants::All,
        DefaultGrants::None => Grants::Only(Vec::new()),
    };
    let details = if limits.enable_detailed_errors { ErrorDetails::Shown } else { ErrorDetails::Hidden };
    Hub::builder()
        .events_with_default(broker, default_grants)
        .keep_alive_interval(limits.keep_alive_interval)
        .client_timeout_interval(limits.client_timeout_interval)
        .handshake_timeout(limits.handshake_timeout)
        .maximum_receive_message_size(limits.maximum_receive_message_size.bytes())
        .maximum_parallel_invocations_per_client(limits.maximum_parallel_invocations_per_client.get())
        .error_details(details)
        .build()
}

fn catalogue(events: &Events) -> Catalogue {
    let declare = |catalogue: Catalogue, names: &[String], resources| {
        names.iter().fold(catalogue, |catalogue, name| catalogue.with_event(EventName::from(name.as_str()), resources))
    };
    let catalogue = declare(Catalogue::new(), &events.with_resources, Resources::With);
    let catalogue = declare(catalogue, &events.without_resources, Resources::Without);
    // The events of Portos come last, because a declaration must not change what they are.
    let portos = Catalogue::portos();
    let catalogue =
        portos.events().fold(catalogue, |catalogue, (name, resources)| catalogue.with_event(name.clone(), resources));
    match events.allow_unknown {
        true => catalogue.with_unknown(UnknownEvents::Allowed),
        false => catalogue,
    }
}
