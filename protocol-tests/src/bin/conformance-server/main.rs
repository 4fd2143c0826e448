//! Serves the hubs that the recordings were made with, rebuilt on the public API.

mod hubs;
mod objects;
mod tokens;

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use signalhub::connections::{ExpiredCredentials, NegotiateVersion, Tls, TlsCertificate};
use signalhub::{Endpoint, ErrorDetails, Hub, HubError, Policy, Server, TransportKind, Transports};

use crate::hubs::{conformance, greet, main_hub};
use crate::tokens::NamedToken;

/// Serves the recorded hubs, for the conformance suite and for the tests of official clients.
#[derive(Parser)]
struct Arguments {
    /// The address to listen on; port 0 lets the system choose.
    #[arg(long, default_value = "127.0.0.1:5100")]
    listen: SocketAddr,
    /// A file with a chain of certificates: the server then speaks TLS only.
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// A file with the key of the certificate.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let mut server = mount(Server::bind(arguments.listen).await?);
    let mut scheme = "http";
    if let (Some(certificate), Some(key)) = (arguments.certificate, arguments.key) {
        let certificate =
            TlsCertificate::from_pem(&fs::read(certificate)?, &fs::read(key)?).map_err(io::Error::other)?;
        server = server.tls(&Tls::new(certificate))?;
        scheme = "https";
    }
    writeln!(io::stdout(), "listening on {scheme}://{}", server.local_addr()?)?;
    server
        .run_until(async {
            // Without signals there is no graceful shutdown, and the process ends with its parent.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await
}

fn mount(server: Server) -> Server {
    let plain = || conformance(Hub::builder());
    let ann = Policy::new(|identity| identity.user.as_deref() == Some("ann"));
    let fast = plain().configure(|options| {
        options.keep_alive_interval = Duration::from_millis(500);
        options.client_timeout_interval = Duration::from_millis(1500);
        options.handshake_timeout = Duration::from_millis(1000);
    });
    let refusing =
        plain().on_connected(async || Err::<(), _>(HubError::internal("InvalidOperationException", "refused")));
    let polling = Transports::NONE.and(TransportKind::LongPolling);
    server
        .endpoint("/conformance", open(plain().build()))
        .endpoint("/detailed", open(plain().configure(|options| options.error_details = ErrorDetails::Shown).build()))
        .endpoint(
            "/small",
            open(plain().configure(|options| options.maximum_receive_message_size = Some(1024)).build()),
        )
        .endpoint(
            "/parallel",
            open(plain().configure(|options| options.maximum_parallel_invocations_per_client = 4).build()),
        )
        .endpoint("/fast", open(fast.build()).poll_timeout(Duration::from_millis(1000)))
        .endpoint("/stateful", open(plain().build()).allow_stateful_reconnects())
        .endpoint("/greeting", open(plain().on_connected(greet).build()))
        .endpoint("/refusing", open(refusing.build()))
        .endpoint("/websocketsonly", open(plain().build()).transports(Transports::WEB_SOCKETS))
        .endpoint(
            "/pollingonly",
            open(plain().build()).transports(polling).minimum_negotiate_version(NegotiateVersion::One),
        )
        .endpoint(
            "/authorized",
            open(plain().build()).authorize(Policy::authenticated()).on_expired_credentials(ExpiredCredentials::Close),
        )
        .endpoint("/annsonly", open(plain().build()).authorize(ann))
        .endpoint("/signalr/v1/mainHub", open(main_hub(Hub::builder()).build()))
}

/// An endpoint that knows its users and lets everyone in, as all recorded ones do by default.
fn open(hub: Hub) -> Endpoint {
    Endpoint::new(hub).identify(NamedToken).transports(Transports::ALL)
}
