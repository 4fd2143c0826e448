//! The client of the admin API, for the commands of operators.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use signalhub_tls_client::TlsClient;

use crate::commands::credentials::{admin_token_variable, given};
use crate::commands::error::CommandError;
use crate::commands::https_client::{HttpsClient, https_client, reason};
use crate::commands::server_trust::TrustArguments;
use crate::commands::sources::Sources;
use crate::configuration::{Configuration, Listener, SigningSecret};

/// How long an answer may take. The server lists 100 000 connections in much less.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long an answer may be: 1 000 connections take less than 1 MiB.
const LONGEST_ANSWER: usize = 32 * 1024 * 1024;

/// The address of the internal listener, where none is configured.
const DEFAULT_URL: &str = "http://127.0.0.1:3001";

/// Where the admin API is, and with which token it is called.
#[derive(Debug, Args)]
pub(crate) struct AdminArguments {
    /// Where the internal listener of the server is: an http:// or https:// URL; else listen.internal of the configuration
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    trust: TrustArguments,
    /// The token of admin.token; else SIGNALHUB_ADMIN_TOKEN; else, for the server that is configured, admin.token
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    admin_token: Option<String>,
    /// A file that holds the token
    #[arg(long, value_name = "FILE", conflicts_with = "admin_token")]
    admin_token_file: Option<PathBuf>,
}

/// Calls the admin API of one server.
#[derive(Debug)]
pub(crate) struct AdminClient {
    url: String,
    token: Option<HeaderValue>,
    client: HttpsClient,
}

/// Why the admin API did not do what was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("{url} could not be reached: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("the server did not answer within {} s", TIMEOUT.as_secs())]
    TimedOut,
    #[error("refused with {status} ({code}): {detail}{}", hint(*status))]
    Refused { status: u16, code: String, detail: String },
    #[error("the answer with status {status} is not what the admin API answers: {reason}")]
    UnknownAnswer { status: u16, reason: String },
}

impl AdminError {
    /// Tells whether the token is missing or wrong.
    pub(crate) fn is_refusal_of_credentials(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403, .. })
    }
}

impl From<AdminError> for CommandError {
    fn from(error: AdminError) -> Self {
        Self::no(error)
    }
}

/// The members of a problem that are shown.
#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl AdminArguments {
    /// Makes a client with the address and the token of the arguments, else of the environment and the configuration.
    pub(crate) fn client(&self, sources: &Sources) -> Result<AdminClient, CommandError> {
        let given_token = given(self.admin_token.as_ref(), self.admin_token_file.as_deref())?;
        let given_token = given_token.or_else(admin_token_variable);
        let (url, token) = match (&self.url, given_token) {
            (Some(url), Some(token)) => (url.clone(), Some(token)),
            (url, token) => {
                let configuration = sources.configuration()?;
                let url = url.clone().unwrap_or_else(|| configured_url(&configuration));
                let token = token.or_else(|| configured_token(&url, &configuration));
                (url, token)
            }
        };
        let url = url.trim_end_matches('/').to_owned();
        let unusable = || CommandError::Usage(format!("\"{url}\" is no URL of a server, such as \"{DEFAULT_URL}\""));
        let parsed: Uri = url.parse().map_err(|_| unusable())?;
        if !matches!(parsed.scheme_str(), Some("http" | "https")) || parsed.host().is_none_or(str::is_empty) {
            return Err(unusable());
        }
        let tls = self.trust.apply(TlsClient::with_system_roots(), |_, pem| TlsClient::with_ca(pem))?;
        Ok(AdminClient { url, token: token.as_deref().map(header).transpose()?, client: https_client(&tls) })
    }
}

/// The header with a token.
fn header(token: &str) -> Result<HeaderValue, CommandError> {
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| CommandError::Usage("the token cannot stand in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The URL of the internal listener that is configured, as this machine reaches it.
fn configured_url(configuration: &Configuration) -> String {
    let Listener::At(address) = &configuration.listen.internal else { return DEFAULT_URL.to_owned() };
    let scheme = match configuration.tls.internal && configuration.tls.certificate.is_some() {
        true => "https",
        false => "http",
    };
    let port = address.as_str().rsplit(':').next().unwrap_or_default();
    match address.host().trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => format!("{scheme}://127.0.0.1:{port}"),
        _ => format!("{scheme}://{}", address.as_str()),
    }
}

/// The configured token. It is for the configured server and for this machine, and for no other that a URL may name.
fn configured_token(url: &str, configuration: &Configuration) -> Option<String> {
    let parsed: Uri = url.parse().ok()?;
    let host = parsed.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().map_or(host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback());
    let is_configured = url.trim_end_matches('/') == configured_url(configuration);
    let token = configuration.admin.token.as_ref().filter(|_| is_loopback || is_configured);
    token.map(|token| SigningSecret::reveal(token).to_owned())
}

impl AdminClient {
    /// The URL of the server.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Reads what there is at a path, which is that behind `/admin/api/v1/`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, AdminError> {
        self.call(Method::GET, path, query, Bytes::new()).await
    }

    /// Sends JSON to a path.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, AdminError> {
        let body = serde_json::to_vec(body).map_err(|error| self.unreachable(&error))?;
        self.call(Method::POST, path, &[], body.into()).await
    }

    /// Ends what there is at a path.
    pub(crate) async fn delete(&self, path: &str, query: &[(&str, String)]) -> Result<(), AdminError> {
        self.call(Method::DELETE, path, query, Bytes::new()).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Bytes,
    ) -> Result<T, AdminError> {
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", percent_encoded(value))).collect();
        let target = format!("{}/admin/api/v1/{path}?{}", self.url, query.join("&"));
        let request = Request::builder().method(method).uri(target.trim_end_matches('?'));
        let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = self.token.iter().fold(request, |request, token| request.header(AUTHORIZATION, token));
        let request = request.body(Full::new(body)).map_err(|error| self.unreachable(&error))?;
        let answering = async {
            let answer = self.client.request(request).await.map_err(|error| self.unreachable(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), LONGEST_ANSWER).collect().await;
            Ok((status, body.map_err(|error| self.unreachable(&*error))?.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(TIMEOUT, answering).await.map_err(|_| AdminError::TimedOut)??;
        let unknown =
            |error: serde_json::Error| AdminError::UnknownAnswer { status: status.as_u16(), reason: error.to_string() };
        if status.is_success() {
            // An answer without a body is null.
            return serde_json::from_slice(if body.is_empty() { b"null" } else { &body }).map_err(unknown);
        }
        let Problem { code, detail } = serde_json::from_slice(&body).map_err(unknown)?;
        Err(AdminError::Refused { status: status.as_u16(), code, detail })
    }

    fn unreachable(&self, error: &(dyn std::error::Error + 'static)) -> AdminError {
        AdminError::Unreachable { url: self.url.clone(), reason: reason(error) }
    }
}

/// What to do about a refusal with this status.
fn hint(status: u16) -> &'static str {
    match status {
        401 => "; give a valid --admin-token, --admin-token-file or SIGNALHUB_ADMIN_TOKEN",
        421 => "; call the server by a name of admin.hosts, or by an IP address",
        _ => "",
    }
}

/// Writes a text as a part of a path or as a value in a query.
pub(crate) fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configured_token_goes_to_the_configured_server_and_to_this_machine_alone() {
        let mut configuration = Configuration::default();
        let token = "a token of operators with enough bytes";
        let text = format!("[listen]\ninternal = \"ops.example:3001\"\n[admin]\ntoken = \"{token}\"");
        configuration.read_toml("test", &text).unwrap();
        for (url, is_sent) in [
            ("http://ops.example:3001", true),
            ("http://ops.example:3001/", true),
            ("http://localhost:9", true),
            ("http://[::1]:3001", true),
            ("https://ops.example:3001", false),
            ("http://ops.example:3002", false),
            ("http://other.example:3001", false),
            ("http://127.0.0.1@other.example", false),
        ] {
            assert_eq!(configured_token(url, &configuration).is_some(), is_sent, "{url}");
        }
    }

    #[test]
    fn the_url_is_that_of_the_internal_listener() {
        for (address, url) in [
            ("127.0.0.1:3001", "http://127.0.0.1:3001"),
            ("0.0.0.0:3009", "http://127.0.0.1:3009"),
            ("[::]:3009", "http://127.0.0.1:3009"),
            ("ops.example:80", "http://ops.example:80"),
            ("", DEFAULT_URL),
        ] {
            let mut configuration = Configuration::default();
            configuration.read_toml("test", &format!("[listen]\ninternal = \"{address}\"")).unwrap();
            assert_eq!(configured_url(&configuration), url, "{address}");
        }
    }

    #[test]
    fn every_text_can_stand_in_a_query() {
        assert_eq!(percent_encoded("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(percent_encoded("a b&c=<\u{e9}\n"), "a%20b%26c%3D%3C%C3%A9%0A");
    }
}
