//! Publish bodies: each notification is answered with a receipt or a problem, and alike alone and in a batch.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use serde::de::IgnoredAny;
use signalhub_server::fuzzing::Publishing;

thread_local! {
    static PUBLISHING: Publishing = Publishing::start();
}

/// A receipt or a problem.
#[derive(Deserialize)]
struct Answer {
    id: Option<String>,
    status: Option<u16>,
    code: Option<String>,
}

impl Answer {
    /// Returns the status of the answer: 202 for a receipt.
    fn check(&self) -> u16 {
        match (&self.id, self.status, &self.code) {
            (Some(_), None, None) => 202,
            // 422: an earlier input was a CloudEvent with the same source and id.
            (None, Some(status @ (400 | 413 | 422)), Some(_)) => status,
            _ => panic!("neither a receipt nor a problem of a body"),
        }
    }
}

/// Whether a body is valid JSON and not an array.
fn is_one(body: &[u8]) -> bool {
    let json = |body| serde_json::from_str::<IgnoredAny>(body).is_ok();
    body.trim_ascii_start().first() != Some(&b'[') && std::str::from_utf8(body).is_ok_and(json)
}

fuzz_target!(|input: &[u8]| {
    let Some((which, body)) = input.split_first() else { return };
    let (alone, batched) = match which % 4 {
        0 | 1 => ("application/json", Some("application/json")),
        2 => ("application/cloudevents+json", Some("application/cloudevents-batch+json")),
        _ => ("application/cloudevents-batch+json", None),
    };
    PUBLISHING.with(|publishing| {
        let response = publishing.publish(alone, body);
        if response.status == 200 {
            let answers: Vec<Answer> = serde_json::from_slice(&response.body).expect("a batch has an answer for each");
            let items: Vec<IgnoredAny> = serde_json::from_slice(body).expect("what was taken is JSON");
            assert_eq!(answers.len(), items.len());
            answers.iter().for_each(|answer| _ = answer.check());
            return;
        }
        let answer: Answer = serde_json::from_slice(&response.body).expect("the answer is an object");
        assert_eq!(answer.check(), response.status);
        let Some(batched) = batched.filter(|_| is_one(body)) else { return };
        let batch = publishing.publish(batched, &[b"[", body, b"]"].concat());
        let answers: Vec<Answer> = serde_json::from_slice(&batch.body).expect("a batch of one has one answer");
        assert_eq!(answers.iter().map(Answer::check).collect::<Vec<_>>(), [response.status]);
    });
});
