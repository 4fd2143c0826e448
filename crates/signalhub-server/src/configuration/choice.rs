//! Values that are one of a few words.

use super::setting::{Given, Setting, quoted};

/// Defines a choice between words.
macro_rules! choice {
    ($(#[doc = $doc:literal])+ $name:ident, $expected:literal, { $( $(#[doc = $about:literal])+ $variant:ident = $word:literal, )+ }) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $( $(#[doc = $about])+ $variant, )+
        }

        impl Setting for $name {
            const EXPECTED: &'static str = $expected;

            fn parse(given: &Given<'_>) -> Option<Self> {
                match given.text()? {
                    $( $word => Some(Self::$variant), )+
                    _ => None,
                }
            }

            fn written(&self) -> String {
                match self {
                    $( Self::$variant => quoted($word), )+
                }
            }
        }
    };
}

choice! {
    /// What a token without grants may see.
    DefaultGrants, "\"all\" or \"none\"", {
        /// Every event.
        All = "all",
        /// No event.
        None = "none",
    }
}

choice! {
    /// Where events are kept for clients that were away.
    HistoryStore, "\"off\", \"memory\" or \"disk\"", {
        /// Nowhere.
        Off = "off",
        /// In memory.
        Memory = "memory",
        /// On disk.
        Disk = "disk",
    }
}

choice! {
    /// Which clients get a ticket in place of their token.
    TicketClients, "\"browsers\", \"all\" or \"off\"", {
        /// Web pages.
        Browsers = "browsers",
        /// All clients.
        All = "all",
        /// None.
        Off = "off",
    }
}

choice! {
    /// In which headers proxies say where a request comes from.
    ForwardedHeader, "\"x-forwarded\" or \"forwarded\"", {
        /// `X-Forwarded-For`, `-Proto` and `-Host`.
        XForwarded = "x-forwarded",
        /// `Forwarded` (RFC 7239).
        Forwarded = "forwarded",
    }
}

choice! {
    /// The oldest version of TLS that is accepted.
    MinimumTlsVersion, "\"1.2\" or \"1.3\"", {
        /// TLS 1.2.
        Tls12 = "1.2",
        /// TLS 1.3.
        Tls13 = "1.3",
    }
}

choice! {
    /// What happens when an organisation that has a connection opens another one.
    SecondConnection, "\"replace\" or \"refuse\"", {
        /// The old one is closed.
        Replace = "replace",
        /// The new one is refused.
        Refuse = "refuse",
    }
}

choice! {
    /// Whether publishers are asked for a certificate.
    ClientCertificates, "\"none\", \"optional\" or \"required\"", {
        /// They are not asked.
        None = "none",
        /// They may have one.
        Optional = "optional",
        /// Without one there is no connection.
        Required = "required",
    }
}

choice! {
    /// How the log is written.
    LogFormat, "\"text\" or \"json\"", {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}
