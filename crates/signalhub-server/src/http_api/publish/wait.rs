//! What a publish waits for: the parameter `wait`.

use http::Uri;
use portos_notifications::Wait;

use crate::http_api::parameters::Parameters;
use crate::http_api::problem::{Problem, ProblemCode};

/// Reads the parameter.
pub(super) fn read(uri: &Uri) -> Result<Wait, Problem> {
    let parameters = Parameters::of(uri);
    let invalid = |detail: String| Problem::new(ProblemCode::InvalidWait, detail);
    match parameters.value("wait") {
        Ok(None) => Ok(Wait::default()),
        Ok(Some(text)) => text.parse().map_err(|error| invalid(format!("wait: {error}, found \"{text}\""))),
        Err(error) => Err(invalid(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publish_waits_for_what_it_asks_for() {
        for (query, expected) in [
            ("", Ok(Wait::Accepted)),
            ("?", Ok(Wait::Accepted)),
            ("?x=1&wait=accepted", Ok(Wait::Accepted)),
            ("?wait=durable", Ok(Wait::Durable)),
            ("?wait=matched", Ok(Wait::Matched)),
            ("?%77ait=delivere%64&wai=1", Ok(Wait::Delivered)),
            ("?wait", Err("found \"\"")),
            ("?wait=", Err("found \"\"")),
            (
                "?wait=Durable",
                Err("wait: expected \"accepted\", \"durable\", \"matched\" or \"delivered\", found \"Durable\""),
            ),
            ("?wait=durable&wait=durable", Err("wait: expected one value, found several")),
        ] {
            let read = read(&format!("/api/v1/publish{query}").parse().unwrap());
            match expected {
                Ok(wait) => assert_eq!(read, Ok(wait), "{query}"),
                Err(detail) => {
                    let problem = read.unwrap_err();
                    assert_eq!(problem.code, ProblemCode::InvalidWait);
                    assert!(problem.detail.contains(detail), "{query}: {}", problem.detail);
                }
            }
        }
    }
}
