//! Reading and acting, guessed tokens, and pages of other sites.

use std::net::Ipv4Addr;

use http::Request;
use signalhub::connections::RemoteAddress;
use tokio::time::Instant;

use super::*;
use crate::development::Development;

const TOKEN: &str = "a token of operators with enough bytes";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn access(token: Option<&str>, address: IpAddr) -> Access {
    let mut configuration = Configuration::default();
    configuration.admin.token = token.and_then(SigningSecret::new);
    Access::new(&configuration, None, address)
}

fn head(method: Method, headers: &[(&str, &str)]) -> Parts {
    let request = Request::builder().method(method).uri("http://localhost:3001/admin/api/v1/x");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let (mut head, ()) = request.body(()).unwrap().into_parts();
    head.extensions.insert(RemoteAddress::new(ELSEWHERE));
    head
}

async fn verdict(access: &Access, right: Right, head: &Parts) -> &'static str {
    access.check(head, right).await.map_or_else(|problem| problem.code.code(), |()| "allowed")
}

#[tokio::test]
async fn reading_is_free_on_loopback_without_a_token_and_acting_never_is() {
    let bearer = format!("Bearer {TOKEN}");
    let with_token = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for (token, address, reads, reads_with_token, acts, acts_with_token) in [
        (None, LOOPBACK, "allowed", "allowed", "forbidden", "forbidden"),
        (None, ELSEWHERE, "forbidden", "forbidden", "forbidden", "forbidden"),
        (Some(TOKEN), LOOPBACK, "admin_unauthenticated", "allowed", "admin_unauthenticated", "allowed"),
        (Some(TOKEN), ELSEWHERE, "admin_unauthenticated", "allowed", "admin_unauthenticated", "allowed"),
    ] {
        let access = access(token, address);
        let json = [("content-type", "application/json")];
        let verdicts = [
            verdict(&access, Right::Reading, &head(Method::GET, &[])).await,
            verdict(&access, Right::Reading, &head(Method::GET, &with_token)).await,
            verdict(&access, Right::Acting, &head(Method::POST, &json)).await,
            verdict(&access, Right::Acting, &head(Method::POST, &with_token)).await,
        ];
        assert_eq!(verdicts, [reads, reads_with_token, acts, acts_with_token], "{token:?} {address}");
        let may_look = token.is_some() || address.is_loopback();
        assert_eq!(access.check_configured().is_ok(), may_look, "{token:?} {address}");
    }
}

#[tokio::test]
async fn the_token_of_development_mode_is_for_acting_only() {
    let mut configuration = Configuration::default();
    Development::begin(&mut configuration).await.unwrap().unwrap();
    let access = Access::new(&configuration, None, LOOPBACK);
    assert_eq!(verdict(&access, Right::Reading, &head(Method::GET, &[])).await, "allowed");
    assert_eq!(verdict(&access, Right::Acting, &head(Method::GET, &[])).await, "admin_unauthenticated");
    let bearer = format!("Bearer {}", configuration.admin.token.unwrap().reveal());
    assert_eq!(verdict(&access, Right::Acting, &head(Method::GET, &[("authorization", &bearer)])).await, "allowed");
}

#[tokio::test]
async fn a_change_needs_json_and_no_foreign_origin() {
    let access = access(Some(TOKEN), LOOPBACK);
    let bearer = format!("Bearer {TOKEN}");
    for (content_type, origin, expected) in [
        ("application/json", None, "allowed"),
        ("Application/JSON; charset=utf-8", None, "allowed"),
        ("application/json", Some("http://localhost:3001"), "allowed"),
        ("text/plain", None, "unsupported_media_type"),
        ("application/x-www-form-urlencoded", None, "unsupported_media_type"),
        ("application/jsonp", None, "unsupported_media_type"),
        ("application/json", Some("http://localhost:3002"), "forbidden"),
        ("application/json", Some("http://localhost"), "forbidden"),
        ("application/json", Some("https://evil.example"), "forbidden"),
        ("application/json", Some("null"), "forbidden"),
    ] {
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", content_type)];
        headers.push(("host", "localhost:3001"));
        headers.extend(origin.map(|origin| ("origin", origin)));
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let verdict = verdict(&access, Right::Acting, &head(method, &headers)).await;
            assert_eq!(verdict, expected, "{content_type} {origin:?}");
        }
        assert_eq!(verdict(&access, Right::Reading, &head(Method::GET, &headers)).await, "allowed");
    }
    let without_token = head(Method::POST, &[("origin", "https://evil.example"), ("content-type", "text/plain")]);
    assert_eq!(verdict(&access, Right::Acting, &without_token).await, "forbidden");
    let without_type = head(Method::DELETE, &[("authorization", &bearer)]);
    assert_eq!(verdict(&access, Right::Acting, &without_type).await, "unsupported_media_type");
}

#[tokio::test]
async fn a_page_of_another_origin_may_not_read_even_if_reading_is_free() {
    let bearer = format!("Bearer {TOKEN}");
    for (site, expected) in
        [("cross-site", "forbidden"), ("same-site", "forbidden"), ("same-origin", "allowed"), ("none", "allowed")]
    {
        let headers = [("sec-fetch-site", site), ("authorization", &bearer), ("content-type", "application/json")];
        // A link is none, too: the API has nothing for windows.
        let link = [&headers[..], &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")]].concat();
        for access in [access(None, LOOPBACK), access(Some(TOKEN), LOOPBACK)] {
            assert_eq!(verdict(&access, Right::Reading, &head(Method::GET, &headers)).await, expected, "{site}");
            assert_eq!(verdict(&access, Right::Reading, &head(Method::GET, &link)).await, expected, "{site}");
        }
        let access = access(Some(TOKEN), LOOPBACK);
        assert_eq!(verdict(&access, Right::Acting, &head(Method::POST, &headers)).await, expected, "{site}");
    }
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_are_answered_late_after_five_of_one_address_and_the_right_one_is_not() {
    let access = access(Some(TOKEN), ELSEWHERE);
    let took = async |token: &str, from: IpAddr| {
        let mut head = head(Method::GET, &[("authorization", &format!("Bearer {token}"))]);
        head.extensions.insert(RemoteAddress::new(from));
        let start = Instant::now();
        let verdict = verdict(&access, Right::Reading, &head).await;
        (verdict, start.elapsed().as_secs())
    };
    for _ in 0..5 {
        assert_eq!(took("wrong", ELSEWHERE).await, ("admin_unauthenticated", 0));
    }
    for _ in 0..3 {
        assert_eq!(took("wrong", ELSEWHERE).await, ("admin_unauthenticated", 1));
    }
    assert_eq!(took(TOKEN, ELSEWHERE).await, ("allowed", 0));
    assert_eq!(took("wrong", LOOPBACK).await, ("admin_unauthenticated", 0));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_answers_that_are_delayed_is_limited() {
    let access = access(Some(TOKEN), ELSEWHERE);
    let guesses = (0..5 + MOST_DELAYED + 10).map(|_| async {
        verdict(&access, Right::Reading, &head(Method::GET, &[("authorization", "Bearer wrong")])).await
    });
    let verdicts = futures_util::future::join_all(guesses).await;
    let count = |wanted: &str| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    assert_eq!((count("admin_unauthenticated"), count("too_many_failures")), (5 + MOST_DELAYED, 10));
}
