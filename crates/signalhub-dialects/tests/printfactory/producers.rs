//! The REST producers.

use std::time::Duration;

use signalhub_connections::{ClientError, GuessLimit, Rate};
use signalhub_dialects::printfactory::{JOB_CHANGED, KeyChange, Notifications};

use crate::support::{start, start_with};

const DEVICE: &str = "8F1D80AB-06D5-43F8-A015-20347D9DE22C";
const DEVICE_PATH: &str = "/api/v2/device/status";
const JOB_PATH: &str = "/api/v2/job/status";

#[tokio::test]
async fn what_producers_post_reaches_their_organisation() {
    let dialect = start().await;
    let (key, other) = (dialect.key("acme", "ann"), dialect.key("other", "ann"));
    let (mut client, mut apart) = (dialect.connect(&key).await, dialect.connect(&other).await);
    let updated = (200, "{\"Message\":\"Device status successfully updated\"}".to_owned());
    for (body, message) in [
        (format!("{{\"DeviceGUID\":\"{DEVICE}\"}}"), format!("{{\"DeviceGUID\":\"{DEVICE}\"}}")),
        (
            format!(
                "{{\"QueueLength\":{{\"Type\":\"Area\",\"Value\":3}},\"Other\":{{}},\"Temperature\":null,\"Status\":\"Idle\",\"DeviceGUID\":\"{DEVICE}\"}}"
            ),
            format!(
                "{{\"DeviceGUID\":\"{DEVICE}\",\"Status\":\"Idle\",\"QueueLength\":[{{\"Type\":\"Area\",\"Value\":3}}]}}"
            ),
        ),
        (
            format!(
                "{{\"DeviceGUID\":\"{DEVICE}\",\"RemainingInks\":[{{\"Level\":4,\"MaxLevel\":null,\"InkName\":\"Cyan\"}},null]}}"
            ),
            format!("{{\"DeviceGUID\":\"{DEVICE}\",\"RemainingInks\":[{{\"InkName\":\"Cyan\",\"Level\":4}}]}}"),
        ),
    ] {
        assert_eq!(dialect.post(DEVICE_PATH, Some(key.reveal()), &body).await, updated, "{body}");
        assert_eq!(client.text().await, message);
    }
    let body = format!(
        "{{\"JobGUID\":\"{DEVICE}\",\"StatusSpooler\":\"Processing\",\"Progress\":40,\"ProgressLabel\":\"p\"}}"
    );
    let saved = (200, "{\"Message\":\"Job successfully saved\"}".to_owned());
    assert_eq!(dialect.post(JOB_PATH, Some(key.reveal()), &body).await, saved);
    assert_eq!(client.text().await, format!("{{\"JobGUID\":\"{DEVICE}\"}}"));
    // The other organisation has got nothing of it.
    dialect.publish(JOB_CHANGED, format!("{{\"JobGUID\":\"{DEVICE}\"}}"), "other").await;
    assert_eq!(apart.text().await, format!("{{\"JobGUID\":\"{DEVICE}\"}}"));
}

#[tokio::test]
async fn wrong_requests_of_producers_get_the_documented_answers() {
    let dialect = start().await;
    let key = dialect.key("acme", "ann");
    dialect.keys.change("acme", "ann", KeyChange::Notifications(Notifications::Off)).await.unwrap();
    let key = Some(key.reveal());
    let large = format!("{{\"DeviceGUID\":\"{DEVICE}\",\"Message\":\"{}\"}}", "x".repeat(64 * 1024));
    for (path, key, body, status, message) in [
        (DEVICE_PATH, None, "{}", 401, "\\\"MisKey\\\" header is required"),
        (DEVICE_PATH, Some("x"), "{}", 401, "Invalid MisKey"),
        (DEVICE_PATH, key, "{}", 400, "\\\"DeviceGUID\\\" value required"),
        (JOB_PATH, key, "{\"JobGUID\":null}", 400, "\\\"JobGUID\\\" value required"),
        (DEVICE_PATH, key, "{\"DeviceGUID\":\"1\"}", 404, "DeviceGUID is not found"),
        (JOB_PATH, key, "{\"JobGUID\":\"1\"}", 404, "JobGUID is not found"),
        (
            DEVICE_PATH,
            key,
            "[]",
            400,
            "Expected a JSON object: invalid type: sequence, expected a map at line 1 column 0",
        ),
        (
            JOB_PATH,
            key,
            "{\"JobGUID\":\"8F1D80AB-06D5-43F8-A015-20347D9DE22C\",\"Progress\":101}",
            400,
            "\\\"Progress\\\": expected a whole number from 0 to 100",
        ),
        (DEVICE_PATH, key, &large, 413, "The body may have 65536 bytes"),
        ("/api/v2/nester", key, "{}", 404, "Not found"),
    ] {
        let expected = (status, format!("{{\"Message\":\"{message}\"}}"));
        assert_eq!(dialect.post(path, key, body).await, expected, "{path} {:.60}", body);
    }
    for (error, count) in [
        (ClientError::MissingCredentials, 1),
        (ClientError::InvalidCredentials, 1),
        (ClientError::InvalidBody, 6),
        (ClientError::UnknownPath, 1),
    ] {
        assert_eq!(dialect.counts.client_errors(error), count, "{}", error.label());
    }
    assert_eq!(dialect.counts.refusals().large_bodies, 1);
    // A key without notifications still publishes.
    let body = format!("{{\"DeviceGUID\":\"{DEVICE}\"}}");
    assert_eq!(dialect.post(DEVICE_PATH, key, &body).await.0, 200);
}

#[tokio::test]
async fn each_key_has_an_allowance_of_its_own() {
    let rate = Rate::new(2, Duration::from_secs(3600));
    let dialect = start_with(|dialect| dialect.publish_rate(rate), |endpoint| endpoint).await;
    let (key, other) = (dialect.key("acme", "ann"), dialect.key("acme", "bob"));
    let body = format!("{{\"JobGUID\":\"{DEVICE}\"}}");
    let mut statuses = Vec::new();
    for key in [&key, &key, &key, &other] {
        statuses.push(dialect.post(JOB_PATH, Some(key.reveal()), &body).await.0);
    }
    assert_eq!(statuses, [200, 200, 429, 200]);
    assert_eq!(dialect.counts.refusals().publishes, 1);
}

#[tokio::test]
async fn wrong_keys_beyond_the_limit_are_counted() {
    let guesses = GuessLimit::new(2, Duration::from_secs(3600));
    let dialect = start_with(|dialect| dialect.guess_limit(guesses), |endpoint| endpoint).await;
    for status in [401, 401, 429, 429] {
        assert_eq!(dialect.post(JOB_PATH, Some("wrong"), "{}").await.0, status);
    }
    let counts = &dialect.counts;
    assert_eq!(
        (counts.client_errors(ClientError::InvalidCredentials), counts.refusals().failed_authentications),
        (2, 2)
    );
}
