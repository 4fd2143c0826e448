//! The HTTP client of commands that ask a server.

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use signalhub_tls_client::{TlsClient, TlsProblem};

use crate::commands::server_trust::CA_HINT;

/// A client of servers at `http` and `https` URLs.
pub(crate) type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Makes a client that trusts what `tls` trusts.
pub(crate) fn https_client(tls: &TlsClient) -> HttpsClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new().with_tls_config((*tls.config()).clone());
    let connector = connector.https_or_http().enable_http1().wrap_connector(tcp);
    Client::builder(TokioExecutor::new()).build(connector)
}

/// Why a server could not be asked, for people.
pub(crate) fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    match TlsProblem::of(error) {
        Some(problem @ TlsProblem::UnknownIssuer) => format!("{problem}{CA_HINT}"),
        Some(problem) => problem.to_string(),
        None => innermost(error).to_string(),
    }
}

/// The innermost cause, which has the useful message.
fn innermost<'a>(mut error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}
