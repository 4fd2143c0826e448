//! `signalhub publish`.

use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use portos_notifications::{PublishBody, parse_timestamp};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;

use crate::command_line::{CommandError, Sources};
use crate::commands::DEFAULT_URL;
use crate::commands::credentials::{KeyArguments, TokenArguments, key_variable, token_variable};
use crate::configuration::{Configuration, parse_duration};
use crate::publish_api;

/// A server that has not answered after this time will not.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Receipts and problems are small; more than this comes from something else.
const LONGEST_ANSWER: usize = 64 * 1024;

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
    /// Where the server is
    #[arg(long, default_value = DEFAULT_URL)]
    url: String,
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    token: TokenArguments,
}

/// What a publish is authorised with.
enum Credentials {
    Key(String),
    Token(String),
}

/// Finds the credentials: what the arguments say, the variables, or, for the server that is configured, the first key of the
/// configuration.
fn credentials(sources: &Sources, arguments: &Arguments) -> Result<Option<Credentials>, CommandError> {
    let key = arguments.key.given()?.map(Credentials::Key);
    let given = key.or(arguments.token.given()?.map(Credentials::Token));
    let found =
        given.or_else(|| key_variable().map(Credentials::Key)).or_else(|| token_variable().map(Credentials::Token));
    if found.is_some() {
        return Ok(found);
    }
    let configuration = sources.configuration()?;
    // The configured key is for the configured server, and for no other that a URL may name.
    let keys = if is_configured_server(&arguments.url, &configuration) { &configuration.publish.keys[..] } else { &[] };
    Ok(keys.first().map(|key| Credentials::Key(key.reveal().to_owned())))
}

/// Tells whether a URL names a server of this machine, or the public listener of the configuration.
fn is_configured_server(url: &str, configuration: &Configuration) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().map_or(host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback());
    is_loopback || url.authority().is_some_and(|authority| authority.as_str() == configuration.listen.public.as_str())
}

pub(crate) async fn run(sources: &Sources, arguments: Arguments) -> Result<(), CommandError> {
    let credentials = credentials(sources, &arguments)?;
    let request = request(arguments, credentials)?;
    let exchange = async {
        let response = Client::builder(TokioExecutor::new()).build_http().request(request).await;
        let response =
            response.map_err(|error| CommandError::No(format!("the server could not be reached: {}", root(&error))))?;
        answer(response).await
    };
    let receipt = tokio::time::timeout(TIMEOUT, exchange)
        .await
        .map_err(|_| CommandError::No(format!("the server did not answer within {} s", TIMEOUT.as_secs())))??;
    writeln!(io::stdout(), "{receipt}").map_err(CommandError::no)
}

fn request(arguments: Arguments, credentials: Option<Credentials>) -> Result<Request<Full<Bytes>>, CommandError> {
    let usage = |text: String| CommandError::Usage(text);
    if arguments.url.starts_with("https://") {
        return Err(usage("https is not supported: give an http:// URL".to_owned()));
    }
    let payload = match arguments.payload.as_str() {
        "-" => io::read_to_string(io::stdin().lock().take(1 << 30)).map_err(CommandError::no)?,
        _ => arguments.payload,
    };
    if payload.starts_with('\u{feff}') {
        return Err(usage("--payload begins with a byte order mark (U+FEFF): give it without".to_owned()));
    }
    let payload = RawValue::from_string(payload.trim().to_owned())
        .map_err(|error| usage(format!("--payload is no JSON: {error}")))?;
    let body = PublishBody { event: arguments.event, payload, expires: arguments.expires, organisation: arguments.org };
    let url = format!("{}{}", arguments.url.trim_end_matches('/'), publish_api::PATH);
    let wrong_url = |_| {
        usage(format!("\"{}\" is no URL of a server: expected one such as \"http://127.0.0.1:3000\"", arguments.url))
    };
    let mut request = Request::post(url).body(Full::from(body.to_json())).map_err(wrong_url)?;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let header = credentials.map(|credentials| match credentials {
        Credentials::Key(key) => (HeaderName::from_static("x-api-key"), key),
        Credentials::Token(token) => (AUTHORIZATION, format!("Bearer {token}")),
    });
    if let Some((name, value)) = header {
        let mut value =
            HeaderValue::from_str(&value).map_err(|_| usage("the credentials cannot stand in a header".to_owned()))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

async fn answer(response: Response<hyper::body::Incoming>) -> Result<String, CommandError> {
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST_ANSWER).collect().await.map_err(CommandError::no)?.to_bytes();
    let text = String::from_utf8_lossy(&body).trim().to_owned();
    if status == StatusCode::ACCEPTED {
        return Ok(text);
    }
    let problem: Value = serde_json::from_str(&text).unwrap_or_default();
    let (code, detail) = (problem["code"].as_str().unwrap_or("no code"), problem["detail"].as_str().unwrap_or(&text));
    let hint = match status {
        StatusCode::UNAUTHORIZED => "; give a valid --key, --token, SIGNALHUB_KEY or SIGNALHUB_TOKEN",
        _ => "",
    };
    Err(CommandError::No(format!("refused with {} ({code}): {detail}{hint}", status.as_u16())))
}

fn expiry(text: &str) -> Result<OffsetDateTime, String> {
    let after = parse_duration(text).and_then(|after| OffsetDateTime::now_utc().checked_add(after.try_into().ok()?));
    after
        .or_else(|| parse_timestamp(text).ok())
        .ok_or_else(|| "expected a time such as 2030-01-31T12:00:00Z, or after how long, such as 10m".to_owned())
}

/// The cause at the bottom, which is the one that says something.
fn root<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

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
