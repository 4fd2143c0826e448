//! Forwards a request to the node of the cluster that owns its connection, and its answer to the client.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Incoming};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cluster::client::ForwardedBody;
use crate::cluster::counts::ForwardKind;
use crate::cluster::forward_header::{ACCEPTED, ForwardHeader, ForwardedRequest, SIGNALHUB_FORWARDED};
use crate::cluster::node::Node;
use crate::cluster::this_node::ThisNode;
use crate::cluster::token::ConnectionKey;
use crate::counts::client_errors::ClientError;
use crate::http::answers::text;
use crate::http::body::Body;
use crate::http::mounted::Mounted;
use crate::http::request_body::{BodyError, RequestBody};
use crate::registry::Registry;
use crate::request::base_url::base_url;
use crate::request::forwarded::{Scheme, Site};
use crate::request::remote_address::RemoteAddress;
use crate::transport::io::Io;

/// The headers that are for one connection only (RFC 9110, section 7.6.1). `Connection` may name more.
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("te"),
    HeaderName::from_static("trailer"),
    HeaderName::from_static("transfer-encoding"),
];

/// How long the owner may take for its answer, beside the time for which it holds a poll.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How long the owner may take for each chunk of a body, and then for its answer: it takes no more while the hub of the connection is busy.
const SEND_TIME: Duration = Duration::from_secs(30);

/// How many chunks of a body wait until the owner takes them.
const CHUNKS: usize = 2;

/// Marks an answer that another node has made: it has all the headers that the endpoint adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relayed;

/// The owner of a connection.
pub(crate) struct ConnectionOwner {
    pub(crate) node: Node,
    pub(crate) connection: ConnectionKey,
}

/// Why a request got no answer of the owner.
enum Unanswered {
    /// The request or its answer was lost on the way.
    Failed(String),
    /// The client did not send its body.
    Body(Box<Response<Body>>),
    /// This node stops.
    Stopping,
}

/// Forwards a request, and answers it as the owner does. If the owner does not answer, the client gets 502; 503 for a poll that waits
/// when this node stops.
pub(crate) async fn forward<B>(
    mounted: &Mounted,
    this: &ThisNode,
    owner: &ConnectionOwner,
    kind: ForwardKind,
    head: &Parts,
    body: RequestBody<B>,
) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let to = &owner.node.name;
    if this.was_forwarded(head, to) {
        tracing::error!(%to, "a request came back to the listener for clients: the address of a node is not one for other nodes");
        return text(StatusCode::BAD_GATEWAY, "");
    }
    if waits(kind, head) && mounted.registry.is_draining() {
        // Nothing was taken for it: the client polls again, at another node.
        return text(StatusCode::OK, "");
    }
    match send(mounted, this, owner, kind, head, body).await {
        Ok(answer) => {
            let accepted = answer.headers().get(SIGNALHUB_FORWARDED);
            if accepted != Some(&ACCEPTED) {
                let (from, reason) = (&this.name, accepted.and_then(|reason| reason.to_str().ok()));
                let reason = reason.unwrap_or("the address is not one for other nodes");
                if let Some(skipped) = this.refused_forward_errors.admit(Instant::now()) {
                    tracing::error!(%from, %to, reason, skipped, "another node refuses the requests that this one forwards");
                }
                return failed(this, owner);
            }
            this.counts.0.count_forward(kind);
            if answer.status() == StatusCode::NOT_FOUND {
                this.forget(&owner.connection);
            }
            relay(mounted, answer)
        }
        Err(Unanswered::Failed(error)) => {
            if let Some(skipped) = this.failed_forward_warnings.admit(Instant::now()) {
                tracing::warn!(%to, error, skipped, "a request could not be forwarded");
            }
            failed(this, owner)
        }
        Err(Unanswered::Body(answer)) => *answer,
        // The owner may have taken messages for the answer. After an empty one the client would poll on, and miss them silently.
        Err(Unanswered::Stopping) => text(StatusCode::SERVICE_UNAVAILABLE, ""),
    }
}

fn failed(this: &ThisNode, owner: &ConnectionOwner) -> Response<Body> {
    this.counts.0.count_failure(&owner.node.name);
    this.forget(&owner.connection);
    text(StatusCode::BAD_GATEWAY, "")
}

/// Sends a request to the owner, and waits for the head of its answer.
async fn send<B>(
    mounted: &Mounted,
    this: &ThisNode,
    owner: &ConnectionOwner,
    kind: ForwardKind,
    head: &Parts,
    body: RequestBody<B>,
) -> Result<Response<Incoming>, Unanswered>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let (to_send, chunks) = if body.is_end_stream() {
        (ForwardedBody::Empty, None)
    } else {
        let (sender, receiver) = mpsc::channel(CHUNKS);
        (ForwardedBody::Chunks(receiver), Some(sender))
    };
    let request = request(this, &owner.node, kind, head, to_send).map_err(Unanswered::Failed)?;
    let answer = async {
        let answer = std::pin::pin!(async { this.client.send(request).await.map_err(|error| failure(&error)) });
        let Some(chunks) = chunks else { return in_time(answer_time(mounted, kind, head), answer).await };
        let body = std::pin::pin!(pump(mounted, body, chunks));
        match futures_util::future::select(answer, body).await {
            futures_util::future::Either::Left((answer, _)) => answer,
            futures_util::future::Either::Right((sent, answer)) => {
                sent?;
                in_time(answer_time(mounted, kind, head), answer).await
            }
        }
    };
    tokio::select! {
        answered = answer => answered,
        () = mounted.registry.draining(), if waits(kind, head) => Err(Unanswered::Stopping),
    }
}

/// Whether the owner keeps a request until there are messages for its answer.
fn waits(kind: ForwardKind, head: &Parts) -> bool {
    kind == ForwardKind::Poll && head.method == Method::GET
}

/// How long the owner may take for its answer, once it has the whole request.
fn answer_time(mounted: &Mounted, kind: ForwardKind, head: &Parts) -> Duration {
    match kind {
        ForwardKind::Send => SEND_TIME,
        ForwardKind::Poll if waits(kind, head) => mounted.endpoint.poll_time().saturating_add(ANSWER_TIME),
        ForwardKind::Poll | ForwardKind::Events | ForwardKind::Socket => ANSWER_TIME,
    }
}

async fn in_time<T>(time: Duration, what: impl Future<Output = Result<T, Unanswered>>) -> Result<T, Unanswered> {
    let overdue = |_| Err(Unanswered::Failed("it did not answer in time".to_owned()));
    tokio::time::timeout(time, what).await.unwrap_or_else(overdue)
}

fn failure(error: &hyper_util::client::legacy::Error) -> Unanswered {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Unanswered::Failed(format!("{error}{cause}"))
}

/// The request as the owner gets it: the client's own, with what this node knows of the client.
fn request(
    this: &ThisNode,
    owner: &Node,
    kind: ForwardKind,
    head: &Parts,
    body: ForwardedBody,
) -> Result<Request<ForwardedBody>, String> {
    let address = owner.address.as_ref().ok_or("it accepts no requests of other nodes")?;
    let client = head.extensions.get::<RemoteAddress>().ok_or("the address of the client is not known")?.ip();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let scheme = head.extensions.get::<Site>().map_or(Scheme::Http, Site::scheme);
    let mut headers = end_to_end(&head.headers);
    headers.remove(EXPECT);
    if matches!(body, ForwardedBody::Empty) {
        headers.remove(CONTENT_LENGTH);
    }
    if kind == ForwardKind::Socket {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    // Behind a proxy, the host is the one that the proxy names.
    let host = base_url(head).and_then(|url| HeaderValue::try_from(url.split_once("://")?.1).ok());
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
    let forwarded = ForwardedRequest { to: &owner.name, method: &head.method, target };
    let header = ForwardHeader::new(this.name.clone(), client, scheme, SystemTime::now());
    headers.insert(SIGNALHUB_FORWARDED, this.sign(&header, forwarded));
    let mut request = Request::new(body);
    *request.uri_mut() = this.client.uri(address, target).map_err(|error| error.to_string())?;
    *request.method_mut() = head.method.clone();
    *request.version_mut() = Version::HTTP_11;
    *request.headers_mut() = headers;
    Ok(request)
}

/// The headers of a message that are not for one connection only.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<_> = named.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    let mut kept = headers.clone();
    for name in HOP_BY_HOP.iter().map(HeaderName::as_str).chain(named.iter().map(String::as_str)) {
        kept.remove(name);
    }
    kept.remove(SIGNALHUB_FORWARDED);
    kept
}

/// Sends the body of a client on, chunk by chunk, as fast as the owner takes it.
async fn pump<B>(
    mounted: &Mounted,
    mut body: RequestBody<B>,
    chunks: mpsc::Sender<Option<Bytes>>,
) -> Result<(), Unanswered>
where
    B: HttpBody<Data = Bytes> + Unpin,
{
    let overdue = || Unanswered::Failed("it takes nothing of the body".to_owned());
    while let Some(chunk) = body.frame().await {
        match chunk.map(|chunk| chunk.into_data()) {
            // If the owner takes no more, it has answered or failed.
            Ok(Ok(bytes)) => {
                let taken = tokio::time::timeout(SEND_TIME, chunks.send(Some(bytes))).await;
                if taken.map_err(|_| overdue())?.is_err() {
                    return Ok(());
                }
            }
            // Trailers are ignored.
            Ok(Err(_)) => {}
            Err(BodyError::Overdue) => {
                let response = text(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time.");
                return Err(Unanswered::Body(Box::new(response)));
            }
            Err(BodyError::Broken(_)) => {
                let response = text(StatusCode::BAD_REQUEST, "");
                let response = mounted.reject(ClientError::BrokenBody, "the body broke off", response);
                return Err(Unanswered::Body(Box::new(response)));
            }
        }
    }
    let _ = tokio::time::timeout(SEND_TIME, chunks.send(None)).await.map_err(|_| overdue())?;
    Ok(())
}

/// Passes the answer of the owner on to the client.
fn relay(mounted: &Mounted, mut answer: Response<Incoming>) -> Response<Body> {
    let mut headers = end_to_end(answer.headers());
    let is_socket = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
    let upgrade = is_socket.then(|| hyper::upgrade::on(&mut answer));
    let (parts, incoming) = answer.into_parts();
    let registry = Arc::clone(&mounted.registry);
    let body = match upgrade {
        None => {
            let stopping = async move { registry.draining().await };
            Body::relayed(incoming, Box::pin(stopping))
        }
        Some(upgrade) => {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            // The head of an upgrade gets its own.
            headers.remove(DATE);
            Body::socket(Box::new(move |io, ahead| drop(tokio::spawn(tunnel(io, ahead, upgrade, registry)))))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(Relayed);
    response
}

/// Carries the bytes of a WebSocket between the client and the owner, until one of them ends or this node stops. The client
/// of a connection that can be resumed then reconnects.
async fn tunnel(io: Io, ahead: Vec<u8>, upgrade: OnUpgrade, registry: Arc<Registry>) {
    let owner = match upgrade.await {
        Ok(owner) => TokioIo::new(owner),
        Err(error) => {
            tracing::debug!(%error, "a WebSocket could not be forwarded");
            return;
        }
    };
    let (mut from_owner, mut to_owner) = tokio::io::split(owner);
    let (mut from_client, mut to_client) = tokio::io::split(io);
    let is_lost = tokio::select! {
        sent = async {
            to_owner.write_all(&ahead).await?;
            tokio::io::copy(&mut from_client, &mut to_owner).await
        } => {
            let _ = to_owner.shutdown().await;
            sent.is_err()
        }
        received = tokio::io::copy(&mut from_owner, &mut to_client) => {
            let _ = to_client.shutdown().await;
            received.is_err()
        }
        () = registry.draining() => true,
    };
    if is_lost {
        // The client learns that the connection was not closed in order.
        from_client.unsplit(to_client).reset();
    }
}

#[cfg(test)]
mod tests;
