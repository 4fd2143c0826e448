//! `signalhub health`.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use signalhub_tls_client::TlsClient;

use crate::commands::error::CommandError;
use crate::commands::https_client::{https_client, reason};
use crate::commands::server_trust::TrustArguments;
use crate::commands::sources::Sources;
use crate::configuration::{Address, Configuration, Listener, parse_duration};
use crate::http_api::health;
use crate::reachable_at::{ReachableAt, ServerTrust};

/// How long an answer may be.
const LONGEST_ANSWER: usize = 64 * 1024;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// An http:// or https:// URL of the server. Without a path its /health/ready is asked. Else the internal listener of the
    /// configuration is asked, or the /health of the public one where there is no internal listener
    #[arg(long)]
    url: Option<String>,
    /// How long the answer may take
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    timeout: Duration,
    #[command(flatten)]
    trust: TrustArguments,
}

/// Asks a running server whether it is ready. Whatever the reason, a server that does not say so is not ready, and the exit
/// code is 1.
pub(crate) async fn run(sources: &Sources, arguments: &Arguments) -> Result<(), CommandError> {
    let question = match &arguments.url {
        Some(url) => Question { url: named(url)?, trust: ServerTrust::Nothing },
        None => configured(&sources.configuration()?),
    };
    let tls = match &question.trust {
        ServerTrust::File(file) => {
            let pem = fs::read(file)
                .map_err(|error| CommandError::No(format!("{} cannot be read: {error}", file.display())))?;
            TlsClient::with_ca(&pem).map_err(|error| CommandError::No(format!("{}: {error}", file.display())))?
        }
        ServerTrust::Nothing | ServerTrust::Unknown(_) => TlsClient::with_system_roots(),
    };
    let tls = arguments.trust.apply(tls, |_, pem| TlsClient::with_ca(pem))?;
    let url = question.url.to_string();
    match tokio::time::timeout(arguments.timeout, ask(&tls, question.url)).await {
        Ok(Ok((StatusCode::OK, _))) => Ok(()),
        Ok(Ok((status, text))) => Err(CommandError::No(format!("{url} answered {}: {text}", status.as_u16()))),
        Ok(Err(reason)) => Err(CommandError::No(format!("{url} could not be reached: {reason}"))),
        Err(_) => {
            let seconds = arguments.timeout.as_secs_f64();
            Err(CommandError::No(format!("{url} did not answer within {seconds} s")))
        }
    }
}

/// What is asked, and what must be trusted for it.
#[derive(Debug, PartialEq, Eq)]
struct Question {
    url: Uri,
    trust: ServerTrust,
}

/// The URL of an argument.
fn named(text: &str) -> Result<Uri, CommandError> {
    let unusable = || CommandError::Usage(format!("\"{text}\" is no URL such as \"http://127.0.0.1:3001\""));
    let url: Uri = text.parse().map_err(|_| unusable())?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err(unusable());
    }
    if url.path() != "/" {
        return Ok(url);
    }
    format!("{}{}", text.trim_end_matches('/'), health::READY_PATH).parse().map_err(|_| unusable())
}

/// The page of the configured server, as this machine reaches it.
fn configured(configuration: &Configuration) -> Question {
    let (address, is_encrypted, path) = match &configuration.listen.internal {
        Listener::At(address) => (address, configuration.tls.internal, health::READY_PATH),
        Listener::Off => (&configuration.listen.public, true, health::PATH),
    };
    let certificate = configuration.tls.certificate.as_ref().filter(|_| is_encrypted);
    let ReachableAt { url, trust } = match (local(address), certificate) {
        (Some(address), Some(chain)) => ReachableAt::with_certificate(address, chain.path()),
        (Some(address), None) => ReachableAt::plain(address),
        (None, certificate) => {
            let scheme = if certificate.is_some() { "https" } else { "http" };
            ReachableAt { url: format!("{scheme}://{}", address.as_str()), trust: ServerTrust::Nothing }
        }
    };
    let url = format!("{url}{path}").parse().unwrap_or_else(|_| Uri::from_static("/"));
    Question { url, trust }
}

/// The socket address at which this machine reaches a listener; `None` if it has the name of a host.
fn local(address: &Address) -> Option<SocketAddr> {
    let mut address: SocketAddr = address.as_str().parse().ok()?;
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Some(address)
}

/// Gets a page: its status and its text.
async fn ask(tls: &TlsClient, url: Uri) -> Result<(StatusCode, String), String> {
    let request = http::Request::get(url).body(Full::<Bytes>::default()).map_err(|error| error.to_string())?;
    let answer = https_client(tls).request(request).await.map_err(|error| reason(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
    let body = body.map_err(|error| reason(&*error))?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "expected a time such as 500ms or 5s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_internal_listener_is_asked_or_the_public_one_where_there_is_none() {
        for (listen, url) in [
            ("", "http://127.0.0.1:3001/health/ready"),
            ("internal = \"0.0.0.0:3009\"", "http://127.0.0.1:3009/health/ready"),
            ("internal = \"[::]:3009\"", "http://[::1]:3009/health/ready"),
            ("internal = \"ops.example:3009\"", "http://ops.example:3009/health/ready"),
            ("internal = \"\"\npublic = \"0.0.0.0:80\"", "http://127.0.0.1:80/health"),
        ] {
            let mut configuration = Configuration::default();
            configuration.read_toml("test", &format!("[listen]\n{listen}")).unwrap();
            let trust = ServerTrust::Nothing;
            assert_eq!(configured(&configuration), Question { url: Uri::from_static(url), trust }, "{listen}");
        }
    }

    #[test]
    fn the_readiness_page_belongs_to_urls_without_a_path() {
        for (text, url) in [
            ("http://a:1", "http://a:1/health/ready"),
            ("https://a/", "https://a/health/ready"),
            ("http://a/health", "http://a/health"),
        ] {
            assert_eq!(named(text).unwrap(), Uri::from_static(url), "{text}");
        }
        for text in ["a:1", "ftp://a", "/health", "http://", ""] {
            assert!(named(text).is_err(), "{text}");
        }
    }
}
