//! `Signalhub-Forwarded`: the header with which a node shows that it forwards a request of a client.
//!
//! ```text
//! 1;<node that forwards>;<unix time>;<nonce>;<scheme>;<address of the client>;<mac>
//! ```
//! The mac covers all of that, the node that the request is sent to, its method, its path and its query.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use http::header::{HeaderName, HeaderValue};

use super::counts::ForwardRefusal;
use super::node::NodeName;
use super::secrets::{ClusterSecrets, MAC_LENGTH, Mac, Purpose, SignedMessage};
use super::token::CLOCK_TOLERANCE;
use crate::request::forwarded::Scheme;

/// The name of the header. In the answer it has another meaning: [`ACCEPTED`], or why the header was refused.
pub(crate) const SIGNALHUB_FORWARDED: HeaderName = HeaderName::from_static("signalhub-forwarded");

/// Shows in an answer that it comes from the node that was asked, and not from another program at its address.
pub(crate) const ACCEPTED: HeaderValue = HeaderValue::from_static("accepted");

const VERSION: &str = "1";
const NONCE_LENGTH: usize = 16;

/// Marks a request that another node has forwarded.
#[derive(Clone, Debug)]
pub(crate) struct FromNode(pub(crate) NodeName);

/// The request that a header is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForwardedRequest<'a> {
    /// The node that it is sent to.
    pub(crate) to: &'a NodeName,
    pub(crate) method: &'a Method,
    /// Its path and query.
    pub(crate) target: &'a str,
}

/// What a node says about the client whose request it forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForwardHeader {
    /// The node that forwards.
    pub(crate) from: NodeName,
    pub(crate) client: IpAddr,
    pub(crate) scheme: Scheme,
    /// In whole seconds since 1970.
    time: u64,
    /// Makes each header good for one request.
    nonce: [u8; NONCE_LENGTH],
}

impl ForwardHeader {
    /// Makes the header of a request that is forwarded now.
    pub(crate) fn new(from: NodeName, client: IpAddr, scheme: Scheme, now: SystemTime) -> Self {
        let mut nonce = [0; NONCE_LENGTH];
        getrandom::fill(&mut nonce).expect("the operating system has a random number generator");
        let time = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self { from, client, scheme, time, nonce }
    }

    /// Writes and signs it.
    pub(crate) fn encode(&self, secrets: &ClusterSecrets, request: ForwardedRequest<'_>) -> HeaderValue {
        let content = self.content();
        let mac = URL_SAFE_NO_PAD.encode(secrets.sign(Purpose::Forward, &request.message(&content)));
        HeaderValue::try_from(format!("{content};{mac}")).expect("names, numbers and base64 fit into a header")
    }

    /// Reads a header, and checks that a node has made it now for this request. Returns its mac, too, which no other
    /// header has.
    pub(crate) fn decode(
        secrets: &ClusterSecrets,
        request: ForwardedRequest<'_>,
        value: &HeaderValue,
        now: SystemTime,
    ) -> Result<(Self, Mac), ForwardRefusal> {
        let (header, mac) = value.to_str().ok().and_then(Self::parse).ok_or(ForwardRefusal::Malformed)?;
        if !secrets.verify(Purpose::Forward, &request.message(&header.content()), &mac) {
            return Err(ForwardRefusal::Forged);
        }
        let made = UNIX_EPOCH.checked_add(Duration::from_secs(header.time)).ok_or(ForwardRefusal::Expired)?;
        let apart = now.duration_since(made).unwrap_or_else(|ahead| ahead.duration());
        if apart > CLOCK_TOLERANCE { Err(ForwardRefusal::Expired) } else { Ok((header, mac)) }
    }

    fn content(&self) -> String {
        let Self { from, client, scheme, time, nonce } = self;
        let nonce = URL_SAFE_NO_PAD.encode(nonce);
        format!("{VERSION};{from};{time};{nonce};{};{client}", scheme.name())
    }

    /// Reads a header whose mac is not checked yet. What it reads is written in one way only, by [`content`](Self::content).
    pub(crate) fn parse(text: &str) -> Option<(Self, Mac)> {
        let parts: Vec<_> = text.splitn(8, ';').collect();
        let [VERSION, from, time, nonce, scheme, client, mac] = parts[..] else { return None };
        let header = Self {
            from: NodeName::new(from).ok()?,
            time: time.parse().ok()?,
            nonce: fixed::<NONCE_LENGTH>(nonce)?,
            scheme: Scheme::named(scheme)?,
            client: client.parse().ok()?,
        };
        Some((header, fixed::<MAC_LENGTH>(mac)?))
    }
}

fn fixed<const LENGTH: usize>(text: &str) -> Option<[u8; LENGTH]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

impl ForwardedRequest<'_> {
    fn message(self, content: &str) -> SignedMessage {
        let message = SignedMessage::default().with(content.as_bytes()).with(self.to.as_str().as_bytes());
        message.with(self.method.as_str().as_bytes()).with(self.target.as_bytes())
    }
}

#[cfg(test)]
mod tests;
