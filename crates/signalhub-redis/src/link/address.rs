//! The address of a Redis server, as operators write it.

use std::fmt;
use std::str::FromStr;

/// The port of Redis.
const PORT: u16 = 6379;

/// The port of its sentinels.
const SENTINEL_PORT: u16 = 26379;

/// The address of one Redis server: `redis://` or `rediss://` (with TLS), with an optional `user:password@`, a host, a port (6379 by
/// default) and the number of a database; or `redis+sentinel://` or `rediss+sentinel://` with the addresses of sentinels, and behind
/// them the name of the primary.
///
/// Its text and its `Debug` form have no user and no password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisAddress {
    tls: Tls,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) place: Place,
    pub(super) database: i64,
}

/// Whether a connection is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tls {
    Off,
    On,
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is at this host and port.
    At(HostPort),
    /// These sentinels know the primary of this name.
    Sentinels { sentinels: Vec<HostPort>, primary: String },
}

/// A host and a port. The host is without brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPort {
    pub(super) host: String,
    pub(super) port: u16,
}

/// A text is not the address of a Redis server. The text is not repeated, because it may contain a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", self.expected())]
#[non_exhaustive]
pub enum RedisAddressError {
    /// The scheme is unknown.
    Scheme,
    /// There is no host, or one that cannot be read.
    Host,
    /// There are several hosts.
    Cluster,
    /// The user or the password cannot be read.
    Credentials,
    /// What follows the host is no database.
    Database,
    /// The name of the primary is missing.
    Primary,
}

impl RedisAddressError {
    /// What was expected instead.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Scheme => "a URL with redis://, rediss://, redis+sentinel:// or rediss+sentinel://",
            Self::Host => "a host and a port in the URL, as in redis://10.0.0.5:6379",
            Self::Cluster => {
                "one server in each URL: Redis Cluster is not supported, because one XREAD cannot read several slots, so list \
                 independent primaries instead"
            }
            Self::Credentials => "a user and a password with percent-encoding in the URL",
            Self::Database => "the number of a database behind the host, as in redis://10.0.0.5:6379/0",
            Self::Primary => {
                "the name of the primary behind the sentinels, as in redis+sentinel://10.0.0.5:26379,10.0.0.6:26379/mymaster"
            }
        }
    }
}

impl RedisAddress {
    /// Whether it has a user or a password.
    #[must_use]
    pub const fn has_credentials(&self) -> bool {
        self.username.is_some() || self.password.is_some()
    }

    /// Whether connections to it are encrypted.
    #[must_use]
    pub const fn is_encrypted(&self) -> bool {
        matches!(self.tls, Tls::On)
    }

    /// Its URL with user and password, for the server itself only.
    #[must_use]
    pub fn reveal(&self) -> String {
        let user = self.username.as_deref().map(encoded).unwrap_or_default();
        let credentials = match &self.password {
            Some(password) => format!("{user}:{}@", encoded(password)),
            None if user.is_empty() => String::new(),
            None => format!("{user}@"),
        };
        self.written(&credentials)
    }

    fn written(&self, credentials: &str) -> String {
        let tls = if self.is_encrypted() { "s" } else { "" };
        let database = if self.database == 0 { String::new() } else { format!("/{}", self.database) };
        match &self.place {
            Place::At(server) => format!("redis{tls}://{credentials}{server}{database}"),
            Place::Sentinels { sentinels, primary } => {
                let sentinels: Vec<_> = sentinels.iter().map(ToString::to_string).collect();
                format!("redis{tls}+sentinel://{credentials}{}/{primary}{database}", sentinels.join(","))
            }
        }
    }
}

impl FromStr for RedisAddress {
    type Err = RedisAddressError;

    fn from_str(text: &str) -> Result<Self, RedisAddressError> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisAddressError::Scheme)?;
        let (tls, is_sentinel) = match scheme.to_ascii_lowercase().as_str() {
            "redis" => (Tls::Off, false),
            "rediss" => (Tls::On, false),
            "redis+sentinel" => (Tls::Off, true),
            "rediss+sentinel" => (Tls::On, true),
            "redis+cluster" | "rediss+cluster" => return Err(RedisAddressError::Cluster),
            _ => return Err(RedisAddressError::Scheme),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (username, password) = match credentials.split_once(':') {
            Some((user, password)) => (decoded(user)?, decoded(password)?),
            None => (decoded(credentials)?, None),
        };
        let (place, database) = if is_sentinel {
            let sentinels =
                hosts.split(',').map(|host| HostPort::read(host, SENTINEL_PORT)).collect::<Result<_, _>>()?;
            let (primary, database) = path.split_once('/').unwrap_or((path, ""));
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            if primary.is_empty() || !primary.bytes().all(is_name) {
                return Err(RedisAddressError::Primary);
            }
            (Place::Sentinels { sentinels, primary: primary.to_owned() }, database)
        } else if hosts.contains(',') {
            return Err(RedisAddressError::Cluster);
        } else {
            (Place::At(HostPort::read(hosts, PORT)?), path)
        };
        let database = match database {
            "" => 0,
            number => number.parse::<u16>().map_err(|_| RedisAddressError::Database)?.into(),
        };
        Ok(Self { tls, username, password, place, database })
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written(""))
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({self})")
    }
}

impl HostPort {
    fn read(text: &str, default: u16) -> Result<Self, RedisAddressError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(RedisAddressError::Host)?;
                host.parse::<std::net::Ipv6Addr>().map_err(|_| RedisAddressError::Host)?;
                match rest {
                    "" => (host, None),
                    _ => (host, Some(rest.strip_prefix(':').ok_or(RedisAddressError::Host)?)),
                }
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        if host.is_empty() || !host.bytes().all(is_host) {
            return Err(RedisAddressError::Host);
        }
        let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| RedisAddressError::Host))?;
        if port == 0 { Err(RedisAddressError::Host) } else { Ok(Self { host: host.to_owned(), port }) }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Undoes percent-encoding; `None` for an empty text.
fn decoded(text: &str) -> Result<Option<String>, RedisAddressError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or(RedisAddressError::Credentials)?);
        rest = &after[2..];
    }
    let text = String::from_utf8(bytes).map_err(|_| RedisAddressError::Credentials)?;
    Ok((!text.is_empty()).then_some(text))
}

fn encoded(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RedisAddress, RedisAddressError> {
        text.parse()
    }

    #[test]
    fn addresses_are_read() {
        let rows = [
            ("redis://10.0.0.5", "redis://10.0.0.5:6379"),
            ("redis://10.0.0.5:7000/", "redis://10.0.0.5:7000"),
            ("rediss://cache.example/3", "rediss://cache.example:6379/3"),
            ("REDIS://localhost:1/0", "redis://localhost:1"),
            ("redis://[fd00::5]:7000", "redis://[fd00::5]:7000"),
            ("redis://[::1]", "redis://[::1]:6379"),
            ("redis+sentinel://a,b:1/main", "redis+sentinel://a:26379,b:1/main"),
            ("rediss+sentinel://u:p@a/main/2", "rediss+sentinel://a:26379/main/2"),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        use RedisAddressError as E;
        let rows = [
            ("", E::Scheme),
            ("10.0.0.5:6379", E::Scheme),
            ("http://10.0.0.5", E::Scheme),
            ("redis://", E::Host),
            ("redis://:6379", E::Host),
            ("redis://a:0", E::Host),
            ("redis://a:b", E::Host),
            ("redis://a b", E::Host),
            ("redis://fd00::5", E::Host),
            ("redis://[fd00::5", E::Host),
            ("redis://a/x", E::Database),
            ("redis://a/0?x=1", E::Database),
            ("redis://a,b", E::Cluster),
            ("redis+cluster://a", E::Cluster),
            ("redis://u:%zz@a", E::Credentials),
            ("redis+sentinel://a", E::Primary),
            ("redis+sentinel://a/", E::Primary),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn user_and_password_are_shown_by_nothing_but_reveal() {
        let address = read("redis://hidden-user:hidden%40%2Fpass@10.0.0.5").unwrap();
        assert_eq!(
            (address.username.as_deref(), address.password.as_deref()),
            (Some("hidden-user"), Some("hidden@/pass"))
        );
        assert!(address.has_credentials());
        for shown in [format!("{address}"), format!("{address:?}")] {
            assert!(!shown.contains("hidden"), "{shown}");
        }
        assert_eq!(address.reveal(), "redis://hidden-user:hidden%40%2Fpass@10.0.0.5:6379");
        assert_eq!(read(&address.reveal()), Ok(address));
        let address = read("redis://:hidden@10.0.0.5").unwrap();
        assert_eq!((address.username.as_deref(), address.password.as_deref()), (None, Some("hidden")));
        assert_eq!(read(&address.reveal()), Ok(address));
        let error = read("redis://hidden:hidden@a:b").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hidden"));
    }
}
