//! The configuration: every key is defined once, here, and that definition yields the parser, the defaults and the documents.
//!
//! Values come from `signalhub.toml`, then from `SIGNALHUB_<SECTION>__<KEY>`, then from flags; the later one wins.

mod setting;
mod sources;

use std::num::NonZeroUsize;
use std::time::Duration;

pub(crate) use setting::parse_duration;
pub use setting::{Address, ApiKey, ByteSize, DefaultGrants, LogFilter, LogFormat, SigningSecret};
use setting::{Given, Setting};
pub use sources::{ConfigurationError, Place};

/// Defines the sections and keys: a struct for each section, their defaults, and [`KEYS`].
macro_rules! configuration {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {
            $( $(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr; )+
        }
    )+) => {
        /// Holds what an operator can configure.
        #[derive(Clone, Debug, Default)]
        pub struct Configuration {
            $( $(#[doc = $about])+ pub $section: $Section, )+
        }

        $(
            $(#[doc = $about])+
            #[derive(Clone, Debug)]
            pub struct $Section {
                $( $(#[doc = $doc])+ pub $key: $type, )+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $( $key: $default, )+ }
                }
            }
        )+

        /// All keys, in the order of the documents.
        pub const KEYS: &[Key] = &[
            $( $( Key {
                section: stringify!($section),
                name: stringify!($key),
                doc: concat!($($doc),+),
                expected: <$type as Setting>::EXPECTED,
                written: |configuration| Setting::written(&configuration.$section.$key),
                set: |configuration, given| match Setting::parse(given) {
                    Some(value) => {
                        configuration.$section.$key = value;
                        true
                    }
                    None => false,
                },
            }, )+ )+
        ];
    };
}

/// Defines one key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The section it stands in.
    pub section: &'static str,
    /// Its name within the section.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What its values look like.
    pub expected: &'static str,
    written: fn(&Configuration) -> String,
    set: fn(&mut Configuration, &Given<'_>) -> bool,
}

impl Key {
    /// Writes its default as in a configuration file; empty for a key without one.
    pub fn default_text(&self) -> String {
        (self.written)(&Configuration::default())
    }

    /// Names the environment variable that sets it.
    pub fn variable(&self) -> String {
        format!("{}{}__{}", sources::PREFIX, self.section, self.name).to_uppercase()
    }
}

configuration! {
    /// Where the server listens.
    listen: Listen {
        /// The address of the hub and the publish API.
        public: Address = Address::new("127.0.0.1:3000");
    }
    /// Who may connect.
    auth: Auth {
        /// The secret that tokens are signed with (HS256). Without one the server runs in development mode, on this machine only.
        secret: Option<SigningSecret> = None;
        /// The only issuer (`iss`) whose tokens are accepted; any when it is absent.
        issuer: Option<String> = None;
        /// The audience (`aud`) that tokens must be for; any when it is absent.
        audience: Option<String> = None;
        /// The clock difference that the times of a token are forgiven.
        leeway: Duration = Duration::from_secs(30);
        /// The claim that names the user.
        user_claim: String = "sub".to_owned();
        /// The claim that names the organisation.
        organisation_claim: String = "org".to_owned();
        /// What a token without a `grants` claim may subscribe to: `all` events or `none`.
        default_grants: DefaultGrants = DefaultGrants::All;
    }
    /// Limits and times of the hub, named as the original's options.
    hub: HubLimits {
        /// How often a silent connection is pinged.
        keep_alive_interval: Duration = Duration::from_secs(15);
        /// How long a client that has pinged once may be silent.
        client_timeout_interval: Duration = Duration::from_secs(30);
        /// How long a client may take for its handshake.
        handshake_timeout: Duration = Duration::from_secs(15);
        /// The longest message of a client.
        maximum_receive_message_size: ByteSize = ByteSize::kibibytes(32);
        /// How many calls of one client run side by side.
        maximum_parallel_invocations_per_client: NonZeroUsize = NonZeroUsize::MIN;
        /// Whether clients read the texts of internal failures.
        enable_detailed_errors: bool = false;
    }
    /// The publish API.
    publish: Publish {
        /// The API keys that may publish everything.
        keys: Vec<ApiKey> = Vec::new();
        /// The longest body of a request.
        maximum_body_size: ByteSize = ByteSize::kibibytes(1024);
    }
    /// The events beside the two of Portos.
    events: Events {
        /// The names of events whose payload names a resource (`n`) and an action (`a`).
        with_resources: Vec<String> = Vec::new();
        /// The names of events without resources.
        without_resources: Vec<String> = Vec::new();
        /// Whether events that are not declared are taken too.
        allow_unknown: bool = false;
    }
    /// The log, which goes to the standard error stream.
    log: Log {
        /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,signalhub=debug`; `RUST_LOG` wins over it.
        level: LogFilter = LogFilter::info();
        /// How it is written: `text` or `json`.
        format: LogFormat = LogFormat::Text;
    }
}

#[cfg(test)]
mod tests;
