//! Requests for which the code of an application panics.

use std::sync::Arc;

use crate::support::*;
use signalhub_connections::*;
use tokio::io::AsyncWriteExt;
use tracing::Level;

/// Panics for requests with the header `panic: authenticate`.
struct Fragile;

impl Authenticate for Fragile {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        fail_if(request, "authenticate");
        match request.headers.get("user").and_then(|name| name.to_str().ok()) {
            Some(name) => Authentication::Identified(Identity::user(name)),
            None => Authentication::Missing,
        }
    }
}

/// Panics before it returns its future.
struct Broken;

impl Respond for Broken {
    fn respond(self: Arc<Self>, _: HttpRequest<RequestBody>) -> BoxFuture<HttpResponse<Body>> {
        panic!("secret")
    }
}

fn fail_if(request: &RequestHead, place: &str) {
    assert!(request.headers.get("panic").is_none_or(|name| name != place), "secret");
}

fn fragile(endpoint: Endpoint) -> Endpoint {
    let policy = Policy::new(|identity| {
        assert!(identity.user.as_deref() != Some("panic"), "secret");
        true
    });
    endpoint.identify(Fragile).authorize(policy).response_headers(|request, headers| {
        fail_if(request, "headers");
        headers.insert("x-added", HeaderValue::from_static("1"));
    })
}

#[tokio::test]
async fn a_panic_in_the_code_of_an_application_is_answered_with_500_and_harms_nothing_else() {
    let (log, _guard) = Log::start();
    let origins = Origins::same().allow("https://app.example.com").unwrap();
    let running = start_with(fragile, |server| {
        server
            .origins(origins)
            .get("/page", async |head: RequestHead| {
                fail_if(&head, "page");
                "ok"
            })
            .otherwise(Broken)
    })
    .await;
    let mut socket = running.open("").await;
    let negotiate = "POST /echo/negotiate?negotiateVersion=1";
    let page = ("Origin", "https://app.example.com");
    for (line, headers, status, is_added) in [
        (negotiate, &[("panic", "authenticate"), page][..], 500, true),
        // The token of a page is checked before the request is.
        (negotiate, &[("panic", "authenticate"), ("Authorization", "Bearer x"), page], 500, true),
        (negotiate, &[("user", "panic"), page], 500, true),
        (negotiate, &[("panic", "headers"), page], 500, false),
        ("GET /page", &[("panic", "page"), page], 500, false),
        ("GET /other", &[page], 500, false),
        ("GET /page", &[page], 200, false),
        (negotiate, &[page], 200, true),
    ] {
        // All of them come on one socket, which stays open.
        let mut request = format!("{line} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        socket.write_all((request + "\r\n").as_bytes()).await.unwrap();
        let answer = answer(&mut socket).await;
        assert_eq!(answer.status, status, "{line} {headers:?}");
        let mut errors = log.take();
        errors.retain(|(level, _)| *level == Level::ERROR);
        assert_eq!(errors.len(), usize::from(status == 500), "{errors:?}");
        assert!(errors.iter().all(|(_, error)| !error.contains("secret")), "{errors:?}");
        assert_eq!(answer.header("x-added").is_some(), is_added, "{line} {headers:?}");
        assert_eq!(answer.body.is_empty(), status == 500, "{line} {headers:?}");
    }
    let (status, mut refused) = running.upgrade("/echo", "panic: headers\r\n").await;
    assert_eq!(status, 500);
    // The connection of the refused upgrade is gone.
    running.counts.emptied().await;
    refused.shutdown().await.unwrap();
    assert_eq!(running.upgrade("/echo", "").await.0, 101);
}
