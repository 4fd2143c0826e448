//! The Notifier against an HTTP server that answers as it is told.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::{
    Action, Credentials, IdempotencyKey, NotificationEvent, Notifier, NotifyError, PublishBody, PublishOptions,
    ResourceChanged, Retries, Wait,
};

const API_KEY: &str = "s3cret-key-of-the-tests";

/// What the hub does with a request.
#[derive(Clone)]
enum Reply {
    /// Publishes the event, unless its key was published before, and answers with the receipt.
    Receipt,
    /// Publishes the event and closes the connection without an answer.
    LoseReceipt,
    /// Publishes the event and never answers.
    Silence,
    Refuse {
        status: u16,
        retry_after: Option<&'static str>,
        body: &'static str,
    },
    /// Answers with the headers of the request, as a debugging proxy does.
    Echo,
}

use Reply::{Echo, LoseReceipt, Receipt, Silence};

fn refuse(status: u16) -> Reply {
    Reply::Refuse { status, retry_after: None, body: r#"{"code":"a_code","title":"A title"}"# }
}

fn refuse_for(status: u16, retry_after: &'static str) -> Reply {
    Reply::Refuse { status, retry_after: Some(retry_after), body: r#"{"code":"a_code","title":"A title"}"# }
}

/// A request that the hub got.
#[derive(Debug)]
struct Received {
    at: Instant,
    key: Option<String>,
    query: Option<String>,
    body: Bytes,
}

/// A hub that replies to the requests in their order. The last reply is repeated.
struct Hub {
    replies: Mutex<VecDeque<Reply>>,
    received: Mutex<Vec<Received>>,
    published: Mutex<HashMap<String, u32>>,
    /// Is notified of each request.
    request: Notify,
}

impl Hub {
    fn new(replies: impl IntoIterator<Item = Reply>) -> Arc<Self> {
        let replies = Mutex::new(replies.into_iter().collect());
        Arc::new(Self { replies, received: Mutex::default(), published: Mutex::default(), request: Notify::new() })
    }

    /// Starts a hub and returns a Notifier for it.
    async fn start(replies: impl IntoIterator<Item = Reply>) -> (Arc<Self>, Notifier) {
        let hub = Self::new(replies);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(hub.clone().serve(listener));
        (hub, Notifier::http(&url, Credentials::ApiKey(API_KEY)).unwrap())
    }

    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let hub = self.clone();
            let service = service_fn(move |request| hub.clone().reply(request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    }

    async fn reply(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let key = head.headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
        let received =
            Received { at: Instant::now(), key: key.clone(), query: head.uri.query().map(str::to_owned), body };
        self.received.lock().unwrap().push(received);
        self.request.notify_one();
        let reply = {
            let mut replies = self.replies.lock().unwrap();
            if replies.len() > 1 { replies.pop_front().unwrap() } else { replies[0].clone() }
        };
        let response = |status: u16, body: String| Response::builder().status(status).body(Full::from(body)).unwrap();
        match reply {
            Receipt => {
                let duplicate = self.publish(key) > 1;
                let receipt = format!(r#"{{"id":"e-1","position":"e:1","matched":0,"duplicate":{duplicate}}}"#);
                Ok(response(202, receipt))
            }
            LoseReceipt => {
                self.publish(key);
                Err(io::ErrorKind::ConnectionReset.into())
            }
            Silence => {
                self.publish(key);
                std::future::pending().await
            }
            Reply::Refuse { status, retry_after, body } => {
                let mut response = response(status, body.to_owned());
                let seconds = retry_after.map(|seconds| ("retry-after".parse().unwrap(), seconds.parse().unwrap()));
                response.headers_mut().extend::<Option<(http::HeaderName, http::HeaderValue)>>(seconds);
                Ok(response)
            }
            Echo => Ok(response(500, format!("{:?}", head.headers.get("x-api-key").unwrap().to_str().unwrap()))),
        }
    }

    /// Counts a publish of a key, and returns how often that was.
    fn publish(&self, key: Option<String>) -> u32 {
        let mut published = self.published.lock().unwrap();
        let times = published.entry(key.unwrap_or_default()).or_default();
        *times += 1;
        *times
    }

    fn requests(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    /// Returns the idempotency keys of the requests.
    fn keys(&self) -> Vec<Option<String>> {
        self.received.lock().unwrap().iter().map(|received| received.key.clone()).collect()
    }

    /// Returns the times between the requests.
    fn pauses(&self) -> Vec<Duration> {
        self.received.lock().unwrap().windows(2).map(|pair| pair[1].at - pair[0].at).collect()
    }
}

fn changed() -> ResourceChanged {
    ResourceChanged::new("tickets", Action::Created, "573f", 7)
}

fn body() -> PublishBody {
    changed().publish_body().unwrap()
}

/// Returns what an error tells, its causes included.
fn told(error: &NotifyError) -> String {
    format!("{error} {error:?}")
}

#[tokio::test(start_paused = true)]
async fn a_lost_receipt_is_asked_for_again_with_the_same_key() {
    for lost in [LoseReceipt, Silence] {
        let (hub, notifier) = Hub::start([lost, Receipt]).await;
        let receipt = notifier.notify(&changed()).await.unwrap();
        assert_eq!((receipt.id.as_str(), receipt.duplicate), ("e-1", true));
        let received = hub.received.lock().unwrap();
        let [first, second] = &received[..] else { panic!("{received:?}") };
        assert!(first.key.as_ref().is_some_and(|key| key.len() == 32), "{first:?}");
        assert_eq!((&first.key, &first.body, &first.query), (&second.key, &second.body, &second.query));
        assert_eq!(first.query, None);
    }
}

#[tokio::test]
async fn each_publish_has_a_key_of_its_own() {
    let (hub, notifier) = Hub::start([Receipt]).await;
    for _ in 0..2 {
        assert!(!notifier.notify(&changed()).await.unwrap().duplicate);
    }
    let keys = hub.keys();
    assert!(keys[0].is_some() && keys[1].is_some() && keys[0] != keys[1], "{keys:?}");
}

#[tokio::test]
async fn a_given_key_and_a_wait_are_sent() {
    let (hub, notifier) = Hub::start([Receipt]).await;
    let given = PublishOptions::new().with_idempotency_key(IdempotencyKey::new("order-17").unwrap());
    for (options, key, query) in [
        (given.clone(), Some("order-17"), None),
        (given.clone().with_wait(Wait::Durable), Some("order-17"), Some("wait=durable")),
        (given.with_wait(Wait::Delivered), Some("order-17"), Some("wait=delivered")),
        (PublishOptions::new().without_idempotency_key(), None, None),
    ] {
        notifier.publish_with(body(), &options).await.unwrap();
        let received = hub.received.lock().unwrap().pop().unwrap();
        assert_eq!((received.key.as_deref(), received.query.as_deref()), (key, query));
    }
}

#[tokio::test(start_paused = true)]
async fn busy_hubs_are_tried_again_and_other_refusals_are_final() {
    for status in [429, 500, 502, 503, 504] {
        let (hub, notifier) = Hub::start([refuse(status), Receipt]).await;
        notifier.notify(&changed()).await.unwrap();
        assert_eq!(hub.requests(), 2, "{status}");
    }
    for status in [200, 308, 400, 401, 403, 404, 408, 409, 413, 415, 421, 422, 501] {
        let (hub, notifier) = Hub::start([refuse(status), Receipt]).await;
        let error = notifier.notify(&changed()).await.unwrap_err();
        assert_eq!(error.to_string(), format!("the hub refused with {status} a_code: A title"));
        assert_eq!(hub.requests(), 1, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_pause_that_a_hub_asks_for_is_kept() {
    let seconds = Duration::from_secs;
    for (reply, least, most) in [
        (refuse_for(503, "5"), seconds(5), Duration::from_millis(5_100)),
        (refuse_for(429, "12"), seconds(12), Duration::from_millis(12_100)),
        (refuse_for(503, "0"), Duration::from_millis(100), Duration::from_millis(200)),
        (refuse_for(503, "Fri, 31 Dec 1999 23:59:59 GMT"), Duration::from_millis(100), Duration::from_millis(200)),
    ] {
        let (hub, notifier) = Hub::start([reply, Receipt]).await;
        notifier.notify(&changed()).await.unwrap();
        let pause = hub.pauses()[0];
        // tokio's clock has a resolution of 1 ms.
        assert!((least..=most + Duration::from_millis(2)).contains(&pause), "{pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_ends_at_its_time_limit() {
    let start = Instant::now();
    let (hub, notifier) = Hub::start([Silence]).await;
    let error = notifier.notify(&changed()).await.unwrap_err();
    assert_eq!(error.to_string(), "the hub did not answer within 30 s (tried 3 times)");
    assert_eq!((start.elapsed().as_secs(), hub.requests()), (30, 3));

    let start = Instant::now();
    let retries = Retries::default().with_time_limit(Duration::from_millis(700));
    let error = notifier.with_retries(retries).notify(&changed()).await.unwrap_err();
    assert_eq!(error.to_string(), "the hub did not answer within 700 ms");
    assert_eq!(start.elapsed().as_millis(), 700);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_would_not_end_in_time_is_not_begun() {
    let (hub, notifier) = Hub::start([refuse_for(503, "31")]).await;
    let start = Instant::now();
    let error = notifier.notify(&changed()).await.unwrap_err();
    assert!(matches!(error, NotifyError::Refused { tries: 1, status: 503, .. }), "{error:?}");
    assert_eq!((start.elapsed().as_secs(), hub.requests()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_tries_is_bounded_and_told_with_the_last_cause() {
    let (hub, notifier) = Hub::start([LoseReceipt, refuse(500), refuse(503)]).await;
    let notifier = notifier.with_retries(Retries::default().with_maximum_tries(NonZeroU32::new(4).unwrap()));
    let error = notifier.notify(&changed()).await.unwrap_err();
    assert_eq!(error.to_string(), "the hub refused with 503 a_code: A title (tried 4 times)");
    assert_eq!(hub.requests(), 4);
    let error = notifier.with_retries(Retries::none()).notify(&changed()).await.unwrap_err();
    assert_eq!(error.to_string(), "the hub refused with 503 a_code: A title");
    assert_eq!(hub.requests(), 5);
}

#[tokio::test(start_paused = true)]
async fn without_a_key_what_may_have_been_published_is_not_repeated() {
    for reply in [LoseReceipt, Silence, refuse(429), refuse(500), refuse(502), refuse(503), refuse(504)] {
        let (hub, notifier) = Hub::start([reply, Receipt]).await;
        notifier.publish_with(body(), &PublishOptions::new().without_idempotency_key()).await.unwrap_err();
        assert_eq!(hub.keys(), [None]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hub_that_does_not_listen_yet_is_tried_again_also_without_a_key() {
    for options in [PublishOptions::new(), PublishOptions::new().without_idempotency_key()] {
        // A socket that is bound and does not listen refuses connections.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let notifier = Notifier::http(&url, Credentials::ApiKey(API_KEY)).unwrap();
        let error = notifier.clone().with_retries(Retries::none()).publish_with(body(), &options).await.unwrap_err();
        assert!(matches!(error, NotifyError::Unreachable { tries: 1, .. }), "{error:?}");

        let hub = Hub::new([Receipt]);
        let start = Instant::now();
        let listening = async {
            sleep(Duration::from_secs(1)).await;
            tokio::spawn(hub.clone().serve(socket.listen(8).unwrap()));
        };
        let (receipt, ()) = tokio::join!(notifier.publish_with(body(), &options), listening);
        assert!(!receipt.unwrap().duplicate);
        assert!(start.elapsed() >= Duration::from_secs(1) && hub.requests() == 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_dropped_is_not_tried_again() {
    for first in [refuse(503), Silence] {
        let (hub, notifier) = Hub::start([first, Receipt]).await;
        let publish = tokio::spawn(async move { notifier.notify(&changed()).await });
        hub.request.notified().await;
        publish.abort();
        assert!(publish.await.unwrap_err().is_cancelled());
        sleep(Duration::from_secs(60)).await;
        assert_eq!(hub.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn errors_do_not_tell_the_api_key() {
    let long = "x".repeat(70_000);
    let too_long = Reply::Refuse { status: 502, retry_after: None, body: long.leak() };
    for (reply, expected) in [(Echo, "body: \"\\\"[secret]\\\"\""), (too_long, "status: 502, body: \"\"")] {
        let (_hub, notifier) = Hub::start([reply]).await;
        let error = notifier.with_retries(Retries::none()).notify(&changed()).await.unwrap_err();
        let told = told(&error);
        assert!(told.contains(expected) && !told.contains(API_KEY), "{told}");
    }
}
