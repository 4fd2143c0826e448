//! Values of the section `cluster`.

use std::fmt;

use signalhub::connections::{NodeAddress, NodeName};
use signalhub_redis::link::address::{RedisAddress, RedisAddressError};

use super::setting::{Fault, Given, Setting, quoted};

/// The URL of a Redis server. Neither `Debug` nor an error shows its user and its password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisUrl(RedisAddress);

impl RedisUrl {
    /// The address that it stands for.
    pub fn address(&self) -> &RedisAddress {
        &self.0
    }
}

impl Setting for RedisUrl {
    const EXPECTED: &'static str = "a URL such as \"redis://10.0.0.5:6379\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok().map(Self)
    }

    fn written(&self) -> String {
        quoted(&self.0.to_string())
    }
}

/// The URLs of the Redis servers. In a variable or a flag they are separated by spaces, because those with sentinels contain commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisUrls(pub Vec<RedisUrl>);

impl RedisUrls {
    /// Whether there is a cluster.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Setting for RedisUrls {
    const EXPECTED: &'static str = "a list of URLs such as [\"redis://10.0.0.5:6379\"], or \"redis://10.0.0.5:6379\" with spaces between several outside of the file";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::read(given).ok()
    }

    fn read(given: &Given<'_>) -> Result<Self, Fault> {
        let texts: Vec<&str> = match given {
            Given::Text(text) => text.split_ascii_whitespace().collect(),
            _ => {
                let items = given.list().ok_or(Fault::here(Self::EXPECTED))?;
                items.iter().map(Given::text).collect::<Option<_>>().ok_or(Fault::here(Self::EXPECTED))?
            }
        };
        let read = |text: &str| match text.parse() {
            Ok(address) => Ok(RedisUrl(address)),
            // Its texts are about the form of the URL and repeat nothing of it.
            Err(error) => Err(Fault::here(RedisAddressError::expected(error))),
        };
        texts.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn written(&self) -> String {
        self.0.written()
    }
}

/// The name of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterNodeName(NodeName);

impl ClusterNodeName {
    /// The name.
    pub fn name(&self) -> &NodeName {
        &self.0
    }
}

impl Setting for ClusterNodeName {
    const EXPECTED: &'static str = "a name of 1 to 64 letters, digits, \".\", \"-\" and \"_\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        NodeName::new(given.text()?).ok().map(Self)
    }

    fn written(&self) -> String {
        quoted(self.0.as_str())
    }
}

/// The address at which other nodes reach a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertisedAddress(NodeAddress);

impl AdvertisedAddress {
    /// The address.
    pub fn address(&self) -> &NodeAddress {
        &self.0
    }
}

impl Setting for AdvertisedAddress {
    const EXPECTED: &'static str = "a host and a port such as \"10.0.0.7:3002\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        NodeAddress::new(given.text()?).ok().map(Self)
    }

    fn written(&self) -> String {
        quoted(self.0.as_str())
    }
}

/// What names of keys and channels in Redis begin with. It may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPrefix(String);

impl KeyPrefix {
    /// Wraps a prefix that is known to be good.
    pub(super) fn new(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }

    /// The prefix as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Setting for KeyPrefix {
    const EXPECTED: &'static str = "at most 128 visible ASCII characters";

    fn parse(given: &Given<'_>) -> Option<Self> {
        let text = given.text()?;
        (text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self::new(text))
    }

    fn written(&self) -> String {
        quoted(&self.0)
    }
}
