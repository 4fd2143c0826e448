//! Keeps pages of other origins away from what operators use.
//!
//! A page may send simple requests to any origin without seeing the answers (`no-cors`), and without `Origin`. Where reading is free, it could hold
//! the tails of operators open. Browsers say in `Sec-Fetch-Site` where a request comes from, and no page can change that (W3C Fetch Metadata).
//! Clients that are not browsers do not send it.

use http::request::Parts;

use super::problem::{Problem, ProblemCode};

/// Refuses a request that a page of another origin has made.
///
/// # Errors
/// If it is `cross-site` or `same-site`.
pub(super) fn refuse(head: &Parts) -> Result<(), Problem> {
    if has(head, "sec-fetch-site", &["cross-site", "same-site"]) {
        return Err(Problem::new(ProblemCode::Forbidden, "the request comes from a page of another origin"));
    }
    Ok(())
}

/// As [`refuse`], but lets a user follow a link from anywhere, in a window and not in a frame.
///
/// # Errors
/// As [`refuse`].
pub(super) fn refuse_but_links(head: &Parts) -> Result<(), Problem> {
    let is_link = has(head, "sec-fetch-mode", &["navigate"]) && has(head, "sec-fetch-dest", &["document"]);
    if is_link { Ok(()) } else { refuse(head) }
}

/// Tells whether a header has one of these values.
fn has(head: &Parts, name: &str, values: &[&str]) -> bool {
    head.headers.get_all(name).iter().any(|given| values.iter().any(|value| given == value))
}
