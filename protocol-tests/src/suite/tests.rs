use serde_json::json;

use super::*;
use crate::script::{Act, say, server};

const RECORDING: &str = r#"{"scenarios": [
    {"id": "one/plain", "title": "a request", "steps": [
        {"do": "request", "path": "/a", "expect": {"status": 200, "headers": {}, "body": {"text": "hello"}}}]},
    {"id": "one/loud", "title": "SendAll", "steps": [{"do": "sleep", "ms": 0}]},
    {"id": "one/more", "needs": ["streams"], "steps": [{"do": "sleep", "ms": 0}]}
]}"#;

fn suite(recording: &str) -> Suite {
    Suite::new(vec![Family::parse("one", recording).unwrap().unwrap()])
}

/// Runs a suite against a server that says hello once.
async fn run(suite: Suite) -> Report {
    let hello = vec![Act::Hear(b"\r\n\r\n"), say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")];
    let (address, _served) = server(vec![vec![], hello]).await;
    suite.run(&address).await.unwrap()
}

fn deviations(id: &str, step: usize, expect: &Value) -> Deviations {
    let deviation = json!({"id": id, "step": step, "expect": expect, "reason": "we can"});
    serde_json::from_value(json!({ "deviations": [deviation] })).unwrap()
}

#[tokio::test]
async fn a_server_that_answers_as_recorded_passes() {
    let report = run(suite(RECORDING).supports([]).unwrap().jobs(0)).await;
    assert_eq!((report.passed(), report.failed(), report.not_due()), (2, 0, 1), "{report}");
    let ids: Vec<&str> = report.outcomes().map(|outcome| outcome.id.as_str()).collect();
    assert_eq!(ids, ["one/plain", "one/loud"]);
}

#[tokio::test]
async fn an_altered_recording_fails_and_says_where() {
    let report = run(suite(&RECORDING.replace("\"hello\"", "\"hallo\""))).await;
    assert_eq!((report.passed(), report.failed(), report.not_due()), (2, 1, 0));
    let text = report.to_string();
    for part in [
        "FAIL one/plain - a request (",
        "\n  step 0 request: .body.text\n      wanted \"hallo\"\n      got    \"hello\"\n",
        "\none           2 passed    1 failed    0 not due",
        "\n2 passed, 1 failed, 0 not due in ",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[test]
fn whatever_is_unexpected_fails_in_every_recording() {
    for scenario in Family::embedded().unwrap().iter().flat_map(|family| &family.scenarios) {
        let answers: Vec<Option<Value>> = scenario.steps.iter().map(|step| step.expect.clone()).collect();
        let plain = answers.iter().flatten().all(|answer| !answer.to_string().contains("<regex>"));
        let none = Deviations::default();
        assert!(!plain || judge(scenario, &answers, &none).is_empty(), "{}", scenario.id);
        for i in 0..answers.len() {
            let mut altered = answers.clone();
            if let Some(answer) = &mut altered[i] {
                answer["unexpected"] = json!(1);
                assert!(!judge(scenario, &altered, &none).is_empty(), "{}", scenario.id);
            }
        }
    }
}

#[tokio::test]
async fn a_deviation_takes_the_place_of_the_recording() {
    let ours = json!({"status": 200, "headers": {}, "body": {"text": "hello"}});
    let altered = suite(&RECORDING.replace("\"hello\"", "\"hallo\""));
    let report = run(altered.clone().deviations(deviations("one/plain", 0, &ours)).unwrap()).await;
    assert_eq!(report.failed(), 0, "{report}");
    let report = run(altered.deviations(deviations("one/plain", 0, &json!({"status": 200}))).unwrap()).await;
    assert_eq!(report.failed(), 1, "{report}");
}

#[tokio::test]
async fn a_stale_deviation_fails() {
    let report = run(suite(RECORDING).deviations(deviations("one/plain", 0, &json!(1))).unwrap()).await;
    assert_eq!(report.failed(), 1);
    let text = report.to_string();
    assert!(text.contains("step 0 request: stale deviation: the recording itself passes (we can)"), "{text}");
}

#[test]
fn selections_that_mean_nothing_are_refused() {
    let suite = || suite(RECORDING);
    let known = NEEDS.join(", ");
    let name = "fly".to_owned();
    assert_eq!(suite().supports(["fly"]).unwrap_err(), SelectionError::UnknownNeed { name, known });
    assert_eq!(suite().only("two").unwrap_err(), SelectionError::NothingSelected("two".to_owned()));
    for (id, step) in [("one/none", 0), ("one/plain", 1), ("one/loud", 0)] {
        let error = suite().deviations(deviations(id, step, &json!(1))).unwrap_err();
        let id = id.to_owned();
        assert_eq!(error, SelectionError::UnknownStep { id, step });
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_gives_one_error() {
    let (address, served) = server(vec![]).await;
    served.await.unwrap();
    let error = Suite::embedded().unwrap().run(&address).await.unwrap_err().to_string();
    assert!(error.starts_with(&format!("no server answers at {}: ", address.authority())), "{error}");
}

#[tokio::test]
async fn only_counts_what_it_selects() {
    let report = run(suite(RECORDING).only("one/m").unwrap()).await;
    assert_eq!((report.passed(), report.not_due()), (1, 0));
}

#[test]
fn the_folder_of_recordings_is_what_is_embedded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("recordings");
    assert_eq!(Suite::from_dir(&folder).unwrap().families, Family::embedded().unwrap());
    assert!(Suite::from_dir(&folder.join("none")).is_err());
}

#[test]
fn deviations_of_the_project_fit_the_recordings() {
    Suite::embedded().unwrap().deviations(Deviations::embedded().unwrap()).unwrap();
}
