//! Development mode: what the server does when no key is configured.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use signalhub_tls_client::TlsProblem;

use crate::configuration::DEFAULT_URL;
use crate::configuration::{Address, ApiKey, Configuration, Listener, SigningSecret};
use crate::node::{HUB_PATH, StartError};
use crate::reachable_at::{ReachableAt, ServerTrust};
use crate::token::{self, SignError, TokenContent};

/// How long the printed token is valid: a working day.
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The user of the printed token.
const USER: &str = "developer";

/// The payload of the printed examples (Portos, ResourceChangedNotificationPayload).
const PAYLOAD: &str = concat!(
    r#"{"u":{"u":"999","d":"BackOffice","f":null},"n":"tickets","a":1,"#,
    r#""i":{"i":"573f4511088c772684a738f8","n":"tickets","v":7},"r":[{"state":"open"}]}"#
);

/// The keys and the token that development mode generated for this start.
#[derive(Debug)]
pub struct Development {
    key: ApiKey,
    token: String,
    admin_token: SigningSecret,
    has_console: bool,
}

/// Tells why development mode was not entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DevelopmentError {
    /// The configured address is not for this mode.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The operating system gave no random bytes.
    #[error("no random key could be made: {0}")]
    Random(#[from] getrandom::Error),
    /// No token could be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Development {
    /// Completes a configuration that has no key with random ones; `None` when it has one.
    ///
    /// # Errors
    /// When the configured address can be reached from another machine.
    pub async fn begin(configuration: &mut Configuration) -> Result<Option<Self>, DevelopmentError> {
        if configuration.auth.has_keys() {
            return Ok(None);
        }
        listen_on_loopback(configuration).await?;
        // A page that a developer serves on this machine, or opens from a tool that does, works at once.
        configuration.cors.allow_loopback = true;
        configuration.places.set_by_development_mode("cors.allow_loopback");
        // A page of another site whose name resolves to this machine (DNS rebinding) is not allowed by these.
        configuration.listen.check_hosts = true;
        configuration.places.set_by_development_mode("listen.check_hosts");
        configuration.auth.secret = SigningSecret::new(random::<32>()?);
        configuration.places.set_by_development_mode("auth.secret");
        let made = ApiKey::new(random::<16>()?);
        let key = configuration.publish.keys.first().cloned().or(made).ok_or(getrandom::Error::UNEXPECTED)?;
        if configuration.publish.keys.is_empty() {
            configuration.publish.keys.push(key.clone());
            configuration.places.set_by_development_mode("publish.keys");
        }
        let made = SigningSecret::new(random::<32>()?);
        let admin_token = configuration.admin.token.clone().or(made).ok_or(getrandom::Error::UNEXPECTED)?;
        if configuration.admin.token.is_none() {
            configuration.admin.token = Some(admin_token.clone());
            configuration.places.set_by_development_mode("admin.token");
        }
        if configuration.places.of("admin.show_payloads").is_none() {
            configuration.admin.show_payloads = true;
            configuration.places.set_by_development_mode("admin.show_payloads");
        }
        let content = TokenContent {
            user: USER.to_owned(),
            lifetime: TOKEN_LIFETIME,
            organisation: None,
            grants: Vec::new(),
            publish: Vec::new(),
        };
        let token = token::sign(&configuration.auth, &content)?;
        Ok(Some(Self { key, token, admin_token, has_console: configuration.admin.console }))
    }

    /// Writes how to reach the hub, the publish API and the internal listener, with lines that work as pasted; `program` is how
    /// the reader calls this program.
    ///
    /// # Errors
    /// When `out` cannot be written to.
    pub fn announce(
        &self,
        hub: &ReachableAt,
        publish: &ReachableAt,
        internal: Option<&ReachableAt>,
        program: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let (token, key) = (&self.token, self.key.reveal());
        let (program, key) = (shell_word(program), shell_word(key));
        // The commands use this URL by default.
        let options = |at: &ReachableAt| {
            let url = if at.url == DEFAULT_URL { String::new() } else { format!(" --url {}", at.url) };
            url + &trusting(&at.trust, "--ca")
        };
        let (listen_options, publish_options) = (options(hub), options(publish));
        let hours = TOKEN_LIFETIME.as_secs() / 3600;
        writeln!(out, "signalhub {} in development mode: for this machine only,", env!("CARGO_PKG_VERSION"))?;
        writeln!(out, "with keys that were made at this start and end with it.\n")?;
        writeln!(out, "Hub      {}{HUB_PATH}", hub.url)?;
        writeln!(out, "Token    {token}")?;
        writeln!(out, "         (user \"{USER}\", valid for {hours} hours)")?;
        if let Some(internal) = internal {
            writeln!(out, "Admin    {}", self.admin_token.reveal())?;
            writeln!(out, "         (the token of {}/admin/api/v1)", internal.url)?;
            if self.has_console {
                writeln!(out, "Console  {}/", internal.url)?;
            }
        }
        writeln!(out)?;
        writeln!(out, "Listen, in another terminal:\n")?;
        writeln!(
            out,
            "{program} listen portos.resources.changed --resource tickets{listen_options} --token {token}\n"
        )?;
        writeln!(out, "Publish, in a third one:\n")?;
        writeln!(
            out,
            "{program} publish portos.resources.changed{publish_options} --key {key} --payload '{PAYLOAD}'\n"
        )?;
        writeln!(out, "Or with any HTTP client:\n")?;
        writeln!(
            out,
            "curl{} {}{} -H 'Content-Type: application/json' -H X-API-Key:{key} -d '{{\"e\":\"portos.resources.changed\",\"p\":{PAYLOAD}}}'\n",
            trusting(&publish.trust, "--cacert"),
            publish.url,
            crate::http_api::publish::PATH
        )?;
        match &publish.trust {
            ServerTrust::Nothing | ServerTrust::File(_) => {}
            ServerTrust::Unknown(TlsProblem::UnknownIssuer) => writeln!(
                out,
                "The certificate is not from an authority that this machine trusts. Add --ca FILE to the first two lines and\n\
                 --cacert FILE to the last one; the file has the certificate of the authority.\n"
            )?,
            ServerTrust::Unknown(problem) => writeln!(out, "These lines do not work: {problem}.\n")?,
        }
        out.flush()
    }
}

/// What to add to a command so that it trusts the server, with the option that names a file.
fn trusting(trust: &ServerTrust, option: &str) -> String {
    match trust {
        ServerTrust::File(file) => format!(" {option} {}", shell_word(&file.display().to_string())),
        ServerTrust::Nothing | ServerTrust::Unknown(_) => String::new(),
    }
}

/// Makes all listeners those of an address that only this machine can reach.
async fn listen_on_loopback(configuration: &mut Configuration) -> Result<(), StartError> {
    // The checked address is the one to listen on: a name could resolve to another one the next time.
    let failed = |address, error| StartError::Listen { address, error };
    let address = loopback("listen.public", &configuration.listen.public, failed).await?;
    configuration.listen.public = Address::new(address.to_string());
    if let Listener::At(internal) = &configuration.listen.internal {
        let failed = |address, error| StartError::ListenInternally { address, error };
        let address = loopback("listen.internal", internal, failed).await?;
        configuration.listen.internal = Listener::At(Address::new(address.to_string()));
    }
    if let Listener::At(publish) = &configuration.publish.listen {
        let failed = |address, error| StartError::ListenForPublishers { address, error };
        let address = loopback("publish.listen", publish, failed).await?;
        configuration.publish.listen = Listener::At(Address::new(address.to_string()));
    }
    for (name, key, listener) in [
        ("printfactory", "dialects.printfactory.listen", &mut configuration.printfactory.listen),
        ("smc", "dialects.smc.listen", &mut configuration.smc.listen),
    ] {
        if let Listener::At(address) = listener {
            let failed = |address, error| StartError::ListenForDialect { name, address, error };
            let address = loopback(key, address, failed).await?;
            *listener = Listener::At(Address::new(address.to_string()));
        }
    }
    Ok(())
}

/// Resolves an address that only this machine can reach.
async fn loopback(
    key: &'static str,
    address: &Address,
    failed: impl Fn(String, io::Error) -> StartError,
) -> Result<SocketAddr, StartError> {
    let address = address.as_str();
    let resolved = tokio::net::lookup_host(address).await;
    let resolved: Vec<SocketAddr> = resolved.map_err(|error| failed(address.to_owned(), error))?.collect();
    if !resolved.iter().all(|address| address.ip().is_loopback()) {
        return Err(StartError::BeyondLoopback { key, address: address.to_owned() });
    }
    // Localhost has an IPv4 and an IPv6 address. Every client tries this one.
    let first = resolved.iter().find(|address| address.is_ipv4()).or(resolved.first());
    first.copied().ok_or_else(|| {
        failed(address.to_owned(), io::Error::new(io::ErrorKind::InvalidInput, "the address names no host"))
    })
}

/// Makes random bytes as hexadecimal digits, which need no quoting in a shell, a header or a command line.
fn random<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Quotes a word for the shell where it needs that.
fn shell_word(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:=@".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
