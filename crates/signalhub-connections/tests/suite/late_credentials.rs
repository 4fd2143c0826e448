//! Credentials that are refused at first and accepted later, such as tokens whose key has to be fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::*;
use signalhub_connections::*;

/// Accepts the token `old`, and `new` once its future has completed. It panics for `broken`.
#[derive(Default)]
struct Rotating {
    has_new_key: Arc<AtomicBool>,
    asked: AtomicUsize,
}

impl Authenticate for Rotating {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        match bearer_token(request).as_deref() {
            None => Authentication::Missing,
            Some("old") => Authentication::Identified(Identity::user("ann")),
            Some("expired") => Authentication::Expired,
            Some("new") if self.has_new_key.load(Ordering::Relaxed) => {
                Authentication::Identified(Identity::user("bob"))
            }
            Some("unloaded") => Authentication::Unacceptable("there are no keys".into()),
            Some(_) => Authentication::Invalid("the key is not known".into()),
        }
    }

    fn ready(&self, request: &RequestHead) -> Option<BoxFuture<()>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        match bearer_token(request).as_deref() {
            Some("new" | "never") => {}
            Some("broken") => return Some(Box::pin(async { panic!("secret") })),
            _ => return None,
        }
        let has_new_key = Arc::clone(&self.has_new_key);
        Some(Box::pin(async move {
            tokio::task::yield_now().await;
            has_new_key.store(true, Ordering::Relaxed);
        }))
    }
}

#[tokio::test]
async fn refused_credentials_are_checked_again_when_they_may_be_accepted() {
    let rotating = Arc::new(Rotating::default());
    let shared = Arc::clone(&rotating);
    let limit = GuessLimit::new(3, Duration::from_secs(3600));
    let running = start_with(|endpoint| endpoint.authenticate(shared).guess_limit(limit), |server| server).await;
    for (token, status, asked) in [
        ("Bearer old", 200, 0),
        ("Bearer expired", 401, 0),
        ("Basic new", 401, 0),
        ("Bearer bad", 401, 1),
        ("Bearer unloaded", 401, 1),
        ("Bearer new", 200, 1),
        ("Bearer new", 200, 0),
        // It is checked twice, and it is one guess.
        ("Bearer never", 401, 1),
        ("Bearer bad", 401, 1),
        ("Bearer bad", 429, 1),
        ("Bearer old", 200, 0),
        ("Bearer broken", 500, 1),
    ] {
        let answer = running.ask("POST /echo/negotiate", &[("Authorization", token)]).await;
        assert_eq!(answer.status, status, "{token}");
        assert_eq!(rotating.asked.swap(0, Ordering::Relaxed), asked, "{token}");
    }
}

/// Accepts every client that names itself, and then asks whether it may connect.
struct Confirming;

impl Authenticate for Confirming {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        match bearer_token(request) {
            Some(user) => Authentication::Identified(Identity::user(&*user)),
            None => Authentication::Missing,
        }
    }

    fn confirm(&self, identity: &Identity) -> Option<BoxFuture<Authentication>> {
        let user = identity.user.clone()?;
        if &*user == "ann" {
            return None;
        }
        Some(Box::pin(async move {
            tokio::task::yield_now().await;
            match &*user {
                "bob" => Authentication::Identified(Identity::user("bob")),
                "broken" => panic!("secret"),
                _ => Authentication::Denied(Box::new(
                    Page::text("connected already").status(StatusCode::CONFLICT).into(),
                )),
            }
        }))
    }
}

#[tokio::test]
async fn an_identified_client_waits_for_the_answer_whether_it_may_connect() {
    let running = start_with(|endpoint| endpoint.authenticate(Arc::new(Confirming)), |server| server).await;
    for (token, status, text) in [
        ("Bearer ann", 200, "connectionId"),
        ("Bearer bob", 200, "connectionId"),
        ("Bearer eve", 409, "connected already"),
        ("Bearer broken", 500, ""),
    ] {
        let answer = running.ask("POST /echo/negotiate", &[("Authorization", token)]).await;
        assert_eq!(answer.status, status, "{token}");
        assert!(answer.body.contains(text), "{token}");
        assert!(!answer.body.contains("secret"), "{token}");
    }
}

#[tokio::test]
async fn the_check_of_the_origin_waits_for_the_token_in_the_header_alone() {
    for (query, header, status) in [
        ("", "Authorization: Bearer new", 101),
        ("?access_token=new", "Accept: */*", 403),
        ("?access_token=new", "Authorization: Bearer bad", 403),
        ("", "Authorization: Bearer broken", 500),
    ] {
        let authenticate = |endpoint: Endpoint| endpoint.authenticate(Rotating::default()).origins(Origins::same());
        let running = start_with(authenticate, |server| server).await;
        let (path, lines) = (format!("/echo{query}"), format!("{header}\r\nOrigin: https://evil.example\r\n"));
        assert_eq!(running.upgrade(&path, &lines).await.0, status, "{query} {header}");
    }
}
