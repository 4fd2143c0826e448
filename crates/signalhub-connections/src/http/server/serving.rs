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
use super::head::{self, Framing};
use super::server_sent_events;
use super::unreadable;
use crate::http::body::{Body, Takeover};
use crate::http::request_timeouts::{Overdue, Pace, Times, Watched};
use crate::http::sockets::{SocketCharge, Sockets};
use crate::limits::Limit;
use crate::registry::Registry;
use crate::transport::io::Io;
use crate::{ClientError, CloseReason};

/// The least that hyper reads ahead of a body. It reads on when a head is longer.
const READ_BUFFER: usize = 16 * 1024;

/// A client's socket: where it comes from, and what it is served with.
pub(super) struct Visit {
    /// The other end of the socket.
    pub(super) address: IpAddr,
    /// What it counts for that; a proxy's socket counts for the client of each request.
    pub(super) charge: Option<SocketCharge>,
    pub(super) times: Times,
    /// How long the body of a request may take.
    pub(super) body_time: Duration,
    /// How long the head of a request may be.
    pub(super) head_size: usize,
    pub(super) routes: Arc<Routes>,
    pub(super) sockets: Arc<Sockets>,
    /// Changes when the server stops; held until the socket is done.
    pub(super) stopping: watch::Receiver<()>,
}

/// A response that takes the socket out of hyper's hands, whose buffers an idle client would keep for nothing.
struct Taken {
    head: Response<()>,
    framing: Framing,
    takeover: Takeover,
    charge: Option<SocketCharge>,
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
    tokio::spawn(serve_socket(socket, Pace::new(visit.times), visit));
}

/// Serves a socket again, after a response that had it for itself.
pub(super) fn serve_again(socket: TcpStream, visit: Visit) {
    tokio::spawn(serve_socket(socket, Pace::resumed(visit.times), visit));
}

async fn serve_socket(socket: TcpStream, pace: Arc<Pace>, visit: Visit) {
    let speaking = visit.sockets.speak(&pace);
    let taken = Mutex::new(None);
    let service = service_fn(|request: Request<Incoming>| {
        let (visit, busy, taken) = (&visit, pace.request(), &taken);
        async move {
            let framing = Framing::of(&request);
            // What is left of a body would be in the way of whatever comes next on the socket.
            let is_free = request.body().is_end_stream();
            let mut response = visit.routes.answer(request, visit).await;
            if is_free && let Some(takeover) = response.body_mut().take_over() {
                let charge = response.body_mut().take_charge();
                let head = response.map(drop);
                let response = Box::new(Taken { head, framing, takeover, charge });
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
        .max_header_size(visit.head_size)
        .max_buf_size(visit.head_size.max(READ_BUFFER))
        .serve_connection(TokioIo::new(Watched::new(socket, Arc::clone(&pace))), service);
    let outcome = {
        let mut stopping = visit.stopping.clone();
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
        pace.drive(pin!(serving)).await
    };
    let parts = connection.into_parts();
    let (watched, read) = (parts.io.into_inner(), parts.read_buf);
    drop(speaking);
    end(outcome, &pace, watched, &read, visit).await;
}

/// Does with a socket what is to be done after HTTP.
async fn end(outcome: Result<Served, Overdue>, pace: &Pace, watched: Watched, read: &[u8], visit: Visit) {
    match outcome {
        Ok(Served::Taken(response)) => {
            // The bytes are copied, because the buffer they lie in is far larger than they are.
            hand_over(*response, watched.into_socket(), read.to_vec(), visit);
        }
        Ok(Served::Ended(Err(error))) => match watched.refusal() {
            Some(status) => {
                Box::pin(unreadable::refuse(watched.into_socket(), status, read, &error, &visit)).await;
            }
            None => log_broken(&error, &visit),
        },
        Ok(Served::Ended(Ok(()))) => {}
        Err(overdue) => give_up(&watched.into_socket(), overdue, pace, &visit),
    }
}

/// Ends the socket of a client that took too long.
fn give_up(socket: &TcpStream, overdue: Overdue, pace: &Pace, visit: &Visit) {
    tracing::debug!(reason = overdue.label(), address = %visit.address, "a client took too long");
    visit.routes.registry().refusals().count_overdue(overdue);
    if overdue == Overdue::Answer {
        // What the kernel holds for the client is let go as well.
        let _ = socket.set_zero_linger();
        if let Some(lane) = pace.unread() {
            lane.end(CloseReason::SlowConsumer);
        }
    }
}

/// Logs why HTTP ended on a socket, and counts what its client did wrong.
fn log_broken(error: &hyper::Error, visit: &Visit) {
    let reason = count_broken(error, visit.routes.registry());
    tracing::debug!(reason, %error, address = %visit.address, "an HTTP connection broke");
}

/// Counts what a client did wrong, and gives its name.
pub(super) fn count_broken(error: &hyper::Error, registry: &Registry) -> Option<&'static str> {
    let wrong = if error.is_parse_too_large() {
        registry.refusals().count(Limit::HeadSize);
        return Some(Limit::HeadSize.label());
    } else if error.is_parse() {
        ClientError::MalformedRequest
    } else if error.is_incomplete_message() {
        ClientError::IncompleteRequest
    } else {
        return None;
    };
    registry.client_errors().count(wrong, 1);
    Some(wrong.label())
}

/// Gives the socket to what takes it, in a task of its own: this one is large, for hyper's sake.
fn hand_over(response: Taken, mut socket: TcpStream, ahead: Vec<u8>, visit: Visit) {
    let Taken { head, framing, takeover, charge } = response;
    match takeover {
        Takeover::Socket(accept) => {
            let head = head::upgrade(&head);
            let (charge, send_timeout) = (charge.or(visit.charge), visit.times.send);
            tokio::spawn(async move {
                if let Ok(Ok(())) = tokio::time::timeout(send_timeout, socket.write_all(&head)).await {
                    accept(Io::Tcp { socket: Arc::new(socket), _charge: charge }, ahead);
                }
            });
        }
        Takeover::Events(stream) => {
            let head = head::stream(&head, framing);
            tokio::spawn(server_sent_events::stream(socket, stream, (head, framing), ahead, (visit, charge)));
        }
    }
}
