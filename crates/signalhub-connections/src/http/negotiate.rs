//! The answer to `POST {path}/negotiate`.

use serde::Serialize;

use crate::auth::ticket::Ticket;
use crate::id::ConnectionNames;
use crate::request::query;
use crate::transport::reconnect::Reconnect;
use crate::transport_kind::{TransportKind, Transports};

/// The highest version that this server supports (negotiate, `negotiateVersion`).
const HIGHEST_VERSION: i32 = 1;

/// The version of a negotiation that client and server support.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NegotiateVersion {
    /// The id of a connection is also its token.
    Zero,
    /// A connection has a public id and a secret token.
    One,
}

/// Why a negotiation failed. The client gets the text in a response with status 200.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NegotiateError {
    #[error("The client requested a non-integer protocol version.")]
    NoInteger,
    #[error("The client requested version '{0}', but the server does not support this version.")]
    TooLow(i32),
}

impl NegotiateVersion {
    /// Chooses the version for a query: the client's, or the server's highest if that is lower. The endpoint's minimum
    /// applies.
    pub(crate) fn choose(query: Option<&str>, minimum: Self) -> Result<Self, NegotiateError> {
        let asked = match query::value(query, "negotiateVersion") {
            Some(text) => integer(&text).ok_or(NegotiateError::NoInteger)?,
            None => 0,
        };
        let minimum_number = match minimum {
            Self::Zero => 0,
            Self::One => 1,
        };
        if asked < minimum_number {
            return Err(NegotiateError::TooLow(asked));
        }
        Ok(if asked.min(HIGHEST_VERSION) == 1 { Self::One } else { Self::Zero })
    }
}

/// Reads an integer as .NET does: with an optional sign, ASCII white space around it, and NULs at the end.
fn integer(text: &str) -> Option<i32> {
    let white = |character: char| matches!(character, '\t'..='\r' | ' ');
    text.trim_end_matches('\0').trim_matches(white).parse().ok()
}

/// Grants stateful reconnect if the endpoint allows it and the query requests it, with one of the spellings of `true`
/// that the original accepts.
pub(crate) fn choose_reconnect(query: Option<&str>, allowed: Reconnect) -> Reconnect {
    let padding = |character: char| character.is_whitespace() || character == '\0';
    let asked = query::value(query, "useStatefulReconnect")
        .is_some_and(|text| text.trim_matches(padding).eq_ignore_ascii_case("true"));
    if asked { allowed } else { Reconnect::Plain }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    use_stateful_reconnect: Option<bool>,
    negotiate_version: u8,
    connection_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_lifetime_seconds: Option<u64>,
    available_transports: Vec<AvailableTransport>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AvailableTransport {
    transport: &'static str,
    transfer_formats: &'static [&'static str],
}

/// Sends the client to another address with another token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Redirection<'a> {
    negotiate_version: u8,
    url: &'a str,
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_lifetime_seconds: Option<u64>,
}

#[derive(Serialize)]
struct Refusal {
    error: String,
}

/// Writes the body of a successful negotiation (negotiate, response). `token_lifetime` is for clients that can refresh their
/// token; it tells them when (aspnetcore#67111).
pub(crate) fn answer(
    version: NegotiateVersion,
    names: &ConnectionNames,
    reconnect: Reconnect,
    token_lifetime: Option<u64>,
    transports: Transports,
) -> Vec<u8> {
    let answer = Answer {
        use_stateful_reconnect: (reconnect == Reconnect::Stateful).then_some(true),
        negotiate_version: (version == NegotiateVersion::One).into(),
        connection_id: names.id.as_str(),
        connection_token: (version == NegotiateVersion::One).then(|| names.token.reveal()),
        token_lifetime_seconds: token_lifetime.filter(|_| version == NegotiateVersion::One),
        available_transports: transports.offered().map(AvailableTransport::from).collect(),
    };
    serde_json::to_vec(&answer).expect("strings and numbers always serialise")
}

/// Writes the body of an answer that gives the client a ticket. There is no `useStatefulReconnect`, which the next negotiation
/// grants, and which a client that did not ask for it refuses. The lifetime is that of the client's own token, which it
/// refreshes at its original address (aspnetcore#67612).
pub(crate) fn redirection(
    version: NegotiateVersion,
    url: &str,
    ticket: &Ticket,
    token_lifetime: Option<u64>,
) -> Vec<u8> {
    let answer = Redirection {
        negotiate_version: (version == NegotiateVersion::One).into(),
        url,
        access_token: ticket.reveal(),
        token_lifetime_seconds: token_lifetime.filter(|_| version == NegotiateVersion::One),
    };
    serde_json::to_vec(&answer).expect("strings and numbers always serialise")
}

/// Writes the body of a failed negotiation.
pub(crate) fn refusal(error: &NegotiateError) -> Vec<u8> {
    serde_json::to_vec(&Refusal { error: error.to_string() }).expect("a string always serialises")
}

impl From<TransportKind> for AvailableTransport {
    fn from(kind: TransportKind) -> Self {
        let transfer_formats: &[&str] = match kind {
            TransportKind::ServerSentEvents => &["Text"],
            TransportKind::WebSockets | TransportKind::LongPolling => &["Text", "Binary"],
        };
        Self { transport: kind.name(), transfer_formats }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_chosen_as_recorded() {
        use NegotiateError::{NoInteger, TooLow};
        use NegotiateVersion::{One, Zero};
        for (query, minimum, expected) in [
            ("", Zero, Ok(Zero)),
            ("", One, Err(TooLow(0))),
            ("negotiateVersion=0", Zero, Ok(Zero)),
            ("negotiateVersion=1", One, Ok(One)),
            ("NEGOTIATEVERSION=7", Zero, Ok(One)),
            ("negotiateVersion=2147483647", Zero, Ok(One)),
            ("negotiateVersion=2147483648", Zero, Err(NoInteger)),
            ("negotiateVersion=%201%20", Zero, Ok(One)),
            ("negotiateVersion=%2B1", Zero, Ok(One)),
            ("negotiateVersion=01", Zero, Ok(One)),
            ("negotiateVersion=1.0", Zero, Err(NoInteger)),
            ("negotiateVersion=", Zero, Err(NoInteger)),
            ("negotiateVersion=abc", Zero, Err(NoInteger)),
            ("negotiateVersion=1&negotiateVersion=1", Zero, Err(NoInteger)),
            ("negotiateVersion=-1", Zero, Err(TooLow(-1))),
            ("negotiateVersion=1%00", Zero, Ok(One)),
            ("negotiateVersion=1%20%00%00", Zero, Ok(One)),
            ("negotiateVersion=1%00%20", Zero, Err(NoInteger)),
            ("negotiateVersion=%001", Zero, Err(NoInteger)),
            ("negotiateVersion=%0A%0b1%0c", Zero, Ok(One)),
            ("negotiateVersion=%C2%A01", Zero, Err(NoInteger)),
            ("negotiateVersion=1&negotiateVersion=", Zero, Ok(One)),
            ("negotiateVersion&negotiateVersion=1", Zero, Ok(One)),
            ("negotiateVersion&negotiateVersion=", Zero, Err(NoInteger)),
        ] {
            assert_eq!(NegotiateVersion::choose(Some(query), minimum), expected, "{query}");
        }
    }

    #[test]
    fn stateful_reconnect_is_granted_if_asked_for_and_allowed() {
        use Reconnect::{Plain, Stateful};
        for (query, allowed, expected) in [
            ("useStatefulReconnect=true", Stateful, Stateful),
            ("useStatefulReconnect=true", Plain, Plain),
            ("USEstatefulRECONNECT=%20True%20", Stateful, Stateful),
            ("useStatefulReconnect=%00true%00%20", Stateful, Stateful),
            ("useStatefulReconnect=%E2%80%83true%C2%A0", Stateful, Stateful),
            ("useStatefulReconnect=&useStatefulReconnect=true", Stateful, Stateful),
            ("useStatefulReconnect=tr%00ue", Stateful, Plain),
            ("useStatefulReconnect=1", Stateful, Plain),
            ("useStatefulReconnect=false", Stateful, Plain),
            ("useStatefulReconnect=true&useStatefulReconnect=true", Stateful, Plain),
            ("", Stateful, Plain),
        ] {
            assert_eq!(choose_reconnect(Some(query), allowed), expected, "{query}");
        }
    }
}
