//! The routes that are not a hub, on each listener.
//!
//! What all of them share stands beside them: problems, request ids, answers. Each route has a module of its own.

pub(crate) mod admin;
pub(crate) mod console;
pub(crate) mod counts;
mod foreign_pages;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod interest;
mod method;
pub(crate) mod metrics;
pub(crate) mod open_api;
mod parameters;
pub(crate) mod problem;
pub(crate) mod publish;
mod request_body;
mod request_id;
mod response;

use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};
use signalhub::connections::{Body, BoxFuture, RequestBody, Respond};

use crate::lifecycle::Lifecycle;
use admin::AdminApi;
use console::Console;
use counts::Counts;
use history::HistoryApi;
use interest::InterestApi;
use metrics::{Metrics, ProcessMetrics};
use problem::{Problem, ProblemCode};
use publish::PublishApi;

/// Answers the requests of the public listener that are not for the hub, and those of the listener of publishers.
#[derive(Debug)]
pub(crate) struct PublicRoutes {
    publish: Arc<PublishApi>,
    history: HistoryApi,
    interest: InterestApi,
    publishing: Publishing,
}

/// Whether a listener has the publish API and the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Publishing {
    Here,
    Elsewhere,
}

/// Answers the requests of the internal listener.
#[derive(Debug)]
pub(crate) struct InternalRoutes {
    lifecycle: Lifecycle,
    metrics: Metrics,
    counts: Counts,
    admin: AdminApi,
    console: Console,
}

impl PublicRoutes {
    pub(crate) fn new(publish: Arc<PublishApi>, publishing: Publishing) -> Self {
        let (history, interest) = (HistoryApi::new(Arc::clone(&publish)), InterestApi::new(Arc::clone(&publish)));
        Self { publish, history, interest, publishing }
    }

    async fn answer(&self, request: Request<RequestBody>) -> Response<Body> {
        let answer = match (request.uri().path(), self.publishing) {
            (publish::PATH, Publishing::Here) => return self.publish.answer(request).await,
            (history::PATH, Publishing::Here) => return self.history.answer(&request.into_parts().0).await,
            (interest::PATH, Publishing::Here) => return self.interest.answer(&request.into_parts().0).await,
            (open_api::PATH, Publishing::Here) => method::read_only(request.method(), open_api::response),
            (health::PATH, _) => health::live(request.method()),
            _ => not_found(
                "the hub, the publish API, the history, /openapi.json and /health have other paths or another port",
            ),
        };
        answer.unwrap_or_else(|problem| self.publish.refuse(&problem))
    }
}

impl InternalRoutes {
    pub(crate) fn new(
        lifecycle: Lifecycle,
        counts: Counts,
        process: ProcessMetrics,
        admin: AdminApi,
        console: Console,
    ) -> Self {
        Self { lifecycle, metrics: Metrics::new(counts.clone(), process), counts, admin, console }
    }

    /// Answers with the metrics. A page of another origin cannot see them, but could have them made again and again; health costs nothing.
    fn show_metrics(&self, head: &Parts) -> Result<Response<Body>, Problem> {
        foreign_pages::refuse_but_links(head)?;
        method::read_only(&head.method, || self.metrics.response())
    }

    async fn answer(&self, request: Request<RequestBody>) -> Response<Body> {
        let path = request.uri().path();
        let is_admin = path == admin::description::PATH || path.starts_with(admin::PREFIX);
        let answer = match path {
            health::LIVE_PATH => health::live(request.method()),
            health::READY_PATH => health::ready(request.method(), self.lifecycle.phase(), || self.counts.unready()),
            metrics::PATH => self.show_metrics(&request.into_parts().0),
            admin::description::PATH => self.admin.describe(&request.into_parts().0).await,
            _ if is_admin => self.admin.answer(request).await,
            path if path == console::PATH || path.starts_with(console::PREFIX) => {
                self.console.answer(&request.into_parts().0, || self.admin.check_console())
            }
            _ => not_found(
                "the internal listener has the console, /health/live, /health/ready, /metrics and the admin API",
            ),
        };
        let mut response = answer.unwrap_or_else(|problem| {
            self.counts.count_problem(problem.code);
            problem.log();
            problem.to_response()
        });
        if is_admin {
            admin::add_headers(&mut response);
        }
        response
    }
}

impl Respond for PublicRoutes {
    fn respond(self: Arc<Self>, request: Request<RequestBody>) -> BoxFuture<Response<Body>> {
        let id = request_id::of(&request);
        Box::pin(async move { request_id::attach(id, self.answer(request).await) })
    }
}

impl Respond for InternalRoutes {
    fn respond(self: Arc<Self>, request: Request<RequestBody>) -> BoxFuture<Response<Body>> {
        let id = request_id::of(&request);
        Box::pin(async move { request_id::attach(id, self.answer(request).await) })
    }
}

fn not_found(detail: &str) -> Result<Response<Body>, Problem> {
    Err(Problem::new(ProblemCode::NotFound, detail))
}
