//! Names of events, and patterns of them.

use signalhub::events::{EventName, Pattern};

use super::setting::{Given, Setting, quoted};

impl Setting for EventName {
    const EXPECTED: &'static str = "the name of an event, of 1 to 256 bytes";

    const EXPECTED_LIST: &'static str =
        "a list of names, of 1 to 256 bytes each, such as [\"a\", \"b\"], or \"a,b\" outside of the file";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }

    fn written(&self) -> String {
        quoted(self.as_str())
    }
}

impl Setting for Pattern {
    const EXPECTED: &'static str = "the name of an event, which may end with *";

    const EXPECTED_LIST: &'static str = "a list of names of events, which may end with *, such as [\"portos.*\"]";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text()?.parse().ok()
    }

    fn written(&self) -> String {
        quoted(&self.to_string())
    }
}
