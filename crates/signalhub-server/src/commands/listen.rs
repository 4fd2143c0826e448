//! `signalhub listen`.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;
use serde_json::value::RawValue;
use signalhub_client::{Client, ConnectError, Disconnected, ServerInvocation};

use crate::command_line::CommandError;
use crate::commands::DEFAULT_URL;
use crate::node::HUB_PATH;
use crate::shutdown;

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
    /// Where the server is
    #[arg(long, default_value = DEFAULT_URL)]
    url: String,
    /// The token to connect with
    #[arg(long)]
    token: Option<String>,
}

/// The argument of `Subscribe` (Portos, SubscriptionRequest).
#[derive(Serialize)]
struct SubscriptionRequest<'a> {
    e: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    r: Vec<SubscribedResource<'a>>,
}

#[derive(Serialize)]
struct SubscribedResource<'a> {
    n: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    a: &'a [String],
}

pub(crate) async fn run(arguments: &Arguments) -> Result<(), CommandError> {
    let url = format!("{}{HUB_PATH}", arguments.url.trim_end_matches('/'));
    let client = Client::connect(&url, arguments.token.as_deref()).await.map_err(|error| match error {
        ConnectError::Url(_) | ConnectError::Tls | ConnectError::Token => CommandError::Usage(error.to_string()),
        ConnectError::Unauthorized => CommandError::No(format!("{error}; give a valid --token")),
        error => CommandError::no(error),
    })?;
    let resource = |name| SubscribedResource { n: name, a: &arguments.action };
    let request = SubscriptionRequest {
        e: &arguments.event,
        r: arguments.resource.iter().map(String::as_str).map(resource).collect(),
    };
    client.invoke::<()>("Subscribe", (request,)).await.map_err(CommandError::no)?;
    // On stderr, so that stdout holds nothing but events.
    let _ = writeln!(io::stderr(), "listening for {}; Ctrl-C ends it", arguments.event);
    let shutdown = shutdown::requested().map_err(CommandError::no)?;
    tokio::select! {
        result = print(&client) => result,
        () = shutdown => {
            client.close().await;
            Ok(())
        }
    }
}

/// Prints every event until the connection or the output ends.
async fn print(client: &Client) -> Result<(), CommandError> {
    loop {
        let invocation = match client.next_invocation().await {
            Ok(invocation) => invocation,
            Err(Disconnected::Closed) => return Ok(()),
            Err(why) => return Err(CommandError::no(why)),
        };
        let Some(notification) = notification(&invocation) else { continue };
        let mut out = io::stdout();
        match writeln!(out, "{notification}").and_then(|()| out.flush()) {
            Ok(()) => {}
            // A reader such as `head` that has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(CommandError::no(error)),
        }
    }
}

/// Gives the notification as it was sent, in one line.
fn notification(invocation: &ServerInvocation) -> Option<String> {
    if !invocation.target.eq_ignore_ascii_case("OnEvent") {
        return None;
    }
    let (notification,) = invocation.bind::<(Box<RawValue>,)>().ok()?;
    // JSON has line breaks between its tokens only, where a space does as well.
    Some(notification.get().replace(['\n', '\r'], " "))
}
