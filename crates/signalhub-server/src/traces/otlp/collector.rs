//! How spans get to a collector: as OTLP over HTTP, with the client that fetches keys, too.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::trace::SpanExporter as _;

use super::super::TracesError;
use super::settings::Settings;

/// How much of an answer is read: a collector says which spans it has refused.
const LONGEST_ANSWER: usize = 64 * 1024;

/// Makes what encodes and sends spans.
pub(super) fn exporter(settings: &Settings) -> Result<SpanExporter, TracesError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config((*settings.tls.config()).clone())
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    let client =
        CollectorClient { client: Client::builder(TokioExecutor::new()).build(connector), timeout: settings.timeout };
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
    let mut exporter = exporter.map_err(|error| TracesError::Exporter(error.to_string()))?;
    exporter.set_resource(&settings.resource);
    Ok(exporter)
}

struct CollectorClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl CollectorClient {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = self.client.request(request.map(Full::new)).await?.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

impl fmt::Debug for CollectorClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectorClient").finish_non_exhaustive()
    }
}

impl HttpClient for CollectorClient {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move { tokio::time::timeout(self.timeout, self.send(request)).await? })
    }
}
