//! Values of the section `history`.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use signalhub::events::EventName;

use super::setting::{Fault, Given, Setting, quoted};
use super::unit::ByteSize;

/// The directory of a history on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryDirectory(PathBuf);

impl HistoryDirectory {
    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Setting for HistoryDirectory {
    const EXPECTED: &'static str = "the path of a directory";

    fn parse(given: &Given<'_>) -> Option<Self> {
        given.text().filter(|path| !path.is_empty()).map(|path| Self(path.into()))
    }

    fn written(&self) -> String {
        quoted(&self.0.display().to_string())
    }
}

/// The limits of some event names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryOverrides(pub BTreeMap<EventName, HistoryOverride>);

/// The limits of one event name; `None` for those of all names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryOverride {
    /// How many events are kept.
    pub events: Option<NonZeroUsize>,
    /// How many bytes they may take.
    pub bytes: Option<ByteSize>,
    /// How long an event is kept.
    pub age: Option<Duration>,
}

impl HistoryOverride {
    fn read(given: &Given<'_>) -> Result<Self, Fault> {
        const EXPECTED: &str = "a table with some of events, bytes and age";
        let mut limits = Self::default();
        for (name, place, given) in given.members().ok_or(Fault::here(EXPECTED))? {
            let read = match name {
                "events" => Setting::read(&given).map(|events| limits.events = events),
                "bytes" => Setting::read(&given).map(|bytes| limits.bytes = bytes),
                "age" => Setting::read(&given).map(|age| limits.age = age),
                _ => Err(Fault::here("one of the keys events, bytes and age")),
            };
            read.map_err(|fault| fault.or_at(place).inside(&format!(".{name}")))?;
        }
        Ok(limits)
    }

    fn written(&self) -> String {
        let Self { events, bytes, age } = self;
        let members = [("events", events.written()), ("bytes", bytes.written()), ("age", age.written())];
        let members = members.into_iter().filter(|(_, value)| !value.is_empty());
        let members: Vec<_> = members.map(|(name, value)| format!("{name} = {value}")).collect();
        format!("{{ {} }}", members.join(", "))
    }
}

impl Setting for HistoryOverrides {
    const EXPECTED: &'static str = "a table of limits by event name such as { \"portos.resources.changed\" = { events = 100000, age = \"7d\" } }, as JSON outside of the file";

    fn parse(given: &Given<'_>) -> Option<Self> {
        Self::read(given).ok()
    }

    fn read(given: &Given<'_>) -> Result<Self, Fault> {
        if let Given::Text(text) = given {
            let value: serde_json::Value = serde_json::from_str(text).map_err(|_| Fault::here(Self::EXPECTED))?;
            return Self::read(&Given::Json(&value));
        }
        let names = given.members().ok_or(Fault::here(Self::EXPECTED))?;
        let limits = names.into_iter().map(|(name, place, given)| {
            let inside = |fault: Fault| fault.or_at(place).inside(&format!(".{}", quoted(name)));
            let event = name.parse().map_err(|_| inside(Fault::here(EventName::EXPECTED)))?;
            Ok((event, HistoryOverride::read(&given).map_err(inside)?))
        });
        limits.collect::<Result<_, _>>().map(Self)
    }

    fn written(&self) -> String {
        super::table::inline_table(self.0.iter().map(|(name, limits)| (name.as_str().to_owned(), limits.written())))
    }
}

#[cfg(test)]
mod tests;
