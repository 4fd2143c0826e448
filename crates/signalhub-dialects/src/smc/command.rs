//! What clients send on the socket, and the answers.

use serde::{Deserialize, Serialize};
use signalhub_connections::{Frame, MessageKind};

use super::selection::shortened;

/// A command of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `{"context":"host, router"}`
    Subscribe { context: String },
    /// `{"unsubscribe":0}`
    Unsubscribe { subscription_id: u64 },
}

/// Why a message is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found}: expected {{\"context\":\"host, router\"}} or {{\"unsubscribe\":0}} as a text message")]
pub(super) struct CommandError {
    found: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    context: Option<String>,
    unsubscribe: Option<u64>,
}

impl Command {
    /// Reads a message.
    pub(super) fn read(kind: MessageKind, message: &[u8]) -> Result<Self, CommandError> {
        let wrong = |found: &str| Err(CommandError { found: found.to_owned() });
        if kind == MessageKind::Binary {
            return wrong("a binary message");
        }
        let members = serde_json::from_slice(message);
        match members.map_err(|error| CommandError { found: shortened(&error.to_string()) })? {
            Members { context: Some(context), unsubscribe: None } => Ok(Self::Subscribe { context }),
            Members { context: None, unsubscribe: Some(subscription_id) } => Ok(Self::Unsubscribe { subscription_id }),
            Members { context: Some(_), unsubscribe: Some(_) } => wrong("two commands in one message"),
            Members { context: None, unsubscribe: None } => wrong("no command"),
        }
    }
}

/// An answer to a command. Clients read the keys; the texts are for people.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer<'a> {
    Subscribed {
        success: &'static str,
        context: &'a str,
        subscription_id: u64,
    },
    Unsubscribed {
        success: &'static str,
        subscription_id: u64,
    },
    /// The vendor's client looks for exactly this key. With any other it waits without end.
    Failure {
        failure: String,
    },
}

impl<'a> Answer<'a> {
    pub(super) fn subscribed(context: &'a str, subscription_id: u64) -> Self {
        Self::Subscribed { success: "Subscribed for notification", context, subscription_id }
    }

    pub(super) fn unsubscribed(subscription_id: u64) -> Self {
        Self::Unsubscribed { success: "Unsubscribed", subscription_id }
    }

    pub(super) fn failure(failure: &impl ToString) -> Self {
        Self::Failure { failure: failure.to_string() }
    }

    pub(super) fn to_frame(&self) -> Frame {
        let text = serde_json::to_vec(self).expect("texts and numbers always serialise");
        Frame::new(MessageKind::Text, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_subscribe_and_unsubscribe() {
        let read = |text: &str| Command::read(MessageKind::Text, text.as_bytes());
        assert_eq!(read(r#"{"context": "*"}"#), Ok(Command::Subscribe { context: "*".to_owned() }));
        assert_eq!(read(r#" {"context":"a, \u0062"} "#), Ok(Command::Subscribe { context: "a, b".to_owned() }));
        assert_eq!(read(r#"{"unsubscribe":0}"#), Ok(Command::Unsubscribe { subscription_id: 0 }));
    }

    #[test]
    fn every_other_message_is_told_what_was_expected() {
        let deep = "[".repeat(10_000);
        for (text, found) in [
            ("", "EOF while parsing"),
            ("hello", "expected value"),
            ("{\"context\":\"host\"", "EOF while parsing"),
            ("{\"context\":\"\\ud800\"}", "unexpected end of hex escape"),
            ("{}", "no command"),
            ("[]", "invalid length 0"),
            ("{\"context\":null}", "no command"),
            ("{\"context\":1}", "invalid type: integer `1`"),
            ("{\"context\":[\"host\"]}", "invalid type: sequence"),
            ("{\"unsubscribe\":\"0\"}", "invalid type: string"),
            ("{\"unsubscribe\":-1}", "invalid value"),
            ("{\"unsubscribe\":0.5}", "invalid type: floating point"),
            ("{\"context\":\"host\",\"unsubscribe\":0}", "two commands"),
            ("{\"context\":\"host\",\"context\":\"host\"}", "duplicate field"),
            ("{\"fetch\":{}}", "unknown field `fetch`"),
            (&deep, "invalid"),
        ] {
            let error = Command::read(MessageKind::Text, text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(found), "{text}: {error}");
            assert!(error.contains(r#": expected {"context":"host, router"} or {"unsubscribe":0}"#), "{error}");
            assert!(error.len() < 250, "{error}");
        }
        let binary = Command::read(MessageKind::Binary, br#"{"context":"*"}"#).unwrap_err();
        assert!(binary.to_string().starts_with("a binary message: expected"));
    }

    #[test]
    fn answers_have_the_keys_that_clients_read() {
        for (answer, text) in [
            (
                Answer::subscribed("a, \"b", 7),
                r#"{"success":"Subscribed for notification","context":"a, \"b","subscription_id":7}"#,
            ),
            (Answer::unsubscribed(0), r#"{"success":"Unsubscribed","subscription_id":0}"#),
            (Answer::failure(&"no"), r#"{"failure":"no"}"#),
        ] {
            assert_eq!(answer.to_frame().payload(), text);
        }
    }
}
