//! Serves HTTP on one socket, until it ends or a response takes over the socket.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::FutureExt;
use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::accepted_socket::AcceptedSocket;
#[cfg(feature = "tls")]
use super::handshake::{Handshake, Secured};
use super::head::{self, Framing};
use super::idle_sockets::SocketEntry;
use super::server_sent_events::{self, StreamSocket};
use super::unreadable;
use crate::close::CloseReason;
use crate::http::body::{Body, Takeover};
use crate::http::request_timeouts::{RequestTimeouts, WatchedSocket};
use crate::limits::socket_quotas::SocketShare;
use crate::limits::times::Overdue;
use crate::transport::client_socket::ClientSocket;

/// The minimum size of hyper's read buffer, which is larger if longer heads are allowed.
const READ_BUFFER: usize = 16 * 1024;

/// A response that takes the socket from hyper, so that an idle client does not keep hyper's buffers allocated.
struct Taken {
    head: Response<()>,
    framing: Framing,
    takeover: Takeover,
    share: Option<SocketShare>,
}

/// How HTTP ended on a socket.
enum Served {
    Ended(hyper::Result<()>),
    Taken(Box<Taken>),
}

/// Serves a socket that was just accepted.
pub(super) fn serve(socket: TcpStream, accepted: AcceptedSocket) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, address = %accepted.address, "a socket was closed before it was served");
        return;
    }
    #[cfg(feature = "tls")]
    if let Some(acceptor) = &accepted.routes.tls {
        let handshake = Handshake::new(acceptor, &accepted);
        tokio::spawn(serve_tls(socket, handshake, accepted));
        return;
    }
    serve_http(ClientSocket::Plain(socket), RequestTimeouts::new(accepted.times), accepted);
}

/// Serves a socket again, after a response that had taken it over.
fn serve_again(socket: ClientSocket, accepted: AcceptedSocket) {
    serve_http(socket, RequestTimeouts::resumed(accepted.times), accepted);
}

/// Serves HTTP on a socket in a task of its own. The socket is listed before the task runs: after a burst of new sockets, the
/// next one must find those that it may evict.
fn serve_http(socket: ClientSocket, timeouts: Arc<RequestTimeouts>, accepted: AcceptedSocket) {
    let entry = accepted.sockets.add(&timeouts);
    tokio::spawn(serve_socket(socket, timeouts, entry, accepted));
}

/// Performs the handshake, then serves the socket in a new task, because the task around a handshake is large.
#[cfg(feature = "tls")]
async fn serve_tls(socket: TcpStream, handshake: Handshake, accepted: AcceptedSocket) {
    let Some(acceptor) = &accepted.routes.tls else { return };
    if let Some(Secured { socket, certificate }) = handshake.perform(socket, acceptor, &accepted).await {
        let accepted = AcceptedSocket { certificate, ..accepted };
        serve_http(socket, RequestTimeouts::new(accepted.times), accepted);
    }
}

async fn serve_socket(
    socket: ClientSocket,
    timeouts: Arc<RequestTimeouts>,
    entry: SocketEntry,
    accepted: AcceptedSocket,
) {
    let taken = Mutex::new(None);
    let service = service_fn(|request: Request<Incoming>| {
        let (accepted, busy, taken) = (&accepted, timeouts.request(), &taken);
        async move {
            let framing = Framing::of(&request);
            // A socket with an unread body cannot be taken over: the rest of the body would be read as frames or as a
            // request.
            let is_free = request.body().is_end_stream();
            let mut response = accepted.answer(request).await;
            if is_free && let Some(takeover) = response.body_mut().take_over() {
                let share = response.body_mut().take_share();
                let head = response.map(drop);
                let response = Box::new(Taken { head, framing, takeover, share });
                *taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(response);
                // hyper must not write a response: the socket is taken over.
                return pending().await;
            }
            Ok::<_, Infallible>(response.map(|body: Body| body.keeping(busy)))
        }
    });
    let mut connection = http1::Builder::new()
        // `RequestTimeouts` has this deadline, because hyper counts the time between requests as part of the next head.
        .header_read_timeout(None)
        .max_header_size(accepted.head_size)
        .max_buf_size(accepted.head_size.max(READ_BUFFER))
        .serve_connection(TokioIo::new(WatchedSocket::new(socket, Arc::clone(&timeouts))), service);
    let outcome = {
        let mut stopping = accepted.stopping.clone();
        let mut stop = pin!(stopping.changed());
        let mut stopped = false;
        let serving = poll_fn(|cx| {
            if !stopped && stop.as_mut().poll(cx).is_ready() {
                stopped = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            let polled = Pin::new(&mut connection).poll(cx);
            match taken.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(taken) => Poll::Ready(Served::Taken(taken)),
                None => polled.map(Served::Ended),
            }
        });
        timeouts.drive(pin!(serving)).await
    };
    let parts = connection.into_parts();
    let (watched, read) = (parts.io.into_inner(), parts.read_buf);
    drop(entry);
    end(outcome, &timeouts, watched, &read, accepted).await;
}

/// Closes a socket after HTTP, or passes it to the response that takes it over.
async fn end(
    outcome: Result<Served, Overdue>,
    timeouts: &RequestTimeouts,
    watched: WatchedSocket,
    read: &[u8],
    accepted: AcceptedSocket,
) {
    match outcome {
        Ok(Served::Taken(response)) => {
            // The bytes are copied, so that the much larger buffer around them is freed.
            hand_over(*response, watched.into_socket(), read.to_vec(), accepted);
        }
        Ok(Served::Ended(Err(error))) => match watched.refusal() {
            Some(status) => {
                Box::pin(unreadable::refuse(watched.into_socket(), status, read, &error, &accepted)).await;
            }
            None => log_broken(&error, &accepted),
        },
        Ok(Served::Ended(Ok(()))) => {}
        Err(overdue) => give_up(&watched.into_socket(), overdue, timeouts, &accepted),
    }
}

/// Closes the socket of a client that took too long.
fn give_up(socket: &ClientSocket, overdue: Overdue, timeouts: &RequestTimeouts, accepted: &AcceptedSocket) {
    tracing::debug!(reason = overdue.label(), address = %accepted.address, "a client took too long");
    accepted.routes.registry.refusals().count_overdue(overdue);
    if overdue == Overdue::Answer {
        // Drops the data that the kernel has buffered for the client, too.
        socket.reset();
        if let Some(send_queue) = timeouts.unread() {
            send_queue.end(CloseReason::SlowConsumer);
        }
    }
}

/// Logs why HTTP failed on a socket, and counts the error if it is the client's.
fn log_broken(error: &hyper::Error, accepted: &AcceptedSocket) {
    let reason = unreadable::count_broken(error, &accepted.routes.registry);
    tracing::debug!(reason, %error, address = %accepted.address, "an HTTP connection failed");
}

/// Passes the socket to the response that takes it over, in a new task, because the task around hyper is large.
fn hand_over(response: Taken, mut socket: ClientSocket, ahead: Vec<u8>, accepted: AcceptedSocket) {
    let Taken { head, framing, takeover, share } = response;
    match takeover {
        Takeover::Socket(accept) => {
            let head = head::upgrade(&head);
            let (share, send_timeout) = (share.or(accepted.share), accepted.times.send);
            tokio::spawn(async move {
                let sending = async {
                    socket.write_all(&head).await?;
                    socket.flush().await
                };
                if let Ok(Ok(())) = tokio::time::timeout(send_timeout, sending).await {
                    accept(socket.into_io(share), ahead);
                }
            });
        }
        Takeover::Events(stream) => {
            let head = head::stream(&head, framing);
            let socket = StreamSocket { socket, head, framing, has_sent: !ahead.is_empty(), share };
            let streaming = server_sent_events::stream(socket, stream);
            // A combinator, because an async block around it would double the memory of the task.
            tokio::spawn(streaming.map(move |reusable| {
                if let Some(socket) = reusable
                    && !accepted.is_stopping()
                {
                    serve_again(socket, accepted);
                }
            }));
        }
    }
}
