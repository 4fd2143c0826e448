//! The REST routes, as the vendor's Python client calls them.

use signalhub_connections::ClientError;
use tokio::net::TcpStream;

use crate::support::*;

#[tokio::test]
async fn the_list_names_versions_of_two_numbers_oldest_first() {
    let running = start().await;
    let answer = running.ask("GET /api", &[], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let listed: Vec<_> =
        answer.json()["version"].as_array().unwrap().iter().map(|entry| entry["rel"].clone()).collect();
    assert_eq!(listed, ["6.5", "7.2", "7.10"]);
    assert_eq!(answer.json()["version"][1]["href"], format!("{}/api", running.url()));
}

#[tokio::test]
async fn a_version_of_three_numbers_is_served_all_the_same() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    for (version, status) in [("7.2.1", 200), ("7.2", 200), ("6.5", 200), ("7.3", 404), ("7.2.2", 404), ("7", 404)] {
        let answer = running.ask(&format!("GET /{version}/api"), &[("Cookie", &cookie)], "").await;
        assert_eq!(answer.status, status, "{version}");
    }
    let mut client = running.open_with("7.2.1", &[("Cookie", &cookie)]).await.unwrap();
    client.subscribe("*").await;
    running.publish(changed("host", 1, 1732, "")).await;
    let href = format!("http://{}/7.2.1/elements/host/1732", running.address);
    assert_eq!(
        client.text().await,
        format!(r#"{{"event":{{"type":"create","element":"{href}"}},"subscription_id":0}}"#)
    );
}

#[tokio::test]
async fn a_login_sets_one_session_cookie_for_all_paths() {
    let running = start().await;
    let body = r#"{"domain": "Shared Domain", "authenticationkey": "the key of a client of the tests", "beta": true}"#;
    let answer = running.ask("POST /7.2/login", &[("Cookie", "JSESSIONID=old; theme=dark")], body).await;
    assert_eq!(answer.status, 200);
    let cookies: Vec<_> = answer.head.iter().filter(|(name, _)| name == "set-cookie").collect();
    let [(_, cookie)] = cookies[..] else { panic!("{cookies:?}") };
    let parts: Vec<_> = cookie.split("; ").collect();
    let token = parts[0].strip_prefix("JSESSIONID=").unwrap();
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    // No Expires and no Max-Age, with which the client would change to tokens, and no Secure on http.
    assert_eq!(parts[1..], ["Path=/", "HttpOnly", "SameSite=Strict"]);
    assert_eq!(answer.header("authorization"), None);
}

#[tokio::test]
async fn credentials_are_checked_and_guessing_is_slowed_down() {
    let running = start().await;
    let login = |key: &str| format!(r#"{{"authenticationkey": "{key}"}}"#);
    for (line, body, status) in [
        ("POST /7.2/login", login(KEY), 200),
        ("POST /7.2/login", login("short"), 200),
        ("POST /7.2/login", login("wrong"), 401),
        (
            "POST /7.2/lms_login?login=admin&pwd=pass%20word%26&domain=Shared+Domain",
            r#"{"domain": "x"}"#.to_owned(),
            200,
        ),
        ("POST /7.2/lms_login?login=admin&pwd=pass+word%26", String::new(), 200),
        ("POST /7.2/lms_login?login=admin&pwd=wrong", String::new(), 401),
        ("POST /7.2/lms_login?login=other&pwd=pass+word%26", String::new(), 401),
        ("POST /7.2/login", String::new(), 400),
        ("POST /7.2/login", "[]".to_owned(), 400),
        ("POST /7.2/login", r#"{"authenticationkey": 7}"#.to_owned(), 400),
        ("POST /7.2/lms_login?login=admin", String::new(), 400),
        // The allowance of three wrong ones is used up.
        ("POST /7.2/login", login("wrong"), 429),
        ("POST /7.2/lms_login?login=admin&pwd=pass+word%26", String::new(), 429),
        ("POST /7.2/login", login("short"), 429),
        // A key that cannot be guessed is accepted all the same.
        ("POST /7.2/login", login(KEY), 200),
    ] {
        let answer = running.ask(line, &[], &body).await;
        assert_eq!(answer.status, status, "{line} {body}: {answer:?}");
        assert_eq!(answer.header("retry-after").is_some(), status == 429);
        if status != 200 {
            let text = answer.json();
            assert!(text["message"].is_string() && !answer.body.contains("pass word"), "{text}");
        }
    }
    assert_eq!(running.counts.refusals().failed_authentications, 3);
}

#[tokio::test]
async fn passwords_that_are_guessed_at_once_are_limited_as_others() {
    let running = start().await;
    let mut lines: Vec<String> = (0..20).map(|n| format!("POST /7.2/lms_login?login=admin&pwd=wrong{n}")).collect();
    // It comes behind more wrong ones than are allowed, so it must not be found.
    lines.push("POST /7.2/lms_login?login=admin&pwd=pass+word%26".to_owned());
    let mut sockets = Vec::new();
    for line in &lines {
        let mut socket = TcpStream::connect(running.address).await.unwrap();
        send_on(&mut socket, line, &[], "").await;
        sockets.push(socket);
    }
    let mut statuses = Vec::new();
    for socket in &mut sockets {
        statuses.push(read_answer(socket).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 3, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 18, "{statuses:?}");
}

#[tokio::test]
async fn entry_points_name_what_clients_need_and_may_see() {
    let running = start().await;
    for (key, types) in [(KEY, &["host", "network", "router"][..]), (NORTH_KEY, &["host"])] {
        let cookie = running.log_in(key).await;
        let answer = running.ask("GET /7.2/api", &[("Cookie", &cookie)], "").await.json();
        let points = answer["entry_point"].as_array().unwrap();
        let rels: Vec<_> = points.iter().map(|point| point["rel"].as_str().unwrap()).collect();
        assert_eq!(rels, [&["current_user", "login", "lms_login", "logout"], types].concat());
        let point = |rel: &str| points.iter().find(|point| point["rel"] == rel).unwrap();
        assert_eq!(
            point("logout"),
            &serde_json::json!({ "rel": "logout", "href": format!("{}/logout", running.url()), "method": "PUT" })
        );
        assert_eq!(point("host")["href"], format!("{}/elements/host", running.url()));
    }
    assert_eq!(running.ask("GET /7.2/api", &[], "").await.status, 401);
}

#[tokio::test]
async fn the_current_user_is_found_by_requests_with_bodies_on_one_socket() {
    let running = start().await;
    let mut socket = TcpStream::connect(running.address).await.unwrap();
    for (login, body, name, kind) in [
        ("POST /7.2/login", format!(r#"{{"authenticationkey": "{KEY}"}}"#), "client", "api_client"),
        ("POST /7.2/lms_login?login=admin&pwd=pass+word%26", "{}".to_owned(), "admin", "admin_user"),
    ] {
        let answer = ask_on(&mut socket, login, &[], &body).await;
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let cookie = [("Cookie", cookie.as_str())];
        let user = ask_on(&mut socket, "GET /7.2/current_user", &cookie, "").await.json();
        let href = user["value"].as_str().unwrap();
        let path = href.strip_prefix(&format!("http://{}", running.address)).unwrap();
        let element = ask_on(&mut socket, &format!("GET {path}"), &cookie, "{}").await;
        let link = serde_json::json!([{ "href": href, "rel": "self", "type": kind }]);
        assert_eq!(element.json(), serde_json::json!({ "name": name, "link": link }));
    }
}

#[tokio::test]
async fn elements_are_what_their_publisher_gave_with_the_last_event() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    let north = running.log_in(NORTH_KEY).await;
    let body = r#"{"name": "web",  "link": []}"#;
    running.publish(changed("host", 1, 7, &format!(r#","body":{body}"#))).await;
    running.publish(changed("network", 1, 8, r#","body":{}"#)).await;
    running.publish(changed("host", 1, 9, r#","body":{"of":"north"}"#).with_organisation("north".into())).await;
    let get =
        async |target: &str, cookie: &str| running.ask(&format!("GET {target}"), &[("Cookie", cookie)], "{}").await;
    let answer = get("/7.2/elements/host/7", &cookie).await;
    // Exactly so: with a charset behind it, the client does not read the body.
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.body, body);
    for (target, cookie, status) in [
        ("/7.2.1/elements/host/7", &cookie, 200),
        ("/7.2/elements/host/9", &cookie, 404),
        ("/7.2/elements/host/9", &north, 200),
        ("/7.2/elements/network/8", &cookie, 200),
        ("/7.2/elements/network/8", &north, 404),
        ("/7.2/elements/host/1", &cookie, 404),
        ("/7.2/elements/host", &cookie, 404),
        ("/7.2/elements/host/7", &"JSESSIONID=other".to_owned(), 401),
    ] {
        assert_eq!(get(target, cookie).await.status, status, "{target}");
    }
    running.publish(changed("host", 3, 7, "")).await;
    assert_eq!(get("/7.2/elements/host/7", &cookie).await.status, 404);
}

#[tokio::test]
async fn other_requests_are_told_what_is_wrong_and_counted() {
    let running = start().await;
    let cookie = running.log_in(KEY).await;
    for (line, body, status) in [
        ("GET /", "", 404),
        ("GET /7.2", "", 404),
        ("GET /7.2/other", "", 404),
        ("GET /7.2/elements/host/1/2", "", 404),
        ("POST /api", "", 405),
        ("GET /7.2/login", "", 405),
        ("GET /7.2/logout", "", 405),
        ("DELETE /7.2/elements/host/1", "", 405),
        ("GET /7.2/notification/socket", "", 400),
        ("POST /7.2/login", &"x".repeat(64 * 1024 + 1), 413),
    ] {
        let answer = running.ask(line, &[("Cookie", &cookie)], body).await;
        assert_eq!(answer.status, status, "{line}: {answer:?}");
        assert!(answer.json()["message"].is_string() && answer.json()["details"].is_string());
        assert_eq!(answer.header("allow").is_some(), status == 405);
    }
    running.ask("GET /7.2/current_user", &[], "").await;
    running.ask("GET /7.2/current_user", &[("Cookie", "JSESSIONID=00")], "").await;
    running.ask("POST /7.2/login", &[], r#"{"authenticationkey": "wrong"}"#).await;
    for (error, count) in [
        (ClientError::UnknownPath, 4),
        (ClientError::MethodNotAllowed, 4),
        (ClientError::BrokenBody, 1),
        (ClientError::MissingCredentials, 1),
        (ClientError::ExpiredCredentials, 1),
        (ClientError::InvalidCredentials, 1),
    ] {
        assert_eq!(running.counts.client_errors(error), count, "{}", error.label());
    }
    assert_eq!(running.counts.refusals().large_bodies, 1);
}

#[tokio::test]
async fn links_begin_with_the_public_url_if_there_is_one() {
    let set = |settings: &mut signalhub_dialects::smc::Settings| {
        settings.public_url = Some("https://smc.example.com".to_owned());
    };
    let running = start_with(set, |server| server, |endpoint| endpoint).await;
    let answer = running.ask("GET /api", &[], "").await;
    assert_eq!(answer.json()["version"][0]["href"], "https://smc.example.com/6.5/api");
    let mut client = running.open(&running.log_in(KEY).await).await;
    client.subscribe("*").await;
    running.publish(changed("host", 2, 1, "")).await;
    assert!(client.text().await.contains(r#""element":"https://smc.example.com/7.2/elements/host/1""#));
}
