//! A draining server, which a test from outside could not observe at a chosen moment.

use http_body_util::{BodyExt, Full};

use signalhub::connections::Issuers;
use signalhub::portos::broker::catalogue;

use super::authorize::OrganisationRule;
use super::*;
use crate::configuration::ApiKey;

#[tokio::test]
async fn a_draining_server_takes_no_publishes_and_says_when_to_come_back() {
    let lifecycle = Lifecycle::default();
    let settings = Publish { keys: vec![ApiKey::new("key").unwrap()], ..Publish::default() };
    let authorizer = Authorizer::new(&settings, Arc::new(Issuers::new()), OrganisationRule::Optional);
    let publish = PublishApi::new(Broker::builder(catalogue()).build(), authorizer, &settings, lifecycle.clone());
    for (phase, status) in [(Phase::Serving, 202), (Phase::Leaving, 202), (Phase::Draining, 503)] {
        lifecycle.enter(phase);
        let request = Request::post(PATH).header("x-api-key", "key");
        let body = Full::new(Bytes::from_static(br#"{"e":"portos.licence.activated","p":{}}"#));
        let response = publish.answer(request.body(body).unwrap()).await;
        assert_eq!(response.status(), status, "{phase:?}");
        if status == 503 {
            assert_eq!(response.headers()["retry-after"], "1");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(body.starts_with(br#"{"status":503,"code":"unavailable","#), "{body:?}");
        }
    }
}
