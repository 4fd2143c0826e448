//! The recordings' tokens: a name, or a name and how many seconds it is good for.

use std::time::{Duration, SystemTime};

use signalhub::Identity;
use signalhub::connections::{Authenticate, Authentication, RequestHead, bearer_token};

/// Takes `name` or `name;seconds` as a bearer token; `bad` is never valid.
pub(crate) struct NamedToken;

impl Authenticate for NamedToken {
    fn authenticate(&self, request: &RequestHead) -> Authentication {
        let Some(token) = bearer_token(request) else {
            return Authentication::Missing;
        };
        if token == "bad" {
            return Authentication::Invalid("bad token".into());
        }
        let Some((name, seconds)) = token.split_once(';') else {
            return Authentication::Identified(Identity::user(token));
        };
        let lifetime = seconds.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        match lifetime.and_then(|lifetime| SystemTime::now().checked_add(lifetime)) {
            Some(expires) => Authentication::Identified(Identity::user(name).with_expiry(expires)),
            None => Authentication::Invalid("the lifetime is no number of seconds".into()),
        }
    }
}
