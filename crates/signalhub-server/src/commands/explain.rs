//! `signalhub explain`.

use std::io::{self, Write};

use clap::{ArgGroup, Args};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::commands::admin_client::AdminArguments;
use crate::commands::error::CommandError;
use crate::commands::sources::Sources;
use crate::log::escaped_lines;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("client").required(true).args(["user", "connection"])))]
pub(crate) struct Arguments {
    /// The name of the event
    #[arg(long)]
    event: String,
    /// The resource that the event is about
    #[arg(long, conflicts_with = "position")]
    resource: Option<String>,
    /// What happened to the resource: created, updated or deleted
    #[arg(long, value_parser = ["created", "updated", "deleted"], conflicts_with = "position")]
    action: Option<String>,
    /// The organisation of the event
    #[arg(long, conflicts_with = "position")]
    org: Option<String>,
    /// The position of one of the last 100 events: tells what did happen to it
    #[arg(long)]
    position: Option<String>,
    /// The user whose connections are explained
    #[arg(long)]
    user: Option<String>,
    /// The id of the connection that is explained
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    connection: Option<String>,
    /// Print the answer as one line of JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArguments,
}

/// The question, as the server reads it.
#[derive(Debug, Serialize)]
struct Question<'a> {
    event: &'a str,
    resource: Option<&'a str>,
    action: Option<&'a str>,
    organisation: Option<&'a str>,
    position: Option<&'a str>,
    user: Option<&'a str>,
    connection: Option<&'a str>,
}

#[derive(Debug, Deserialize)]
struct Explanation {
    delivered: bool,
    steps: Vec<Step>,
    /// The nodes of a cluster that did not answer.
    #[serde(default)]
    missing: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Step {
    step: String,
    /// The node of a cluster that tells it.
    node: Option<String>,
    connection: Option<String>,
    outcome: String,
    detail: Option<String>,
}

/// Asks a server, and prints the steps. The exit code is 0 if the event is delivered, 1 if it is not, and 2 if there is no answer
/// or it is not known.
pub(crate) async fn run(sources: &Sources, arguments: Arguments) -> Result<(), CommandError> {
    let no_answer = |error: &dyn std::fmt::Display| CommandError::NoAnswer(error.to_string());
    let Arguments { event, resource, action, org, position, user, connection, json, admin } = &arguments;
    let question = Question {
        event,
        resource: resource.as_deref(),
        action: action.as_deref(),
        organisation: org.as_deref(),
        position: position.as_deref(),
        user: user.as_deref(),
        connection: connection.as_deref(),
    };
    let client = admin.client(sources).map_err(|error| match error {
        CommandError::No(error) => CommandError::NoAnswer(error),
        other => other,
    })?;
    let answer: Value = client.post("explain", &question).await.map_err(|error| no_answer(&error))?;
    let explanation = Explanation::deserialize(&answer).map_err(|error| no_answer(&error))?;
    let text = if *json { format!("{answer}\n") } else { explanation.to_text() };
    io::stdout().write_all(text.as_bytes()).map_err(|error| no_answer(&error))?;
    match (explanation.delivered, explanation.not_remembered()) {
        (true, _) => Ok(()),
        (false, Some(detail)) => Err(CommandError::NoAnswer(visible(detail))),
        (false, None) => Err(CommandError::no("the event is not delivered")),
    }
}

impl Explanation {
    /// Why it is not known whether the event was delivered, if it is not: the server does not remember all that it was offered to.
    fn not_remembered(&self) -> Option<&str> {
        let skipped = self.steps.iter().find(|step| step.step == "matched" && step.outcome == "skip");
        skipped.filter(|_| !self.delivered).and_then(|step| step.detail.as_deref())
    }

    /// The steps in columns, those of each connection together. What clients and publishers chose cannot change the terminal.
    fn to_text(&self) -> String {
        let width = self.steps.iter().map(|step| visible(&step.step).len()).max().unwrap_or_default();
        let mut text = String::from(match (self.delivered, self.not_remembered()) {
            (true, _) => "delivered\n",
            (false, Some(_)) => "not known\n",
            (false, None) => "not delivered\n",
        });
        let mut connection = &None;
        for step in &self.steps {
            if step.connection != *connection {
                connection = &step.connection;
                let id = connection.as_deref().map(visible).unwrap_or_default();
                let node = step.node.as_deref().map(|node| format!(" at node {}", visible(node))).unwrap_or_default();
                text.push_str(&format!("connection {id}{node}\n"));
            }
            let outcome = match step.outcome.as_str() {
                "fail" => "FAIL".to_owned(),
                other => visible(other),
            };
            let detail = step.detail.as_deref().map(visible).unwrap_or_default();
            let line = format!("  {outcome:4}  {:width$}  {detail}", visible(&step.step));
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for node in &self.missing {
            text.push_str(&format!("node {} did not answer\n", visible(node)));
        }
        text
    }
}

/// A text on one line in which everything that cannot be seen is an escape.
fn visible(text: &str) -> String {
    escaped_lines(text).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_steps_stand_in_columns_and_cannot_change_the_terminal() {
        let step = |step: &str, outcome: &str, detail: Value, connection: Value| json!({"step": step, "outcome": outcome, "detail": detail, "connection": connection});
        let steps = [
            step("catalogue", "pass", "declared, with resources".into(), Value::Null),
            step("connections", "pass", "2 of user ann: a, b".into(), Value::Null),
            step("grants", "fail", "needs x\u{1b}[2J\n\u{202e}; has y (grants[0])".into(), "a".into()),
            step("subscriptions", "skip", Value::Null, "a".into()),
            step("grants", "pass", "x (grants[0])".into(), "b\r".into()),
        ];
        let explanation: Explanation = serde_json::from_value(json!({"delivered": false, "steps": steps})).unwrap();
        let expected = "not delivered
  pass  catalogue      declared, with resources
  pass  connections    2 of user ann: a, b
connection a
  FAIL  grants         needs x\\u{1b}[2J\\n\\u{202e}; has y (grants[0])
  skip  subscriptions
connection b\\r
  pass  grants         x (grants[0])
";
        assert_eq!(explanation.to_text(), expected);
    }
    #[test]
    fn what_the_server_does_not_remember_is_not_known() {
        let of = |delivered: bool, outcome: &str| {
            let matched = json!({"step": "matched", "outcome": outcome, "detail": "not remembered: …"});
            serde_json::from_value::<Explanation>(json!({"delivered": delivered, "steps": [matched]})).unwrap()
        };
        assert_eq!(of(false, "skip").not_remembered(), Some("not remembered: …"));
        assert!(of(false, "skip").to_text().starts_with("not known\n"));
        for (delivered, outcome) in [(true, "skip"), (true, "pass"), (false, "fail")] {
            assert_eq!(of(delivered, outcome).not_remembered(), None);
        }
    }
}
