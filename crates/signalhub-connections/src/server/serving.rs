//! HTTP on one socket, until it ends or a response takes the socket for itself.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::Routes;
use super::events;
use super::head::{self, Framing};
use crate::ClientError;
use crate::body::{Body, Takeover};
use crate::io::Io;
use crate::pace::{Pace, Watched};

/// The longest head of a request, and what is read ahead of a body.
const READ_BUFFER: usize = 16 * 1024;

/// A client's socket: where it comes from, and what it is served with.
pub(super) struct Visit {
    pub(super) address: IpAddr,
    /// For the head of a request, and between two requests.
    pub(super) timeouts: (Duration, Duration),
    pub(super) routes: Arc<Routes>,
    /// Changes when the server stops; held until the socket is done.
    pub(super) stopping: watch::Receiver<()>,
}

/// A response that takes the socket out of hyper's hands, whose buffers an idle client would keep for nothing.
struct Taken {
    head: Response<()>,
    framing: Framing,
    takeover: Takeover,
}

/// How HTTP came to its end.
enum Served {
    Ended(hyper::Result<()>),
    Taken(Box<Taken>),
}

/// Serves a socket that was just accepted.
pub(super) fn serve(socket: TcpStream, visit: Visit) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, address = %visit.address, "a socket was gone before it was served");
        return;
    }
    let (header_timeout, idle_timeout) = visit.timeouts;
    tokio::spawn(serve_socket(socket, Pace::new(header_timeout, idle_timeout), visit));
}

/// Serves a socket again, after a response that had it for itself.
pub(super) fn serve_again(socket: TcpStream, visit: Visit) {
    let (header_timeout, idle_timeout) = visit.timeouts;
    tokio::spawn(serve_socket(socket, Pace::resumed(header_timeout, idle_timeout), visit));
}

async fn serve_socket(socket: TcpStream, pace: Arc<Pace>, mut visit: Visit) {
    let taken = Mutex::new(None);
    let service = service_fn(|request: Request<Incoming>| {
        let (routes, address, busy, taken) = (&visit.routes, visit.address, pace.request(), &taken);
        async move {
            let framing = Framing::of(&request);
            // What is left of a body would be in the way of whatever comes next on the socket.
            let is_free = request.body().is_end_stream();
            let mut response = routes.answer(request, address).await;
            if is_free && let Some(takeover) = response.body_mut().take_over() {
                let head = response.map(drop);
                let response = Box::new(Taken { head, framing, takeover });
                *taken.lock().unwrap_or_else(PoisonError::into_inner) = Some(response);
                // It is not hyper that answers.
                return pending().await;
            }
            Ok::<_, Infallible>(response.map(|body: Body| body.keeping(busy)))
        }
    });
    let mut connection = http1::Builder::new()
        // The pace has an eye on it; hyper would count the time between requests as part of the next head.
        .header_read_timeout(None)
        .max_buf_size(READ_BUFFER)
        .serve_connection(TokioIo::new(Watched::new(socket, Arc::clone(&pace))), service);
    let outcome = {
        let mut stop = pin!(visit.stopping.changed());
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
        pace.drive(pin!(serving)).await
    };
    match outcome {
        Ok(Served::Taken(response)) => {
            let parts = connection.into_parts();
            // The bytes are copied, because the buffer they lie in is far larger than they are.
            hand_over(*response, parts.io.into_inner().into_socket(), parts.read_buf.to_vec(), visit);
        }
        Ok(Served::Ended(Err(error))) => log_broken(&error, &visit),
        Ok(Served::Ended(Ok(()))) => {}
        Err(overdue) => {
            tracing::debug!(reason = overdue.label(), address = %visit.address, "a client took too long");
            visit.routes.registry.refusals().count_overdue(overdue);
        }
    }
}

/// Logs why HTTP ended on a socket, and counts what its client did wrong.
fn log_broken(error: &hyper::Error, visit: &Visit) {
    let reason = if error.is_parse() {
        Some(ClientError::MalformedRequest)
    } else if error.is_incomplete_message() {
        Some(ClientError::IncompleteRequest)
    } else {
        None
    };
    reason.iter().for_each(|reason| visit.routes.registry.client_errors().count(*reason, 1));
    let reason = reason.map(ClientError::label);
    tracing::debug!(reason, %error, address = %visit.address, "an HTTP connection broke");
}

/// Gives the socket to what takes it, in a task of its own: this one is large, for hyper's sake.
fn hand_over(response: Taken, mut socket: TcpStream, ahead: Vec<u8>, visit: Visit) {
    let Taken { head, framing, takeover } = response;
    match takeover {
        Takeover::Socket(accept) => {
            let head = head::upgrade(&head);
            tokio::spawn(async move {
                if socket.write_all(&head).await.is_ok() {
                    accept(Io::Tcp(Arc::new(socket)), ahead);
                }
            });
        }
        Takeover::Events(stream) => {
            let head = head::stream(&head, framing);
            tokio::spawn(events::stream(socket, stream, (head, framing), ahead, visit));
        }
    }
}
