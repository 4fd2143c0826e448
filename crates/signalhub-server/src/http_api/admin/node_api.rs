//! What the other nodes of the cluster ask this one for, on `cluster.listen`: its part of the answers to operators and publishers.
//!
//! The signature of a request proves that a node has made it, and that node has checked what the operator may do. So there are no tokens here.

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Request, Response};
use serde::de::DeserializeOwned;
use signalhub::connections::{Body, BoxFuture, RequestBody, Respond};

use super::call::Answer;
use super::operated::Operated;
use super::{add_headers, cluster, connections, explain};
use crate::cluster::peers::{self, PREFIX};
use crate::http_api::parameters::Parameters;
use crate::http_api::problem::{Problem, ProblemCode};
use crate::http_api::response::json_response;
use crate::http_api::{interest, not_found};

/// Answers the requests of other nodes.
#[derive(Debug)]
pub(crate) struct NodeApi(Arc<Operated>);

/// Reads the value that goes with a question.
fn value<T: DeserializeOwned>(head: &Parts) -> Result<T, Problem> {
    let refused = || Problem::new(ProblemCode::InvalidParameter, "the question of the other node cannot be read");
    peers::value(head.uri.query()).ok_or_else(refused)
}

impl NodeApi {
    pub(crate) fn new(operated: Arc<Operated>) -> Self {
        Self(operated)
    }

    async fn answer(&self, head: &Parts) -> Answer {
        let operated = &*self.0;
        let path = head.uri.path().strip_prefix(PREFIX).unwrap_or_default();
        match (&head.method, path) {
            (&Method::GET, "state") => Ok(cluster::state(operated)),
            (&Method::GET, "connections") => connections::list_for_node(operated, &Parameters::of(&head.uri)).await,
            (&Method::POST, "connections:disconnect") => connections::disconnect_for_node(operated, value(head)?).await,
            (&Method::POST, "explain") => explain::for_node(operated, value(head)?).await,
            (&Method::GET, interest::NODE_PATH) => {
                Ok(json_response(&interest::for_node(&operated.broker, &value(head)?)?))
            }
            (method, path) => match path.strip_prefix("connections/") {
                Some(id) if *method == Method::GET => connections::show_for_node(operated, id),
                Some(id) if *method == Method::DELETE => {
                    connections::remove_for_node(operated, id, &Parameters::of(&head.uri))
                }
                _ => not_found("other nodes are not answered this"),
            },
        }
    }
}

impl Respond for NodeApi {
    fn respond(self: Arc<Self>, request: Request<RequestBody>) -> BoxFuture<Response<Body>> {
        Box::pin(async move {
            let (head, _) = request.into_parts();
            let answer = self.answer(&head).await;
            let mut response = answer.unwrap_or_else(|problem| {
                problem.log();
                problem.to_response()
            });
            add_headers(&mut response);
            response
        })
    }
}
