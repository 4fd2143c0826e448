//! How sessions end, how many there may be, and how clients without cookies send theirs.

use std::time::Duration;

use signalhub_dialects::smc::{SessionLimits, SessionTracking, Settings};

use crate::support::*;

#[tokio::test]
async fn a_logout_closes_the_sockets_of_its_session_alone() {
    let running = start().await;
    let (cookie, other) = (running.log_in(KEY).await, running.log_in(KEY).await);
    let (mut one, mut two) = (running.open(&cookie).await, running.open(&cookie).await);
    let mut stays = running.open(&other).await;
    stays.subscribe("*").await;
    let answer = running.ask("PUT /7.2/logout", &[("Cookie", &cookie), ("Content-Length", "0")], "").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    for client in [&mut one, &mut two] {
        assert_eq!(client.closed().await, (1008, "the session has ended".to_owned()));
    }
    running.publish(changed("host", 1, 1, "")).await;
    assert!(stays.text().await.starts_with(r#"{"event":"#));
    assert_eq!(running.ask("GET /7.2/api", &[("Cookie", &cookie)], "").await.status, 401);
    assert_eq!(running.ask("PUT /7.2/logout", &[("Cookie", &cookie)], "").await.status, 401);
    assert_eq!(running.open_with("7.2", &[("Cookie", &cookie)]).await.err(), Some(401));
    assert_eq!(running.smc.session_count(), 1);
}

#[tokio::test]
async fn sockets_need_the_cookie_of_a_session() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    for (headers, status) in [
        (&[][..], Some(401)),
        (&[("Cookie", "theme=dark")], Some(401)),
        (&[("Cookie", "JSESSIONID=")], Some(401)),
        (&[("Cookie", "JSESSIONID=00")], Some(401)),
        (&[("Cookie", &cookie.to_uppercase())], Some(401)),
        (&[("Cookie", &format!("theme=dark; {cookie}"))], None),
        // The vendor's examples in Java send an origin.
        (&[("Cookie", &cookie), ("Origin", "https://elsewhere.example")], None),
    ] {
        let opened = running.open_with("7.2", headers).await;
        assert_eq!(opened.err(), status, "{headers:?}");
    }
    // Old cookies are no guesses, so none of them used up the allowance for wrong keys.
    let wrong = r#"{"authenticationkey": "wrong"}"#;
    assert_eq!(running.ask("POST /7.2/login", &[], wrong).await.status, 401);
}

#[tokio::test]
async fn a_session_idles_out_unless_it_has_a_socket() {
    let running = start().await;
    let (cookie, with_socket) = (running.log_in(KEY).await, running.log_in(KEY).await);
    let mut client = running.open(&with_socket).await;
    client.subscribe("host").await;
    pass(Duration::from_secs(30 * 60)).await;
    assert_eq!(running.ask("GET /7.2/api", &[("Cookie", &cookie)], "").await.status, 401);
    assert_eq!(running.ask("GET /7.2/api", &[("Cookie", &with_socket)], "").await.status, 200);
    assert_eq!(running.smc.session_count(), 1);
}

#[tokio::test]
async fn logins_beyond_the_limits_are_refused() {
    let limited = |limits: SessionLimits| move |settings: &mut Settings| settings.session_limits = limits;
    let many = 100;
    for (limits, status) in [
        (SessionLimits { total: 2, per_account: many, per_address: many }, 503),
        (SessionLimits { total: many, per_account: 2, per_address: many }, 429),
        (SessionLimits { total: many, per_account: many, per_address: 2 }, 429),
    ] {
        let running = start_with(limited(limits), |server| server, |endpoint| endpoint).await;
        let cookie = running.log_in(KEY).await;
        running.log_in(KEY).await;
        let body = format!(r#"{{"authenticationkey": "{KEY}"}}"#);
        let answer = running.ask("POST /7.2/login", &[], &body).await;
        assert_eq!((answer.status, answer.header("retry-after")), (status, Some("5")), "{limits:?}");
        assert_eq!(answer.header("set-cookie"), None);
        running.ask("PUT /7.2/logout", &[("Cookie", &cookie)], "").await;
        running.log_in(KEY).await;
    }
}

#[tokio::test]
async fn tokens_take_the_place_of_cookies() {
    let set = |settings: &mut Settings| settings.session_tracking = SessionTracking::Tokens;
    let running = start_with(set, |server| server, |endpoint| endpoint).await;
    let answer = running.ask("POST /7.2/login", &[], &format!(r#"{{"authenticationkey": "{KEY}"}}"#)).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    let token = answer.header("authorization").unwrap().to_owned();
    assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "it can be offered as a subprotocol");
    // The client sends no token for the entry points and the logout.
    assert_eq!(running.ask("GET /7.2/api", &[], "").await.status, 200);
    assert_eq!(running.ask("PUT /7.2/logout", &[], "").await.status, 401);
    assert_eq!(running.ask("GET /7.2/current_user", &[], "").await.status, 401);
    assert_eq!(running.ask("GET /7.2/current_user", &[("Authorization", &token)], "").await.status, 200);
    for offers in [format!("access_token,{token}"), format!("{token}, access_token")] {
        let mut client = running.open_with("7.2", &[("Sec-WebSocket-Protocol", &offers)]).await.unwrap();
        assert_eq!(client.subscribe("*").await, 0);
    }
    for offers in ["access_token", "access_token,00", "00"] {
        let refused = running.open_with("7.2", &[("Sec-WebSocket-Protocol", offers)]).await;
        assert_eq!(refused.err(), Some(401), "{offers}");
    }
    let mut client = running.open_with("7.2", &[("Authorization", &token)]).await.unwrap();
    assert_eq!(running.ask("PUT /7.2/logout", &[("Authorization", &token)], "").await.status, 204);
    assert_eq!(client.closed().await.0, 1008);
}
