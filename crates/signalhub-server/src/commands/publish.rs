//! `signalhub publish`.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::num::NonZeroU32;

use clap::{Args, ValueEnum};
use http::Uri;
use portos_notifications::{
    Credentials, IdempotencyKey, Notifier, NotifierError, NotifyError, PublishBody, PublishOptions, Retries,
    TlsProblem, Wait, parse_timestamp,
};
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::commands::credentials::{KeyArguments, TokenArguments, key_variable, token_variable};
use crate::commands::error::CommandError;
use crate::commands::server_trust::{CA_HINT, TrustArguments};
use crate::commands::sources::Sources;
use crate::configuration::DEFAULT_URL;
use crate::configuration::{Configuration, Listener, parse_duration};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name of the event
    event: String,
    /// The payload as JSON, or - to read it from the standard input
    #[arg(long, value_name = "JSON", default_value = "null", allow_hyphen_values = true)]
    payload: String,
    /// The only organisation that may see it
    #[arg(long)]
    org: Option<String>,
    /// When it is no longer worth delivering: a time such as 2030-01-31T12:00:00Z, or after how long, such as 10m
    #[arg(long, value_parser = expiry)]
    expires: Option<OffsetDateTime>,
    /// Publish once however often this is repeated: 1 to 255 visible ASCII characters; else a new random key
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<IdempotencyKey>,
    /// Wait until the event is on the server's disk, or is written to the clients that it matched
    #[arg(long)]
    wait: Option<WaitArgument>,
    /// How often to try, within 30 s, if the server cannot be reached or is not available
    #[arg(long, value_name = "NUMBER", default_value = "5")]
    tries: NonZeroU32,
    /// Where the server is: an http:// or https:// URL
    #[arg(long, default_value = DEFAULT_URL)]
    url: String,
    #[command(flatten)]
    trust: TrustArguments,
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    token: TokenArguments,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum WaitArgument {
    Durable,
    Matched,
    Delivered,
}

impl From<WaitArgument> for Wait {
    fn from(wait: WaitArgument) -> Self {
        match wait {
            WaitArgument::Durable => Self::Durable,
            WaitArgument::Matched => Self::Matched,
            WaitArgument::Delivered => Self::Delivered,
        }
    }
}

/// Makes a notifier with the credentials of the arguments, else of the variables, else, for the server that is configured, with the
/// first key of the configuration.
fn notifier(sources: &Sources, arguments: &Arguments) -> Result<Notifier, CommandError> {
    let url = &arguments.url;
    if let Some(key) = arguments.key.given()? {
        return notifier_with(url, Credentials::ApiKey(&key));
    }
    if let Some(token) = arguments.token.given()? {
        return notifier_with(url, Credentials::BearerToken(&token));
    }
    if let Some(key) = key_variable() {
        return notifier_with(url, Credentials::ApiKey(&key));
    }
    if let Some(token) = token_variable() {
        return notifier_with(url, Credentials::BearerToken(&token));
    }
    let configuration = sources.configuration()?;
    // The configured key is for the configured server, and for no other that a URL may name.
    let keys = if is_configured_server(url, &configuration) { &configuration.publish.keys[..] } else { &[] };
    notifier_with(url, keys.first().map_or(Credentials::None, |key| Credentials::ApiKey(key.reveal())))
}

/// Tells whether a URL names a server of this machine, or a listener of the configuration that has the publish API.
pub(crate) fn is_configured_server(url: &str, configuration: &Configuration) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().map_or(host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback());
    let address = match &configuration.publish.listen {
        Listener::Off => &configuration.listen.public,
        Listener::At(address) => address,
    };
    is_loopback || url.authority().is_some_and(|authority| authority.as_str() == address.as_str())
}

pub(crate) async fn run(sources: &Sources, arguments: Arguments) -> Result<(), CommandError> {
    let notifier = notifier(sources, &arguments)?;
    let notifier = arguments.trust.apply(notifier, |notifier, pem| notifier.with_ca(pem))?;
    let notifier = notifier.with_retries(Retries::default().with_maximum_tries(arguments.tries));
    let options = options(&arguments);
    let receipt = notifier.publish_with(body(arguments)?, &options).await.map_err(refused)?;
    let receipt = serde_json::to_string(&receipt).map_err(CommandError::no)?;
    writeln!(io::stdout(), "{receipt}").map_err(CommandError::no)
}

fn notifier_with(url: &str, credentials: Credentials<'_>) -> Result<Notifier, CommandError> {
    Notifier::http(url, credentials).map_err(|error| {
        CommandError::Usage(match error {
            NotifierError::Secret => "the credentials cannot stand in a header".to_owned(),
            NotifierError::Url(url) => {
                format!("\"{url}\" is no URL of a server: expected one such as \"http://127.0.0.1:3000\"")
            }
            error => error.to_string(),
        })
    })
}

fn options(arguments: &Arguments) -> PublishOptions {
    let options = PublishOptions::new().with_wait(arguments.wait.map_or(Wait::Accepted, Wait::from));
    match &arguments.idempotency_key {
        Some(key) => options.with_idempotency_key(key.clone()),
        None => options,
    }
}

fn body(arguments: Arguments) -> Result<PublishBody, CommandError> {
    let usage = |text: String| CommandError::Usage(text);
    let Arguments { event, payload, org: organisation, expires, .. } = arguments;
    let payload = match payload.as_str() {
        "-" => io::read_to_string(io::stdin().lock().take(1 << 30)).map_err(CommandError::no)?,
        _ => payload,
    };
    if payload.starts_with('\u{feff}') {
        return Err(usage("--payload begins with a byte order mark (U+FEFF): give it without".to_owned()));
    }
    let payload = RawValue::from_string(payload.trim().to_owned())
        .map_err(|error| usage(format!("--payload is no JSON: {error}")))?;
    // The server fills in the sender.
    Ok(PublishBody { event, payload, expires, organisation, sender: None })
}

fn refused(error: NotifyError) -> CommandError {
    CommandError::No(match error {
        NotifyError::Unreachable { tries, source } => {
            format!("the server could not be reached: {}{}", root(&*source), tried(tries))
        }
        NotifyError::Tls(problem @ TlsProblem::UnknownIssuer) => format!("{problem}{CA_HINT}"),
        NotifyError::TimedOut { tries, elapsed } => {
            format!("the server did not answer within {} s{}", elapsed.as_secs(), tried(tries))
        }
        NotifyError::Refused { tries, status, code, title, detail } => {
            let hint = match status {
                401 => "; give a valid --key, --token, SIGNALHUB_KEY or SIGNALHUB_TOKEN",
                _ => "",
            };
            format!("refused with {status} ({code}): {}{hint}{}", detail.unwrap_or(title), tried(tries))
        }
        NotifyError::UnknownAnswer { tries, status, body } => {
            format!("refused with {status} (no code): {body}{}", tried(tries))
        }
        error => error.to_string(),
    })
}

/// Tells how often a publish was tried, unless once.
fn tried(tries: u32) -> String {
    if tries > 1 { format!(" (tried {tries} times)") } else { String::new() }
}

fn expiry(text: &str) -> Result<OffsetDateTime, String> {
    let after = parse_duration(text).and_then(|after| OffsetDateTime::now_utc().checked_add(after.try_into().ok()?));
    after
        .or_else(|| parse_timestamp(text).ok())
        .ok_or_else(|| "expected a time such as 2030-01-31T12:00:00Z, or after how long, such as 10m".to_owned())
}

/// Returns the innermost cause, which has the useful message.
fn root<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn errors_name_the_status_the_code_and_what_was_wrong() {
        let problem = |status, tries| NotifyError::Refused {
            tries,
            status,
            code: "a_code".to_owned(),
            title: "A title".to_owned(),
            detail: Some("a detail".to_owned()),
        };
        for (error, text) in [
            (problem(400, 1), "refused with 400 (a_code): a detail"),
            (problem(503, 5), "refused with 503 (a_code): a detail (tried 5 times)"),
            (
                problem(401, 1),
                "refused with 401 (a_code): a detail; give a valid --key, --token, SIGNALHUB_KEY or SIGNALHUB_TOKEN",
            ),
            (
                NotifyError::UnknownAnswer { tries: 1, status: 502, body: "<html>".to_owned() },
                "refused with 502 (no code): <html>",
            ),
            (
                NotifyError::TimedOut { tries: 3, elapsed: Duration::from_secs(30) },
                "the server did not answer within 30 s (tried 3 times)",
            ),
        ] {
            assert_eq!(refused(error).to_string(), text);
        }
    }

    #[test]
    fn the_configured_key_goes_to_the_configured_server_alone() {
        let mut configuration = Configuration::default();
        configuration.read_toml("test", "[listen]\npublic = \"hub.example:3000\"").unwrap();
        for (url, is_configured) in [
            ("http://127.0.0.1:3000", true),
            ("http://localhost:80/x", true),
            ("http://[::1]:3000", true),
            ("http://hub.example:3000", true),
            ("http://hub.example:3001", false),
            ("http://other.example:3000", false),
            ("http://localhost.example:3000", false),
            ("http://127.0.0.1@other.example", false),
            ("nonsense", false),
        ] {
            assert_eq!(is_configured_server(url, &configuration), is_configured, "{url}");
        }
    }
}
