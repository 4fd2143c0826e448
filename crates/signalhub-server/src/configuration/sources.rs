//! Where configuration comes from: the file, the environment, and flags.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::{fs, io};

use toml::de::{DeTable, DeValue};

use super::key::PREFIX;
use super::{ApiKey, ClientCertificates, Configuration, Given, KEYS, Key, KeyDigest, PublishClient};

/// The variables of the commands that are not keys of the configuration: a bearer token, an API key, and the token of the
/// admin API.
pub(crate) const TOKEN_VARIABLE: &str = "SIGNALHUB_TOKEN";
pub(crate) const KEY_VARIABLE: &str = "SIGNALHUB_KEY";
pub(crate) const ADMIN_TOKEN_VARIABLE: &str = "SIGNALHUB_ADMIN_TOKEN";

/// The minimum length of an API key outside development mode. 20 random letters and digits have 119 bits.
pub(crate) const SHORTEST_KEY: usize = 20;

/// The minimum number of different characters of an API key outside development mode. Almost every random one has more.
const FEWEST_CHARACTERS: usize = 5;

/// The file that is read when none is named, if it exists.
const DEFAULT_FILE: &str = "signalhub.toml";

impl Configuration {
    /// Reads the file, the variables and the flags, each of which wins over those before it.
    ///
    /// # Errors
    /// On a file that cannot be read, and on every key that does not exist or whose value is not what was expected.
    pub fn load(
        file: Option<&Path>,
        variables: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, ConfigurationError> {
        let mut configuration = Self::default();
        let default_file = Path::new(DEFAULT_FILE);
        if let Some(path) = file.or_else(|| default_file.exists().then_some(default_file)) {
            let text = fs::read_to_string(path)
                .map_err(|error| ConfigurationError::Unreadable { path: path.to_owned(), error })?;
            configuration.read_toml(&path.display().to_string(), &text)?;
        }
        for (name, value) in variables {
            if let Some(rest) = name.strip_prefix(PREFIX)
                && ![TOKEN_VARIABLE, KEY_VARIABLE, ADMIN_TOKEN_VARIABLE].contains(&name.as_str())
            {
                let key = rest.to_lowercase().replace("__", ".");
                configuration.set(&key, &Given::Text(&value), |_| Place::Variable(name.clone()))?;
            }
        }
        for (key, value) in flags {
            configuration.set(key, &Given::Text(value), |_| Place::Flag(key.clone()))?;
        }
        configuration.check_keys()?;
        Ok(configuration)
    }

    /// Refuses API keys that could be guessed, outside development mode; clients with a key of `publish.keys`, which has other
    /// rights; and certificates of clients where none is asked for.
    fn check_keys(&self) -> Result<(), ConfigurationError> {
        let (keys, clients) = (&self.publish.keys, &self.publish.clients);
        let of_clients = clients.iter().enumerate().filter_map(|(index, client)| {
            client.key.as_ref().map(|key| (format!("publish.clients[{index}].key"), key))
        });
        let of_accounts = self.smc.accounts.iter().enumerate().filter_map(|(index, account)| {
            account.key.as_ref().map(|key| (format!("dialects.smc.accounts[{index}].key"), key))
        });
        let of_clients = of_clients.chain(of_accounts);
        let named =
            keys.iter().enumerate().map(|(index, key)| (format!("publish.keys[{index}]"), key)).chain(of_clients);
        for (name, key) in named.filter(|_| self.auth.has_keys()) {
            if key.reveal().len() < SHORTEST_KEY {
                return Err(ConfigurationError::ShortKey { key: name });
            }
            if has_few_characters(key) {
                return Err(ConfigurationError::RepetitiveKey { key: name });
            }
        }
        let has_certificate = |client: &PublishClient| client.certificate.is_some();
        if let Some(index) = clients.iter().position(has_certificate)
            && self.tls.client_auth == ClientCertificates::None
        {
            return Err(ConfigurationError::NoClientCertificates { index });
        }
        let digests: Vec<_> = keys.iter().map(|key| KeyDigest::of(key.reveal().as_bytes())).collect();
        let is_shared = |client: &PublishClient| client.key_digest().is_some_and(|digest| digests.contains(&digest));
        match clients.iter().position(is_shared) {
            Some(index) => Err(ConfigurationError::SharedKey { index }),
            None => Ok(()),
        }
    }

    /// Reads a configuration file; `file` is its name in errors.
    ///
    /// # Errors
    /// On text that is not TOML, and on every key that does not exist or whose value is not what was expected.
    pub fn read_toml(&mut self, file: &str, text: &str) -> Result<(), ConfigurationError> {
        let place = |start: usize| Place::Line(file.to_owned(), line(text, start));
        let table = DeTable::parse(text).map_err(|error| ConfigurationError::Syntax {
            place: place(error.span().map_or(0, |span| span.start)),
            // Only the message: with its excerpt of the file, the error could show a secret.
            message: error.message().to_owned(),
        })?;
        for (section, value) in table.get_ref() {
            self.read_section(section.get_ref(), section.span().start, value.get_ref(), &place)?;
        }
        Ok(())
    }

    /// Reads a section with its keys, or one that consists of sections, such as `dialects`.
    fn read_section(
        &mut self,
        section: &str,
        start: usize,
        value: &DeValue<'_>,
        place: &impl Fn(usize) -> Place,
    ) -> Result<(), ConfigurationError> {
        let is_outer = is_outer(section);
        if !is_outer && !KEYS.iter().any(|key| key.section == section) {
            return Err(ConfigurationError::unknown(section, place(start)));
        }
        let DeValue::Table(keys) = value else {
            return Err(ConfigurationError::NoSection { section: section.to_owned(), place: place(start) });
        };
        for (name, value) in keys {
            let (path, start) = (format!("{section}.{}", name.get_ref()), name.span().start);
            if is_outer {
                self.read_section(&path, start, value.get_ref(), place)?;
            } else {
                self.set(&path, &Given::Toml(value.get_ref()), |inside| place(inside.unwrap_or(start)))?;
            }
        }
        Ok(())
    }

    /// Sets a key. `place` tells where the value is, or, in bytes of the file, a part of it.
    fn set(
        &mut self,
        name: &str,
        given: &Given<'_>,
        place: impl Fn(Option<usize>) -> Place,
    ) -> Result<(), ConfigurationError> {
        let Some(key) = find(name) else { return Err(ConfigurationError::unknown(name, place(None))) };
        (key.set)(self, given).map_err(|fault| {
            let (key, place) = (format!("{name}{}", fault.path), place(fault.place));
            ConfigurationError::Value { key, expected: fault.expected, place }
        })?;
        self.places.0.insert(key.path(), place(None));
        Ok(())
    }
}

/// Tells whether a key is a placeholder such as `xxxxxxxxxxxxxxxxxxxx`.
fn has_few_characters(key: &ApiKey) -> bool {
    let mut characters: Vec<u8> = key.reveal().bytes().collect();
    characters.sort_unstable();
    characters.dedup();
    characters.len() < FEWEST_CHARACTERS
}

/// Tells whether a section consists of sections.
fn is_outer(section: &str) -> bool {
    KEYS.iter().any(|key| key.section.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')))
}

fn find(name: &str) -> Option<&'static Key> {
    let (section, name) = name.rsplit_once('.')?;
    KEYS.iter().find(|key| key.section == section && key.name == name)
}

fn line(text: &str, start: usize) -> usize {
    text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of a file.
    Line(String, usize),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(String),
    /// The server itself made the value at its start.
    DevelopmentMode,
}

/// Where keys were set, by their paths, such as `listen.public`. A key that is not in it has its default.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(BTreeMap<String, Place>);

impl Places {
    /// Where a key was set; `None` if it has its default.
    pub(crate) fn of(&self, path: &str) -> Option<&Place> {
        self.0.get(path)
    }

    /// Records that development mode has set a key.
    pub(crate) fn set_by_development_mode(&mut self, path: &str) {
        self.0.insert(path.to_owned(), Place::DevelopmentMode);
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{file}, line {line}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "--set {name}"),
            Self::DevelopmentMode => f.write_str("development mode"),
        }
    }
}

/// Tells why a configuration was refused. It never holds a value, because any value might be a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigurationError {
    /// The file cannot be read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        #[source]
        error: io::Error,
    },
    /// The file is not TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// There is no such key or section.
    #[error("{place}: unknown key \"{key}\": expected {known}")]
    UnknownKey {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// The keys of its section, or the sections.
        known: String,
    },
    /// A value stands where a section was expected.
    #[error("{place}: \"{section}\" is a section: expected [{section}] and keys below it")]
    NoSection {
        /// Where.
        place: Place,
        /// The section.
        section: String,
    },
    /// An API key is short, so it could be guessed.
    #[error(
        "\"{key}\": expected a key of at least {SHORTEST_KEY} characters; shorter ones are for development mode (without auth.secret and auth.issuers)"
    )]
    ShortKey {
        /// The key of the configuration.
        key: String,
    },
    /// An API key repeats a few characters, so it could be guessed.
    #[error("\"{key}\": expected a random key; this one repeats less than {FEWEST_CHARACTERS} different characters")]
    RepetitiveKey {
        /// The key of the configuration.
        key: String,
    },
    /// No client is asked for a certificate.
    #[error("\"publish.clients[{index}].certificate\" needs \"tls.client_auth\", which is not configured")]
    NoClientCertificates {
        /// The place of the client in the list.
        index: usize,
    },
    /// The key of a client may publish everything.
    #[error("\"publish.clients[{index}]\": expected a key that is not in publish.keys, which may publish everything")]
    SharedKey {
        /// The place of the client in the list.
        index: usize,
    },
    /// The value of a key is not what was expected.
    #[error("{place}: \"{key}\": expected {expected}")]
    Value {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// What was expected.
        expected: Cow<'static, str>,
    },
}

impl ConfigurationError {
    fn unknown(key: &str, place: Place) -> Self {
        let section = key.rsplit_once('.').map_or(key, |(section, _)| section);
        let keys: Vec<String> = KEYS
            .iter()
            .filter(|known| known.section == section)
            .map(|known| format!("{}.{}", known.section, known.name))
            .collect();
        let known = if keys.is_empty() {
            let mut sections: Vec<&str> = KEYS.iter().map(|known| known.section).collect();
            sections.dedup();
            format!("a key of the sections {}", sections.join(", "))
        } else {
            keys.join(", ")
        };
        Self::UnknownKey { place, key: key.to_owned(), known }
    }
}
