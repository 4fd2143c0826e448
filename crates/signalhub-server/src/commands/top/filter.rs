//! Which connections the server is asked for.

/// A selection of connections, as an operator types it: `ann`, or `organisation=acme transport=ws slow`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// As it was typed.
    text: String,
    /// The parameters of the query.
    parameters: Vec<(&'static str, String)>,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FilterError {
    #[error("\"{0}\" is no part of a connection: expected user, organisation, event, transport or slow")]
    UnknownName(String),
    #[error("{0} has no value")]
    NoValue(&'static str),
    #[error("{0} is given twice")]
    Twice(&'static str),
}

impl Filter {
    /// Reads words with a space between them: `name=value`, `slow`, or the name of a user.
    pub(super) fn parse(text: &str) -> Result<Self, FilterError> {
        let mut parameters: Vec<(&'static str, String)> = Vec::new();
        for word in text.split_whitespace() {
            let (name, value) = match word.split_once('=') {
                None if word == "slow" => ("slow", "true"),
                None => ("user", word),
                Some(("user", value)) => ("user", value),
                Some(("organisation" | "org", value)) => ("organisation", value),
                Some(("event", value)) => ("event", value),
                Some(("transport" | "via", value)) => ("transport", transport(value)),
                Some((other, _)) => return Err(FilterError::UnknownName(other.to_owned())),
            };
            if value.is_empty() {
                return Err(FilterError::NoValue(name));
            }
            if parameters.iter().any(|(known, _)| *known == name) {
                return Err(FilterError::Twice(name));
            }
            parameters.push((name, value.to_owned()));
        }
        Ok(Self { text: text.trim().to_owned(), parameters })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn parameters(&self) -> &[(&'static str, String)] {
        &self.parameters
    }
}

/// The API's name for a transport, which the table abbreviates.
fn transport(name: &str) -> &str {
    match name {
        "ws" => "web_sockets",
        "sse" => "server_sent_events",
        "poll" => "long_polling",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_parameters_of_the_query() {
        let parameters = |text| Filter::parse(text).map(|filter| filter.parameters);
        let owned = |name, value: &str| (name, value.to_owned());
        assert_eq!(parameters("  "), Ok(vec![]));
        assert_eq!(parameters("ann"), Ok(vec![owned("user", "ann")]));
        assert_eq!(
            parameters("org=acme via=ws slow event=a.b"),
            Ok(vec![
                owned("organisation", "acme"),
                owned("transport", "web_sockets"),
                owned("slow", "true"),
                owned("event", "a.b")
            ])
        );
        assert_eq!(parameters("transport=long_polling"), Ok(vec![owned("transport", "long_polling")]));
        assert_eq!(parameters("user=a=b"), Ok(vec![owned("user", "a=b")]));
        assert_eq!(parameters("colour=red"), Err(FilterError::UnknownName("colour".to_owned())));
        assert_eq!(parameters("ann user=bob"), Err(FilterError::Twice("user")));
        assert_eq!(parameters("user="), Err(FilterError::NoValue("user")));
    }
}
