//! HTTP on one socket, until it ends or a response takes the socket for itself.

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
use super::head::{self, Framing};
use super::server_sent_events::{self, StreamSocket};
use super::unreadable;
use crate::close::CloseReason;
use crate::http::body::{Body, Takeover};
use crate::http::request_timeouts::{RequestTimeouts, WatchedSocket};
use crate::limits::socket_quotas::SocketShare;
use crate::limits::times::Overdue;
use crate::transport::io::Io;

/// The least that hyper reads ahead of a body. It reads on when a head is longer.
const READ_BUFFER: usize = 16 * 1024;

/// A response that takes the socket out of hyper's hands, whose buffers an idle client would keep for nothing.
struct Taken {
    head: Response<()>,
    framing: Framing,
    takeover: Takeover,
    share: Option<SocketShare>,
}

/// How HTTP came to its end.
enum Served {
    Ended(hyper::Result<()>),
    Taken(Box<Taken>),
}

/// Serves a socket that was just accepted.
pub(super) fn serve(socket: TcpStream, accepted: AcceptedSocket) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, address = %accepted.address, "a socket was gone before it was served");
        return;
    }
    tokio::spawn(serve_socket(socket, RequestTimeouts::new(accepted.times), accepted));
}

/// Serves a socket again, after a response that had it for itself.
fn serve_again(socket: TcpStream, accepted: AcceptedSocket) {
    tokio::spawn(serve_socket(socket, RequestTimeouts::resumed(accepted.times), accepted));
}

async fn serve_socket(socket: TcpStream, timeouts: Arc<RequestTimeouts>, accepted: AcceptedSocket) {
    let speaking = accepted.sockets.speak(&timeouts);
    let taken = Mutex::new(None);
    let service = service_fn(|request: Request<Incoming>| {
        let (accepted, busy, taken) = (&accepted, timeouts.request(), &taken);
        async move {
            let framing = Framing::of(&request);
            // What is left of a body would be in the way of whatever comes next on the socket.
            let is_free = request.body().is_end_stream();
            let mut response = accepted.answer(request).await;
            if is_free && let Some(takeover) = response.body_mut().take_over() {
                let share = response.body_mut().take_share();
                let head = response.map(drop);
                let response = Box::new(Taken { head, framing, takeover, share });
                *taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(response);
                // It is not hyper that answers.
                return pending().await;
            }
            Ok::<_, Infallible>(response.map(|body: Body| body.keeping(busy)))
        }
    });
    let mut connection = http1::Builder::new()
        // The timeouts has an eye on it; hyper would count the time between requests as part of the next head.
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
    drop(speaking);
    end(outcome, &timeouts, watched, &read, accepted).await;
}

/// Does with a socket what is to be done after HTTP.
async fn end(
    outcome: Result<Served, Overdue>,
    timeouts: &RequestTimeouts,
    watched: WatchedSocket,
    read: &[u8],
    accepted: AcceptedSocket,
) {
    match outcome {
        Ok(Served::Taken(response)) => {
            // The bytes are copied, because the buffer they lie in is far larger than they are.
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

/// Ends the socket of a client that took too long.
fn give_up(socket: &TcpStream, overdue: Overdue, timeouts: &RequestTimeouts, accepted: &AcceptedSocket) {
    tracing::debug!(reason = overdue.label(), address = %accepted.address, "a client took too long");
    accepted.routes.registry.refusals().count_overdue(overdue);
    if overdue == Overdue::Answer {
        // What the kernel holds for the client is let go as well.
        let _ = socket.set_zero_linger();
        if let Some(send_queue) = timeouts.unread() {
            send_queue.end(CloseReason::SlowConsumer);
        }
    }
}

/// Logs why HTTP ended on a socket, and counts what its client did wrong.
fn log_broken(error: &hyper::Error, accepted: &AcceptedSocket) {
    let reason = unreadable::count_broken(error, &accepted.routes.registry);
    tracing::debug!(reason, %error, address = %accepted.address, "an HTTP connection broke");
}

/// Gives the socket to what takes it, in a task of its own: this one is large, for hyper's sake.
fn hand_over(response: Taken, mut socket: TcpStream, ahead: Vec<u8>, accepted: AcceptedSocket) {
    let Taken { head, framing, takeover, share } = response;
    match takeover {
        Takeover::Socket(accept) => {
            let head = head::upgrade(&head);
            let (share, send_timeout) = (share.or(accepted.share), accepted.times.send);
            tokio::spawn(async move {
                if let Ok(Ok(())) = tokio::time::timeout(send_timeout, socket.write_all(&head)).await {
                    accept(Io::Tcp { socket: Arc::new(socket), _share: share }, ahead);
                }
            });
        }
        Takeover::Events(stream) => {
            let head = head::stream(&head, framing);
            let socket = StreamSocket { socket, head, framing, spoke: !ahead.is_empty(), share };
            let streaming = server_sent_events::stream(socket, stream);
            // A combinator, because an async block around it would take the memory of the task twice.
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
