//! `signalhub listen`.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use portos_notifications::SubscriptionRequest;
use serde::Deserialize;
use serde_json::value::RawValue;
use signalhub_client::{Client, ConnectError, ConnectOptions, Disconnected, InvokeError, ServerInvocation, TlsProblem};

use crate::commands::credentials::TokenArguments;
use crate::commands::error::CommandError;
use crate::commands::server_trust::{CA_HINT, TrustArguments};
use crate::configuration::DEFAULT_URL;
use crate::log::escaped_lines;
use crate::node::HUB_PATH;
use crate::shutdown;

/// How long the first attempt to connect again waits; each further one waits twice as long, up to the longest.
const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name of the event
    event: String,
    /// The resource; all when it is absent; repeatable
    #[arg(long)]
    resource: Vec<String>,
    /// The action: created, updated or deleted; all when it is absent; repeatable
    #[arg(long, requires = "resource")]
    action: Vec<String>,
    /// Where the server is: an http:// or https:// URL
    #[arg(long, default_value = DEFAULT_URL)]
    url: String,
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    token: TokenArguments,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let shutdown = shutdown::requested().map_err(CommandError::no)?;
    let mut listener = Listener { arguments, client: None };
    tokio::select! {
        result = listener.listen() => result,
        () = shutdown => {
            if let Some(client) = listener.client {
                client.close().await;
            }
            Ok(())
        }
    }
}

/// Listens over one connection after another.
struct Listener<'a> {
    arguments: &'a Arguments,
    client: Option<Client>,
}

/// Why there is no connection.
enum Failure {
    /// Another attempt would fail the same way.
    Final(CommandError),
    /// The server may be there again soon.
    Passing(String),
}

impl Listener<'_> {
    /// Listens until the output ends or the server refuses in a way that a retry cannot change.
    async fn listen(&mut self) -> Result<(), CommandError> {
        let token = self.arguments.token.read()?;
        let mut client = match connect(self.arguments, token.as_deref()).await {
            Ok(client) => client,
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing(why)) => return Err(CommandError::No(why)),
        };
        say(&format!("listening for {}; Ctrl-C ends it", self.arguments.event));
        while let Printed::Disconnected(why) = print(self.client.insert(client)).await? {
            client = self.return_after(&why).await?;
        }
        Ok(())
    }

    /// Reconnects after the end of a connection, if reconnecting makes sense.
    async fn return_after(&mut self, why: &Disconnected) -> Result<Client, CommandError> {
        self.client = None;
        let restarts = match why {
            Disconnected::ByServer { allow_reconnect, .. } => *allow_reconnect,
            Disconnected::Lost(_) | Disconnected::TimedOut => true,
            _ => false,
        };
        if !restarts {
            return Err(CommandError::no(why));
        }
        let token = self.arguments.token.read()?;
        if token.as_deref().is_some_and(has_expired) {
            return Err(CommandError::no("the token has expired"));
        }
        say(&format!("{why}; connecting again"));
        let client = connect_again(self.arguments, token.as_deref()).await?;
        say("connected again; what was published meanwhile was missed");
        Ok(client)
    }
}

/// Connects again, with growing delays, until it succeeds or another attempt would fail the same way.
async fn connect_again(arguments: &Arguments, token: Option<&str>) -> Result<Client, CommandError> {
    let mut delay = FIRST_DELAY;
    loop {
        tokio::time::sleep(delay).await;
        match connect(arguments, token).await {
            Ok(client) => return Ok(client),
            Err(Failure::Final(_)) if token.is_some_and(has_expired) => {
                return Err(CommandError::no("the token has expired"));
            }
            Err(Failure::Final(error)) => return Err(error),
            Err(Failure::Passing(why)) => {
                delay = (delay * 2).min(LONGEST_DELAY);
                say(&format!("{why}; trying again in {} s", delay.as_secs()));
            }
        }
    }
}

/// Connects and subscribes.
async fn connect(arguments: &Arguments, token: Option<&str>) -> Result<Client, Failure> {
    let options = ConnectOptions::new(format!("{}{HUB_PATH}", arguments.url.trim_end_matches('/')));
    let options = arguments.trust.apply(options, ConnectOptions::with_ca).map_err(Failure::Final)?;
    let options = token.iter().fold(options, |options, token| options.with_token(*token));
    let client = options.connect().await.map_err(|error| match error {
        ConnectError::Url(_) | ConnectError::Token => Failure::Final(CommandError::Usage(error.to_string())),
        ConnectError::Tls(TlsProblem::UnknownIssuer) => Failure::Passing(format!("{error}{CA_HINT}")),
        ConnectError::Unauthorized => {
            Failure::Final(CommandError::No(format!("{error}; give a valid --token, --token-file or SIGNALHUB_TOKEN")))
        }
        ConnectError::Refused(status) if status.is_client_error() && status != 429 => {
            Failure::Final(CommandError::no(error))
        }
        ConnectError::Handshake(_) => Failure::Final(CommandError::no(error)),
        error => Failure::Passing(error.to_string()),
    })?;
    let request = arguments.resource.iter().fold(SubscriptionRequest::new(&arguments.event), |request, name| {
        request.with_resource(name, &arguments.action)
    });
    match client.invoke::<()>("Subscribe", (request,)).await {
        Ok(()) => Ok(client),
        Err(InvokeError::Disconnected(why)) => Err(Failure::Passing(why.to_string())),
        Err(error) => Err(Failure::Final(CommandError::no(error))),
    }
}

/// Writes to stderr, so that stdout holds nothing but events.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", escaped_lines(text));
}

/// Reads the expiry of a token without verifying it: the server has done that.
fn has_expired(token: &str) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let claims = payload.and_then(|payload| serde_json::from_slice::<Claims>(&payload).ok());
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    claims.is_some_and(|claims| claims.exp <= now.as_secs_f64())
}

/// Why the output ended.
enum Printed {
    /// The reader, such as `head`, has closed the pipe.
    Enough,
    /// The connection has ended.
    Disconnected(Disconnected),
}

/// Prints every event until the connection or the output ends.
async fn print(client: &Client) -> Result<Printed, CommandError> {
    loop {
        let invocation = match client.next_invocation().await {
            Ok(invocation) => invocation,
            Err(why) => return Ok(Printed::Disconnected(why)),
        };
        let Some(notification) = notification(&invocation) else { continue };
        let mut out = io::stdout();
        match writeln!(out, "{notification}").and_then(|()| out.flush()) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Printed::Enough),
            Err(error) => return Err(CommandError::no(error)),
        }
    }
}

/// Returns the notification as it was sent, in one line.
fn notification(invocation: &ServerInvocation) -> Option<String> {
    if !invocation.target.eq_ignore_ascii_case("OnEvent") {
        return None;
    }
    let (notification,) = invocation.bind::<(Box<RawValue>,)>().ok()?;
    // JSON has line breaks between its tokens only, where a space does as well.
    Some(notification.get().replace(['\n', '\r'], " "))
}
