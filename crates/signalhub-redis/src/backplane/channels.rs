//! The names of the channels in Redis (Microsoft.AspNetCore.SignalR.StackExchangeRedis, `RedisChannels`).

use std::sync::Arc;

use signalhub::backplane::{Channel, ReturnAddress, ServerName};
use signalhub_connections::ConnectionId;

/// Names the channels of one hub.
///
/// | channel | name |
/// |---|---|
/// | all clients | `H:all` |
/// | a group | `H:group:<group>` |
/// | a user without an organisation | `H:user:<user>` |
/// | a user of an organisation | `H:organisation:<bytes of the organisation's name>:<organisation>:<user>` |
/// | a connection | `H:connection:<connection id>` |
/// | group commands, their acks, answers of clients | `H:internal:groups`, `H:internal:ack:<server>`, `H:internal:return:<server>` |
///
/// `H` is the name of the hub, in ASP.NET Core the full name of its class. The prefix stands in front of each name in Redis, and
/// never in a message. Names go in as they are, without escapes. The original has no organisations: no name that it makes
/// begins with `H:organisation:`, and the length keeps two organisations apart whatever their names contain.
#[derive(Clone, Debug)]
pub struct Names {
    prefix: String,
    hub: String,
}

impl Names {
    /// Names the channels of a hub, with a prefix that may be empty.
    pub fn new(prefix: impl Into<String>, hub: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), hub: hub.into() }
    }

    /// The return address of a server, without the prefix.
    #[must_use]
    pub fn return_address(&self, server: &ServerName) -> ReturnAddress {
        ReturnAddress::new(format!("{}:internal:return:{server}", self.hub))
    }

    /// The name of a channel in Redis.
    #[must_use]
    pub fn name(&self, channel: &Channel) -> String {
        let Self { prefix, hub } = self;
        match channel {
            Channel::All => format!("{prefix}{hub}:all"),
            Channel::Group(group) => format!("{prefix}{hub}:group:{group}"),
            Channel::User { organisation: None, name } => format!("{prefix}{hub}:user:{name}"),
            Channel::User { organisation: Some(organisation), name } => {
                format!("{prefix}{hub}:organisation:{}:{organisation}:{name}", organisation.len())
            }
            Channel::Connection(id) => format!("{prefix}{hub}:connection:{}", id.as_str()),
            Channel::GroupCommands => format!("{prefix}{hub}:internal:groups"),
            Channel::Acks(server) => format!("{prefix}{hub}:internal:ack:{server}"),
            // Other servers choose their own address: it is used as it is.
            Channel::Completions(address) => format!("{prefix}{address}"),
        }
    }

    /// The channel of a name in Redis; `None` if it is none of this hub.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<Channel> {
        let address = name.strip_prefix(&*self.prefix)?;
        let (kind, rest) = address.strip_prefix(&*self.hub)?.strip_prefix(':').map(split)?;
        Some(match (kind, rest) {
            ("all", None) => Channel::All,
            ("group", Some(group)) => Channel::Group(group.into()),
            ("user", Some(user)) => Channel::User { organisation: None, name: user.into() },
            ("organisation", Some(rest)) => {
                let (len, rest) = rest.split_once(':')?;
                let (organisation, name) = rest.split_at_checked(len.parse().ok()?)?;
                let name = name.strip_prefix(':')?;
                Channel::User { organisation: Some(Arc::from(organisation)), name: name.into() }
            }
            ("connection", Some(id)) => Channel::Connection(ConnectionId::new(id)),
            ("internal", Some(rest)) => match split(rest) {
                ("groups", None) => Channel::GroupCommands,
                ("ack", Some(server)) => Channel::Acks(ServerName::new(server)),
                ("return", Some(_)) => Channel::Completions(ReturnAddress::new(address)),
                _ => return None,
            },
            _ => return None,
        })
    }
}

/// Splits a name at its first colon.
fn split(name: &str) -> (&str, Option<&str>) {
    name.split_once(':').map_or((name, None), |(kind, rest)| (kind, Some(rest)))
}

#[cfg(test)]
mod tests;
