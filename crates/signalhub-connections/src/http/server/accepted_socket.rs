//! A socket that was accepted: its address, and how its requests are answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;

use super::idle_sockets::IdleSockets;
use super::routes::Routes;
#[cfg(feature = "tls")]
use super::tls::client_certificate::ClientCertificate;
use crate::http::body::Body;
use crate::http::request_body::RequestBody;
use crate::limits::limit::Limit;
use crate::limits::socket_quotas::{SocketQuotas, SocketShare};
use crate::limits::times::Times;

/// A client's socket, and what is needed to serve it.
pub(super) struct AcceptedSocket {
    /// The address of the other end.
    pub(super) address: IpAddr,
    /// Its share in the quota of this address. A proxy's socket counts for the client of each request instead.
    pub(super) share: Option<SocketShare>,
    /// The certificate that the client presented, if it was asked for one.
    #[cfg(feature = "tls")]
    pub(super) certificate: Option<ClientCertificate>,
    pub(super) times: Times,
    /// How long the body of a request may take.
    pub(super) body_time: Duration,
    /// How long the head of a request may be.
    pub(super) head_size: usize,
    pub(super) routes: Arc<Routes>,
    pub(super) quotas: Arc<SocketQuotas>,
    pub(super) sockets: Arc<IdleSockets>,
    /// Changes when the server stops. It is kept until the socket is closed.
    pub(super) stopping: watch::Receiver<()>,
}

impl AcceptedSocket {
    /// Answers a request that was received on the socket.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (mut head, body) = request.into_parts();
        let client = match self.routes.client(&mut head, self.address) {
            Ok(client) => client,
            Err(response) => return response,
        };
        #[cfg(feature = "tls")]
        if let Some(certificate) = &self.certificate {
            head.extensions.insert(certificate.clone());
        }
        let share = match self.share_for(client) {
            Ok(share) => share,
            Err(limit) => return self.routes.refuse(limit, &head),
        };
        let body = RequestBody::new(body, self.body_time, &self.routes.registry);
        let mut response = self.routes.dispatch(Request::from_parts(head, body)).await;
        if let Some(share) = share {
            response.body_mut().keep_share(share);
        }
        self.routes.mark_answer(&mut response);
        response
    }

    /// Counts the socket for the client of a request, unless it is counted already.
    fn share_for(&self, client: IpAddr) -> Result<Option<SocketShare>, Limit> {
        if self.share.is_some() { Ok(None) } else { self.quotas.take(client) }
    }

    /// Tells whether the server stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.has_changed().unwrap_or(true)
    }
}
