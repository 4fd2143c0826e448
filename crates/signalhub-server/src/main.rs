//! The `signalhub` server.

use std::io::{self, Write};
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::Value;
use signalhub::connections::{Body, BoxFuture, Respond};
use signalhub::events::{Action, Broker, Catalogue, Event, EventName, ResourceName};
use signalhub::{BearerToken, Endpoint, Hub, Server};

struct Publish(Broker);

impl Respond for Publish {
    fn respond(self: Arc<Self>, request: Request<Incoming>) -> BoxFuture<Response<Body>> {
        Box::pin(async move {
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            let Ok(body) = request.into_body().collect().await else { return response };
            let Ok(body) = serde_json::from_slice::<Value>(&body.to_bytes()) else { return response };
            let mut event = Event::new(EventName::new(body["e"].as_str().unwrap_or("")), body["p"].to_string());
            if let Some(name) = body["p"]["n"].as_str() {
                event = event.with_resource(ResourceName::new(name));
            }
            let action = body["p"]["a"].as_u64().and_then(|code| u8::try_from(code).ok());
            if let Some(action) = action.and_then(Action::from_code) {
                event = event.with_action(action);
            }
            match self.0.publish(event).await {
                Ok(receipt) => {
                    *response.status_mut() = StatusCode::ACCEPTED;
                    *response.body_mut() = format!("{{\"matched\":{}}}\n", receipt.matched).into();
                }
                Err(error) => *response.body_mut() = format!("{error}\n").into(),
            }
            response
        })
    }
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let broker = Broker::builder().catalogue(Catalogue::portos()).build();
    let hub = Hub::builder().events(broker.clone()).build();
    let secret = std::env::var("SIGNALHUB_AUTH__SECRET").unwrap_or_else(|_| "development".repeat(4));
    let endpoint = Endpoint::new(hub).authenticate(BearerToken::hs256(secret.as_bytes()));
    let address = std::env::var("SIGNALHUB_LISTEN__PUBLIC").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let server = Server::bind(&address).await?.endpoint("/signalr/v1/mainHub", endpoint).otherwise(Publish(broker));
    writeln!(io::stdout(), "listening on http://{}", server.local_addr()?)?;
    server.run_until(async { drop(tokio::signal::ctrl_c().await) }).await
}
