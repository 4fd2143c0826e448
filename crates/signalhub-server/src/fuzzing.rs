//! Access to the publish API for the fuzzer, which sees public items only.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use signalhub::BearerToken;
use signalhub::connections::Issuers;
use signalhub::events::Broker;
use signalhub::portos::broker::catalogue;
use tokio::runtime::{Builder, Runtime};

use crate::configuration::{ApiKey, Publish, RateLimit};
use crate::http_api::publish::authorize::{Authorizer, OrganisationRule};
use crate::http_api::publish::{PATH, PublishApi};
use crate::lifecycle::Lifecycle;

/// A publish API with one API key and no subscribers.
#[derive(Debug)]
pub struct Publishing {
    api: PublishApi,
    runtime: Runtime,
}

/// The answer to a publisher.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl Publishing {
    /// Creates an API whose batches may have eight notifications.
    pub fn start() -> Self {
        let keys = vec![ApiKey::new("key").expect("this is a key")];
        let maximum_batch_size = NonZeroUsize::new(8).expect("8 is not 0");
        let settings = Publish {
            keys,
            maximum_batch_size,
            rate: RateLimit::new(u32::MAX, Duration::from_secs(1)),
            ..Publish::default()
        };
        let bearer = BearerToken::hs256(b"a secret of fuzzing that has enough bytes");
        let tokens = Arc::new(Issuers::new().otherwise(bearer));
        let authorizer = Authorizer::new(&settings, tokens, OrganisationRule::Optional);
        let runtime = Builder::new_current_thread().enable_time().build().expect("a thread can have a runtime");
        let entered = runtime.enter();
        let api = PublishApi::new(Broker::builder(catalogue()).build(), authorizer, &settings, Lifecycle::default());
        drop(entered);
        Self { api, runtime }
    }

    /// Publishes a body with this content type.
    pub fn publish(&self, content_type: &str, body: &[u8]) -> Answer {
        let request = Request::post(PATH).header("x-api-key", "key").header("content-type", content_type);
        let request = request.body(Full::new(Bytes::copy_from_slice(body))).expect("all parts are valid");
        self.runtime.block_on(async {
            let response = self.api.answer(request).await;
            let status = response.status().as_u16();
            let body = response.into_body().collect().await.expect("the body is in memory");
            Answer { status, body: body.to_bytes() }
        })
    }
}
