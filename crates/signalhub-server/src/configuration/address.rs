//! Addresses of listeners, origins of pages, names of hosts, and proxies.

use signalhub::connections::{Hosts, Origins, Tickets, TrustedProxies};

use super::setting::{Given, Setting, quoted};

/// A host, or the number of one, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Wraps an address that is known to be good.
    pub fn new(address: impl Into<String>) -> Self {
        Self(address.into())
    }

    /// Returns it as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns it without its port.
    pub(crate) fn host(&self) -> &str {
        self.0.rsplit_once(':').map_or(&self.0, |(host, _)| host)
    }
}

impl Setting for Address {
    const EXPECTED: &'static str = "a host and a port such as \"127.0.0.1:3000\" or \"[::]:3000\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        let text = given.text()?;
        let (host, port) = text.rsplit_once(':')?;
        let bare_v6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        (!host.is_empty() && !bare_v6 && port.parse::<u16>().is_ok()).then(|| Self(text.to_owned()))
    }

    fn written(&self) -> String {
        quoted(&self.0)
    }
}

/// Whether and where a listener is that can be turned off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listener {
    /// There is none.
    Off,
    /// It is at this address.
    At(Address),
}

impl Setting for Listener {
    const EXPECTED: &'static str = "a host and a port such as \"127.0.0.1:3001\", or \"\" for none";

    fn parse(given: &Given<'_>) -> Option<Self> {
        match given.text()? {
            "" => Some(Self::Off),
            _ => Address::parse(given).map(Self::At),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Off => quoted(""),
            Self::At(address) => address.written(),
        }
    }
}

/// The origin of web pages: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(String);

impl WebOrigin {
    /// Wraps an origin; `None` when the text is none.
    pub fn new(origin: impl Into<String>) -> Option<Self> {
        let origin = origin.into();
        Origins::same().allow(&origin).is_ok().then_some(Self(origin))
    }

    /// Adds it to those that are allowed.
    pub(crate) fn allowed_by(&self, origins: Origins) -> Origins {
        origins.allow(&self.0).expect("the text was checked when this was made")
    }
}

impl Setting for WebOrigin {
    const EXPECTED: &'static str =
        "an origin such as \"https://app.example.com\" or \"capacitor://localhost\", or \"null\"";
    const EXPECTED_LIST: &'static str = "a list of origins such as [\"https://app.example.com\"]";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::new(given.text()?)
    }

    fn written(&self) -> String {
        quoted(&self.0)
    }
}

/// The address under which clients reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// Wraps an address; `None` when the text is none.
    pub fn new(url: impl Into<String>) -> Option<Self> {
        let url = url.into();
        Tickets::for_all().public_url(&url).is_ok().then_some(Self(url))
    }

    /// Returns it as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Makes it the one that tickets are for.
    pub(crate) fn used_by(&self, tickets: Tickets) -> Tickets {
        tickets.public_url(&self.0).expect("the text was checked when this was made")
    }
}

impl Setting for PublicUrl {
    const EXPECTED: &'static str =
        "a URL with http or https, a host and an optional path, such as \"https://example.com/realtime\"";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::new(given.text()?)
    }

    fn written(&self) -> String {
        quoted(&self.0)
    }
}

/// The name of a host that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

impl HostName {
    /// Wraps a name; `None` when the text is none.
    pub fn new(name: impl Into<String>) -> Option<Self> {
        let name = name.into();
        Hosts::local().allow(&name).is_ok().then_some(Self(name))
    }

    /// Adds it to those that are served.
    pub(crate) fn served_by(&self, hosts: Hosts) -> Hosts {
        hosts.allow(&self.0).expect("the text was checked when this was made")
    }
}

impl Setting for HostName {
    const EXPECTED: &'static str = "a name without a port such as \"signalhub.internal\"";
    const EXPECTED_LIST: &'static str = "a list of names without ports such as [\"signalhub.internal\"]";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::new(given.text()?)
    }

    fn written(&self) -> String {
        quoted(&self.0)
    }
}

/// The address or the network of a reverse proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy(String);

impl Proxy {
    /// Wraps an address or a network; `None` when the text is neither.
    pub fn new(proxy: impl Into<String>) -> Option<Self> {
        let proxy = proxy.into();
        TrustedProxies::none().trust(&proxy).is_ok().then_some(Self(proxy))
    }

    /// Adds it to those that are trusted.
    pub(crate) fn trusted_by(&self, proxies: TrustedProxies) -> TrustedProxies {
        proxies.trust(&self.0).expect("the text was checked when this was made")
    }
}

impl Setting for Proxy {
    const EXPECTED: &'static str = "an address or a network such as \"10.0.0.0/8\"";
    const EXPECTED_LIST: &'static str = "a list of addresses or networks such as [\"127.0.0.1\", \"10.0.0.0/8\"]";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::new(given.text()?)
    }

    fn written(&self) -> String {
        quoted(&self.0)
    }
}
