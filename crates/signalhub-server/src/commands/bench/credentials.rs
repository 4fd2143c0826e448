//! With what the connections and the publishes of a load test are authorised.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use signalhub::events::Pattern;

use crate::commands::credentials::{TokenArguments, given, key_variable, token_variable};
use crate::commands::error::CommandError;
use crate::commands::publish::is_configured_server;
use crate::commands::sources::Sources;
use crate::configuration::{Configuration, SigningSecret};
use crate::token::{self, TokenContent};

/// How many users the connections are divided among, if their tokens are signed here.
const USERS: u32 = 1000;

#[derive(Debug, Args)]
pub(super) struct CredentialArguments {
    #[command(flatten)]
    token: TokenArguments,
    /// The secret of the server: each connection gets a token of its own
    #[arg(long, conflicts_with_all = ["token", "token_file"], allow_hyphen_values = true)]
    secret: Option<String>,
    /// A file that holds the secret of the server
    #[arg(long, value_name = "FILE", conflicts_with_all = ["secret", "token", "token_file"])]
    secret_file: Option<PathBuf>,
    /// The API key for publishes; else SIGNALHUB_KEY
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    publish_key: Option<String>,
    /// A file that holds the API key for publishes
    #[arg(long, value_name = "FILE", conflicts_with = "publish_key")]
    publish_key_file: Option<PathBuf>,
}

/// What requests carry.
pub(super) struct Credentials {
    pub(super) tokens: Vec<String>,
    pub(super) publish_headers: HeaderMap,
}

impl CredentialArguments {
    /// Reads what is given, else the variables, else what is configured, if the server is the configured one.
    pub(super) fn read(
        &self,
        sources: &Sources,
        url: &str,
        event: &str,
        connections: u32,
        lifetime: Duration,
    ) -> Result<Credentials, CommandError> {
        let key = given(self.publish_key.as_ref(), self.publish_key_file.as_deref())?.or_else(key_variable);
        if let Some(token) = self.token.given()? {
            return Credentials::new(vec![token.clone()], key, Some(token));
        }
        let secret = given(self.secret.as_ref(), self.secret_file.as_deref())?;
        let is_given = secret.is_some();
        if !is_given && let Some(token) = token_variable() {
            return Credentials::new(vec![token.clone()], key, Some(token));
        }
        let mut configuration = sources.configuration()?;
        if let Some(secret) = secret {
            configuration.auth.secret = SigningSecret::new(&secret);
            if configuration.auth.secret.is_none() {
                return Err(CommandError::Usage("--secret: expected at least 32 bytes".to_owned()));
            }
        }
        let is_ours = is_configured_server(url, &configuration);
        let signs = configuration.auth.secret.is_some() && (is_given || is_ours);
        let configured_key = configuration.publish.keys.first().filter(|_| is_ours);
        let key = key.or_else(|| configured_key.map(|key| key.reveal().to_owned()));
        let users = (0..connections.min(USERS)).map(|number| format!("bench-{number}"));
        let signed = |user, publish| sign(&configuration, user, lifetime, publish);
        let tokens = users.filter(|_| signs).map(|user| signed(user, Vec::new())).collect::<Result<_, _>>()?;
        let publishes = (signs && key.is_none()).then(|| event.parse::<Pattern>());
        // An event whose name is not valid is refused by the server, which says more.
        let publisher = publishes.and_then(Result::ok).map(|event| signed("bench".to_owned(), vec![event]));
        Credentials::new(tokens, key, publisher.transpose()?)
    }
}

fn sign(
    configuration: &Configuration,
    user: String,
    lifetime: Duration,
    publish: Vec<Pattern>,
) -> Result<String, CommandError> {
    let content = TokenContent { user, lifetime, organisation: None, grants: Vec::new(), publish };
    token::sign(&configuration.auth, &content).map_err(|error| CommandError::Usage(error.to_string()))
}

impl Credentials {
    /// A key authorises publishes; without one a token does.
    fn new(tokens: Vec<String>, key: Option<String>, token: Option<String>) -> Result<Self, CommandError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let (name, secret) = match (key, token) {
            (Some(key), _) => (HeaderName::from_static("x-api-key"), key),
            (None, Some(token)) => (AUTHORIZATION, format!("Bearer {token}")),
            (None, None) => return Ok(Self { tokens, publish_headers: headers }),
        };
        let value = HeaderValue::from_str(&secret);
        let mut value =
            value.map_err(|_| CommandError::Usage("the credentials cannot stand in a header".to_owned()))?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(Self { tokens, publish_headers: headers })
    }
}
