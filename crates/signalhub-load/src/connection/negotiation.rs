//! Where a connection goes: the negotiation, and the redirects that it may answer with (TransportProtocols, negotiate).

use bytes::Bytes;
use serde::Deserialize;
use signalhub_protocol::TransferFormat;

use super::{ConnectionError, Hub};
use crate::http;
use crate::plan::Transport;

/// How many redirects are followed, as the official clients do.
const REDIRECTS: usize = 100;

/// Where a connection goes, and with which token.
pub(super) struct Address {
    pub(super) url: String,
    pub(super) token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    error: Option<String>,
    url: Option<String>,
    access_token: Option<String>,
    connection_token: Option<String>,
    connection_id: Option<String>,
    #[serde(default)]
    available_transports: Vec<Available>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Available {
    transport: String,
    transfer_formats: Vec<String>,
}

/// Negotiates, unless the transport does without it.
pub(super) async fn negotiate(hub: &Hub, token: Option<&str>) -> Result<Address, ConnectionError> {
    let mut url = hub.url.clone();
    let mut token = token.map(str::to_owned);
    if hub.transport == Transport::WebSocketsAlone {
        return Ok(Address { url, token });
    }
    for _ in 0..REDIRECTS {
        let headers = http::authorization(token.as_deref())?;
        let negotiate = with_query(&with_path(&url, "/negotiate"), "negotiateVersion=1");
        let body = hub.http.post(&negotiate, &headers, Bytes::new(), super::CONNECT_TIMEOUT).await?;
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| ConnectionError::Negotiation("the answer is none of a SignalR server".to_owned()))?;
        if let Some(error) = answer.error {
            return Err(ConnectionError::Negotiation(error));
        }
        if let Some(elsewhere) = answer.url {
            (url, token) = (elsewhere, answer.access_token.or(token));
            continue;
        }
        if !offers(&answer.available_transports, hub) {
            return Err(ConnectionError::TransportMissing);
        }
        let id = answer.connection_token.or(answer.connection_id).unwrap_or_default();
        return Ok(Address { url: with_query(&url, &format!("id={id}")), token });
    }
    Err(ConnectionError::Negotiation(format!("there were more than {REDIRECTS} redirects")))
}

fn offers(available: &[Available], hub: &Hub) -> bool {
    let name = match hub.transport {
        Transport::WebSockets | Transport::WebSocketsAlone => "WebSockets",
        Transport::ServerSentEvents => "ServerSentEvents",
        Transport::LongPolling => "LongPolling",
    };
    let format = match hub.protocol.transfer_format() {
        TransferFormat::Text => "Text",
        TransferFormat::Binary => "Binary",
    };
    let fits = |offer: &Available| offer.transport == name && offer.transfer_formats.iter().any(|has| has == format);
    available.iter().any(fits)
}

/// Adds to the path of a URL, in front of its query.
fn with_path(url: &str, more: &str) -> String {
    match url.split_once('?') {
        Some((path, query)) => format!("{}{more}?{query}", path.trim_end_matches('/')),
        None => format!("{}{more}", url.trim_end_matches('/')),
    }
}

/// Adds to the query of a URL.
fn with_query(url: &str, more: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_keep_their_queries() {
        assert_eq!(with_query(&with_path("http://h/hub/?a=b", "/negotiate"), "c=d"), "http://h/hub/negotiate?a=b&c=d");
        assert_eq!(with_query(&with_path("http://h/hub", "/negotiate"), "c=d"), "http://h/hub/negotiate?c=d");
    }
}
